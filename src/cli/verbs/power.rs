//! `start`, `stop`, `restart`.

use std::time::Duration;

use trustnet_core::observed::{DomainFacts, Owner};
use trustnet_core::record::{Record, Role};
use trustnet_host::apply::{self, ShutDown};
use trustnet_host::doors::{Power, VolumeRef};
use trustnet_host::interrupt::Interrupt;
use trustnet_host::ready::{self, AwaitError, ReadyOptions};

use crate::Program;
use crate::args::{Restart, Stop, Waiting};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::make;
use crate::outcome::{Outcome, entry};
use crate::verbs::create::in_parallel;
use crate::verbs::get::not_ours;

/// VMs that are started or stopped at once.
const AT_ONCE: usize = 4;

/// Starts VMs and waits until they are ready.
///
/// # Errors
/// One of them failed.
pub fn start(program: &Program, names: &[String], waiting: &Waiting) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    each(program, names, |name| {
        start_one(program, &host, name, !waiting.no_wait, &interrupt)
    })
}

/// Shuts VMs down.
///
/// # Errors
/// One of them failed.
pub fn stop(program: &Program, args: &Stop) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    each(program, &args.names, |name| {
        stop_one(program, &host, name, deadline(args), &interrupt)
    })
}

/// Shuts VMs down and starts them again.
///
/// # Errors
/// One of them failed.
pub fn restart(program: &Program, args: &Restart) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    each(program, &args.stop.names, |name| {
        let stopped = stop_one(program, &host, name, deadline(&args.stop), &interrupt)?;
        let started = start_one(program, &host, name, !args.waiting.no_wait, &interrupt)?;
        Ok(Outcome {
            result: "restarted",
            text: stopped.text + &started.text,
        })
    })
}

/// How long a guest may take to go.
#[must_use]
pub fn deadline(args: &Stop) -> Duration {
    if args.force {
        Duration::ZERO
    } else {
        args.deadline
    }
}

/// Runs `work` for each name, and says what came of it as it comes; every failure is told, and the
/// first decides how the program ends.
///
/// # Errors
/// The list for machines cannot be written.
pub fn each(
    program: &Program,
    names: &[String],
    work: impl Fn(&str) -> Result<Outcome, Failure> + Sync,
) -> Result<Exit, Failure> {
    let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    let results = in_parallel(&names, AT_ONCE, |name| {
        let result = work(name);
        if let (Ok(outcome), true) = (&result, program.in_words()) {
            program.ui.result(&outcome.text);
        }
        result
    });
    let mut first = None;
    let mut entries = Vec::new();
    for (name, result) in names.iter().zip(&results) {
        entries.push(entry(name, result.as_ref().map(|outcome| outcome.result)));
        if let Err(failure) = result {
            program.ui.fail(failure);
            first.get_or_insert(failure.exit);
        }
    }
    program.print_entries(&entries)?;
    Ok(first.unwrap_or(Exit::Done))
}

/// A domain of ours, with its record.
///
/// # Errors
/// It is not there, or not ours.
pub fn ours(host: &Host, name: &str) -> Result<(DomainFacts, Record), Failure> {
    let domain = host.find(name)?;
    match &domain.owner {
        Owner::Ours(record) => {
            let record = (**record).clone();
            Ok((domain, record))
        }
        _ => Err(not_ours(&domain)),
    }
}

/// Starts a VM of ours, if it does not run, and waits until it is ready.
///
/// # Errors
/// It does not start, or its guest is not ready in time.
pub fn start_one(
    program: &Program,
    host: &Host,
    name: &str,
    wait: bool,
    interrupt: &Interrupt,
) -> Result<Outcome, Failure> {
    let _mine = make::lock_vm(host, name)?;
    make::refuse_leftover(host, name)?;
    let (domain, record) = ours(host, name)?;
    if !domain.state.is_active() {
        host.hypervisor
            .domains()
            .power(&domain.xml.uuid, Power::On)?;
    }
    if wait {
        let options = make::ready_options(program, host);
        await_phase(program, host, &domain, &record, &options, interrupt)?;
    }
    Ok(if domain.state.is_active() {
        Outcome::new("unchanged", format!("VM '{name}' runs already"))
    } else {
        Outcome::new("started", format!("Successfully started VM '{name}'"))
    })
}

/// Waits for a phase; a guest that is ready has its seed scrubbed, if that is still to do.
///
/// # Errors
/// The guest does not come to it.
pub fn await_phase(
    program: &Program,
    host: &Host,
    domain: &DomainFacts,
    record: &Record,
    options: &ReadyOptions<'_>,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let progress = program.ui.progress(&domain.xml.name);
    progress.begin("waiting for the guest");
    let listen = |event: ready::Progress| match event {
        ready::Progress::Phase(phase) => progress.reached(phase),
        ready::Progress::Note(note) => progress.note(note),
    };
    match ready::await_guest(
        &*host.hypervisor,
        &domain.xml.uuid,
        options,
        interrupt,
        &listen,
    ) {
        Ok(()) => {}
        Err(AwaitError::NotReady(why)) => return Err(apply::ApplyError::NotReady(why).into()),
        Err(AwaitError::Interrupted) => return Err(Failure::new(Exit::Interrupted, "interrupted")),
        Err(AwaitError::Host(error)) => return Err(error.into()),
    }
    if options.until == trustnet_core::readiness::Phase::Ready
        && let Some(seed) = record
            .volumes
            .iter()
            .find(|volume| volume.role == Role::Seed)
    {
        apply::scrub(&*host.hypervisor, VolumeRef::Named(&seed.pool, &seed.name))?;
    }
    Ok(())
}

fn stop_one(
    program: &Program,
    host: &Host,
    name: &str,
    deadline: Duration,
    interrupt: &Interrupt,
) -> Result<Outcome, Failure> {
    let _mine = make::lock_vm(host, name)?;
    make::refuse_leftover(host, name)?;
    let (domain, _) = ours(host, name)?;
    if !domain.state.is_active() {
        let line = format!("VM '{name}' does not run");
        return Ok(Outcome::new("unchanged", line));
    }
    let progress = program.ui.progress(name);
    progress.begin("shutting down");
    let end = apply::shut_down(&*host.hypervisor, &domain.xml.uuid, deadline, interrupt)?;
    drop(progress);
    let how = match end {
        ShutDown::Graceful => "",
        ShutDown::Cut => " (its power was cut)",
        ShutDown::Interrupted => {
            return Err(Failure::new(
                Exit::Interrupted,
                format!("interrupted; `{name}` may still shut down"),
            ));
        }
    };
    let line = format!("Successfully stopped VM '{name}'{how}");
    Ok(Outcome::new("stopped", line))
}
