//! `create`: load, resolve, then for each VM at once: observe, plan, apply.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use trustnet_api::service_ref::RemoteService;
use trustnet_core::artifact::ArtifactSet;
use trustnet_core::guest_os;
use trustnet_core::service::Instance;
use trustnet_core::units;
use trustnet_host::interrupt::Interrupt;
use trustnet_host::secrets::Keep;

use crate::Program;
use crate::args::Create;
use crate::bring::{Bringer, brought as brought_line, warn_of_left, warn_of_recorded};
use crate::capacity;
use crate::failure::{Exit, Failure};
use crate::fleet::{self, Board};
use crate::host::Host;
use crate::images::Images;
use crate::make::{Made, Maker, lock_vm};
use crate::network;
use crate::outcome::entry;
use crate::prepare::{Asked, Prepared, Preparer};
use crate::specs::{self, Spec};
use crate::ui::Progress;

/// Makes VMs.
///
/// # Errors
/// One of them failed, or the specs are wrong.
pub fn run(program: &Program, args: &Create) -> Result<Exit, Failure> {
    let specs = specs::load(program, &args.files.all())?;
    let specs = fleet::sorted(specs, Spec::member)?;
    let host = program.connect()?;
    let wait = !args.waiting.no_wait;
    let interrupt = crate::interruption()?;
    let order = Order {
        wait,
        offline: args.offline,
        parallel: args.parallel,
        interrupt: &interrupt,
        listen: &|spec, stage| {
            if let (Some(spec), Stage::Ended(made, brought)) = (spec, stage) {
                report(program, wait, spec, made, brought);
            }
        },
    };
    let results = make(program, &host, &specs, &order)?;
    let ready = |brought: &Brought| matches!(brought, Brought::Ready(_));
    let settled = if results
        .iter()
        .all(|one| matches!(one, Ok((_, brought)) if ready(brought)))
    {
        network::settle(program, &host, &specs, &interrupt)
    } else {
        Ok(())
    };
    let exit = summarise(program, &specs, results)?;
    settled.map(|()| exit)
}

/// What came of a VM.
pub type Outcome = Result<(Made, Brought), Failure>;

/// How VMs are made.
pub struct Order<'a> {
    /// Whether guests are waited for.
    pub wait: bool,
    /// Whether nothing is fetched.
    pub offline: bool,
    /// The most VMs at once.
    pub parallel: usize,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
    /// Is told how far a VM has come, or none of them in particular.
    pub listen: &'a (dyn Fn(Option<&Spec>, Stage) + Sync),
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What the services need is there, for all.
    Prepared,
    /// A VM is there.
    Made(Made),
    /// A VM is there, and its services are as they are to be.
    Ended(Made, Brought),
}

/// Makes VMs, each after those that it needs; one that fails stops no other. The results are in the order of the specs.
///
/// # Errors
/// Nothing was made: the host does not answer, there is no room, or something is not to be had.
pub fn make(
    program: &Program,
    host: &Host,
    specs: &[Spec],
    order: &Order<'_>,
) -> Result<Vec<Outcome>, Failure> {
    let mut maker = maker_with(program, host, order.wait, order.interrupt)?;
    capacity::check(program, host, specs)?;
    maker.alone = specs.len() == 1;
    maker.offline = order.offline;
    let services = Services::prepare(&maker, specs, order.offline)?;
    maker.artifacts = services.artifacts();
    (order.listen)(None, Stage::Prepared);
    let names: Vec<&str> = specs.iter().map(|spec| spec.vm.name().as_str()).collect();
    Ok(in_parallel(specs, order.parallel, |spec| {
        let name = spec.vm.name().as_str();
        let progress = program.ui.progress(name);
        let begun = Instant::now();
        let made = services
            .board
            .await_ahead(&spec.member(), &names, &maker.interrupt)
            .and_then(|()| maker.make(spec, &progress))
            .and_then(|made| {
                (order.listen)(Some(spec), Stage::Made(made));
                Ok((made, services.bring(&maker, spec, specs, &progress)?))
            });
        services.board.end(name, made.is_ok());
        drop(progress);
        if let Ok((made, brought)) = &made {
            (order.listen)(Some(spec), Stage::Ended(*made, *brought));
            let took = begun.elapsed().as_secs_f64();
            program.ui.detail(format!("{name}: {took:.2} s"));
        }
        made
    }))
}

/// What came of a VM's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// It has none.
    None,
    /// They are left for later: nobody waits for the guest, or it does not run.
    Later,
    /// They are ready, after so many steps.
    Ready(usize),
}

/// The services of the VMs of an invocation.
struct Services<'a> {
    /// What each VM's services need; none where no VM has any.
    preparer: Option<Preparer<'a>>,
    prepared: BTreeMap<String, Prepared>,
    board: Board,
}

impl<'a> Services<'a> {
    /// Gets what all of them need, before anything is made.
    fn prepare(maker: &Maker<'a>, specs: &[Spec], offline: bool) -> Result<Self, Failure> {
        let mut services = Self {
            preparer: None,
            prepared: BTreeMap::new(),
            board: Board::default(),
        };
        let asking = specs.iter().filter(|spec| !spec.services.is_empty());
        if asking.clone().next().is_none() {
            return Ok(services);
        }
        let mut makes_one = false;
        for spec in asking.clone() {
            let domains = maker.host.hypervisor.domains();
            makes_one |= domains.find(spec.vm.name().as_str())?.is_none();
        }
        let preparer = Preparer::new(maker.program, &maker.info.arch, offline, &maker.interrupt)?
            .looking_for_damage(makes_one);
        let known = specs.iter().map(|spec| {
            let wire = spec.vm.wire();
            (spec.vm.name().as_str(), (wire, spec.services.as_slice()))
        });
        let known: BTreeMap<_, _> = known.collect();
        let catalogue = maker.program.catalogue()?;
        let at = |remote: &RemoteService| {
            fleet::locate(maker.host, &catalogue, &known, preparer.arch(), remote)
        };
        let progress = maker.program.ui.progress("services");
        let asks = asking.clone().map(|spec| {
            let os = guest_os::of(spec.vm.wire());
            (spec.services.as_slice(), spec.folder.as_path(), os)
        });
        preparer.refuse_missing(asks, &progress)?;
        drop(progress);
        for spec in asking {
            let progress = maker.program.ui.progress(spec.vm.name().as_str());
            let asked = Asked {
                name: spec.vm.name(),
                wire: spec.vm.wire(),
                folder: &spec.folder,
                services: &spec.services,
            };
            let prepared = preparer.prepare(&asked, &at, Keep::Yes, &progress)?;
            services
                .prepared
                .insert(spec.vm.name().to_string(), prepared);
        }
        services.preparer = Some(preparer);
        Ok(services)
    }

    /// The artifacts of each VM.
    fn artifacts(&self) -> BTreeMap<String, ArtifactSet> {
        let sets = self.prepared.iter().map(|(name, prepared)| {
            (
                name.clone(),
                ArtifactSet::new(prepared.blobs.iter().copied()),
            )
        });
        sets.filter(|(_, set)| !set.is_empty()).collect()
    }

    /// Brings a VM's services into its guest.
    fn bring(
        &self,
        maker: &Maker<'_>,
        spec: &Spec,
        all: &[Spec],
        progress: &Progress<'_>,
    ) -> Result<Brought, Failure> {
        let name = spec.vm.name().as_str();
        let (Some(preparer), Some(prepared)) = (&self.preparer, self.prepared.get(name)) else {
            warn_of_recorded(maker.program, name, &maker.host.find(name)?.owner);
            return Ok(Brought::None);
        };
        let domain = maker.host.find(name)?;
        if !maker.wait || !domain.state.is_active() {
            return Ok(Brought::Later);
        }
        let all: Vec<&str> = all.iter().map(|spec| spec.vm.name().as_str()).collect();
        self.board
            .await_needed(&spec.member(), &all, &maker.interrupt)?;
        let bringer = Bringer {
            program: maker.program,
            host: maker.host,
            blobs: &preparer.blobs(),
            interrupt: &maker.interrupt,
        };
        let _mine = lock_vm(maker.host, name)?;
        let outcome = bringer.bring(name, spec.vm.wire(), prepared, progress)?;
        warn_of_left(maker.program, name, &outcome);
        Ok(Brought::Ready(outcome.taken))
    }
}

/// Prepares what all VMs of an invocation share.
///
/// # Errors
/// The hypervisor does not answer, or KVM does not work.
pub fn maker<'a>(program: &'a Program, host: &'a Host, wait: bool) -> Result<Maker<'a>, Failure> {
    let interrupt = crate::interruption()?;
    maker_with(program, host, wait, &interrupt)
}

fn maker_with<'a>(
    program: &'a Program,
    host: &'a Host,
    wait: bool,
    interrupt: &Interrupt,
) -> Result<Maker<'a>, Failure> {
    let info = host.hypervisor.survey().host()?;
    Ok(Maker {
        program,
        host,
        domain_type: program.domain_type(host, &info)?,
        images: Images::with(program, host, info.clone(), interrupt.clone()),
        info,
        interrupt: interrupt.clone(),
        offline: false,
        wait,
        alone: false,
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
fn report(program: &Program, wait: bool, spec: &Spec, made: Made, brought: Brought) {
    let ui = &program.ui;
    if !program.in_words() {
        return;
    }
    let vm = &spec.vm;
    let name = vm.name();
    if made == Made::Unchanged {
        let mut text =
            format!("VM '{name}' is there already, made from this spec: nothing to do\n");
        text.push_str(&match brought {
            Brought::None => String::new(),
            Brought::Ready(steps) => brought_line(name.as_str(), steps),
            Brought::Later => later(name.as_str()),
        });
        ui.result(text);
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
    if wait {
        text.push_str(&format!("{tick} Guest ready\n"));
    }
    match brought {
        Brought::Ready(_) => {
            let names: Vec<&str> = spec.services.iter().map(Instance::name).collect();
            text.push_str(&format!("{tick} Services ready ({})\n", names.join(", ")));
        }
        Brought::Later => text.push_str(&later(name.as_str())),
        Brought::None => {}
    }
    text.push_str(&format!("Successfully created VM '{name}'\n"));
    ui.result(text);
}

/// What is said of services that were not brought.
fn later(name: &str) -> String {
    format!("VM '{name}': services are not in the guest yet: trustnet-vm provision {name}\n")
}

fn summarise(
    program: &Program,
    specs: &[Spec],
    results: Vec<Result<(Made, Brought), Failure>>,
) -> Result<Exit, Failure> {
    let mut worst: Option<Failure> = None;
    let mut items = Vec::new();
    let several = specs.len() > 1;
    for (spec, result) in specs.iter().zip(results) {
        let name = spec.vm.name().as_str();
        match result {
            Ok((made, brought)) => {
                let word = match (made, brought) {
                    (Made::Created, _) => "created",
                    (Made::Unchanged, Brought::Ready(1..)) => "provisioned",
                    (Made::Unchanged, _) => "unchanged",
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
