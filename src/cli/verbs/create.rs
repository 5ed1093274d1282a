//! `create`: load, resolve, then for each VM at once: observe, plan, apply.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use trustnet_core::units;

use crate::Program;
use crate::args::Create;
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::make::{Made, Maker};
use crate::outcome::entry;
use crate::specs::{self, Spec};

/// Makes VMs.
///
/// # Errors
/// One of them failed, or the specs are wrong.
pub fn run(program: &Program, args: &Create) -> Result<Exit, Failure> {
    let specs = specs::load(program, &args.files.all())?;
    let host = program.connect()?;
    let maker = maker(program, &host, !args.waiting.no_wait)?;
    let results = in_parallel(&specs, args.parallel, |spec| {
        let progress = program.ui.progress(spec.vm.name().as_str());
        let begun = Instant::now();
        let made = maker.make(spec, &progress);
        drop(progress);
        if let Ok(made) = &made {
            report(program, &maker, spec, *made);
            program.ui.detail(format!(
                "{}: {:.2} s",
                spec.vm.name(),
                begun.elapsed().as_secs_f64()
            ));
        }
        made
    });
    summarise(program, &specs, results)
}

/// Prepares what all VMs of an invocation share.
///
/// # Errors
/// The hypervisor does not answer, KVM does not work, or there is no login key.
pub fn maker<'a>(program: &'a Program, host: &'a Host, wait: bool) -> Result<Maker<'a>, Failure> {
    let info = host.hypervisor.survey().host()?;
    Ok(Maker {
        program,
        host,
        domain_type: program.domain_type(host, &info)?,
        info,
        login: host.login_key()?,
        interrupt: crate::interruption()?,
        wait,
        artifacts: BTreeMap::new(),
    })
}

/// Runs `work` for every item, `at_once` at a time, and keeps the order. One failure stops no other.
pub fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    let worker = || {
        while let Some((index, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, items.get(i)?)))
        {
            let result = work(item);
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..at_once.clamp(1, items.len().max(1)) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The lines that the user asked for, in one piece.
fn report(program: &Program, maker: &Maker<'_>, spec: &Spec, made: Made) {
    let ui = &program.ui;
    if !program.in_words() {
        return;
    }
    let vm = &spec.vm;
    let name = vm.name();
    if made == Made::Unchanged {
        ui.result(format!(
            "VM '{name}' is there already, made from this spec: nothing to do\n"
        ));
        return;
    }
    let data: u64 = vm.data_disks().iter().map(|disk| disk.size).sum();
    let mut storage = format!("{} boot", units::bytes(vm.boot_disk().size));
    if data > 0 {
        storage.push_str(&format!(" + {} data", units::bytes(data)));
    }
    let tick = ui.paint("32", "✓");
    let mut text = format!(
        "Creating VM '{name}'...\n\
         {tick} Configuration validated\n\
         {tick} Storage created ({storage})\n\
         {tick} Cloud-init ISO generated\n\
         {tick} Domain defined\n\
         {tick} VM started\n"
    );
    if maker.wait {
        text.push_str(&format!("{tick} Guest ready\n"));
    }
    text.push_str(&format!("Successfully created VM '{name}'\n"));
    ui.result(text);
}

fn summarise(
    program: &Program,
    specs: &[Spec],
    results: Vec<Result<Made, Failure>>,
) -> Result<Exit, Failure> {
    let mut worst: Option<Failure> = None;
    let mut items = Vec::new();
    let several = specs.len() > 1;
    for (spec, result) in specs.iter().zip(results) {
        let name = spec.vm.name().as_str();
        match result {
            Ok(made) => {
                let word = if made == Made::Created {
                    "created"
                } else {
                    "unchanged"
                };
                items.push(entry(name, Ok(word)));
            }
            Err(mut failure) => {
                items.push(entry(name, Err(&failure)));
                failure.message = format!("failed to create `{name}`: {}", failure.message);
                if several {
                    program.ui.fail(&failure);
                    failure.message = String::new();
                    failure.hint = None;
                }
                // The first that failed decides how the program ends.
                worst.get_or_insert(failure);
            }
        }
    }
    program.print_entries(&items)?;
    if several && program.in_words() {
        let count = |word: &str| items.iter().filter(|item| item["result"] == word).count();
        program.ui.say(format!(
            "{} created, {} unchanged, {} failed",
            count("created"),
            count("unchanged"),
            count("failed")
        ));
    }
    worst.map_or(Ok(Exit::Done), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::in_parallel;

    #[test]
    fn no_more_run_at_once_than_allowed_and_the_order_is_kept() {
        for at_once in [0, 1, 3, 100] {
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let items: Vec<usize> = (0..9).collect();
            let results = in_parallel(&items, at_once, |item| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                now.fetch_sub(1, Ordering::SeqCst);
                *item
            });
            assert_eq!(results, items);
            let most = most.load(Ordering::SeqCst);
            assert!(
                most <= at_once.max(1),
                "{most} at once, and {at_once} were allowed"
            );
            assert!(at_once < 2 || most > 1, "nothing ran at once");
        }
    }
}
