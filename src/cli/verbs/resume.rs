//! `resume` and `rollback`: what a journal holds is finished, or undone.

use trustnet_core::observed::Owner;
use trustnet_core::plan::{Plan, Step, Verb};
use trustnet_host::apply::{self, Context, Event};
use trustnet_host::interrupt::Interrupt;
use trustnet_host::journal::{self, Journal, Mark};

use crate::args::{Resume, Rollback};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::make::UntilDefined;
use crate::outcome::Outcome;
use crate::verbs::power::each;
use crate::{Program, make};

/// Finishes what was interrupted.
///
/// # Errors
/// One of the VMs failed.
pub fn resume(program: &Program, args: &Resume) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    each_leftover(program, &host, &args.names, |journal| {
        let Plan { vm, verb, .. } = journal.plan().clone();
        let word = make::verb_word(verb);
        finish(program, &host, journal, &interrupt)?;
        let mut line = format!("Successfully finished the {word} of VM '{vm}'");
        if has_services(&host, &vm)? {
            line.push_str(&format!(
                "\nVM '{vm}': services are not looked at here: trustnet-vm provision {vm}"
            ));
        }
        Ok(Outcome::new("finished", line))
    })
}

fn finish(
    program: &Program,
    host: &Host,
    journal: Journal,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let vm = journal.plan().vm.clone();
    let planning = shares(&journal)
        .then(|| host.lock_planning(interrupt).map(UntilDefined::held))
        .transpose()?;
    let planning = planning.as_ref();
    with_context(program, host, &vm, interrupt, planning, |context| {
        Ok(apply::apply(journal, context)?)
    })
}

/// Finishes the create of a VM, where one was interrupted, and says whether.
///
/// # Errors
/// It fails again.
pub fn finish_create(
    program: &Program,
    host: &Host,
    name: &str,
    interrupt: &Interrupt,
) -> Result<bool, Failure> {
    let _mine = make::lock_vm(host, name)?;
    match Journal::open(&host.journal_dir(name))? {
        Some(journal) if journal.plan().verb == Verb::Create => {
            finish(program, host, journal, interrupt)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Undoes what was interrupted.
///
/// # Errors
/// One of the VMs failed, or its destroy has gone too far.
pub fn rollback(program: &Program, args: &Rollback) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    each_leftover(program, &host, &args.names, |journal| {
        let Plan { vm, verb, .. } = journal.plan().clone();
        let word = make::verb_word(verb);
        if !apply::can_roll_back(&journal) {
            return Err(Failure::new(
                Exit::Vm,
                format!("the destroy of `{vm}` has removed things that cannot be brought back"),
            )
            .hint(format!("finish it: `trustnet-vm resume {vm}`")));
        }
        with_context(program, &host, &vm, &interrupt, None, |context| {
            Ok(apply::rollback(journal, context)?)
        })?;
        let line = format!("Successfully undid the {word} of VM '{vm}'");
        Ok(Outcome::new("undone", line))
    })
}

fn each_leftover(
    program: &Program,
    host: &Host,
    names: &[String],
    work: impl Fn(Journal) -> Result<Outcome, Failure> + Sync,
) -> Result<Exit, Failure> {
    let names = if names.is_empty() {
        journal::leftovers(&host.paths, &host.uri)
    } else {
        names.to_vec()
    };
    if names.is_empty() && program.in_words() {
        program.ui.result("nothing was interrupted\n");
    }
    each(program, &names, |name| {
        let _mine = make::lock_vm(host, name)?;
        match Journal::open(&host.journal_dir(name))? {
            Some(journal) => work(journal),
            None => {
                let line = format!("nothing was interrupted for VM '{name}'");
                Ok(Outcome::new("unchanged", line))
            }
        }
    })
}

/// Whether what is left to do makes something that other runs look for.
fn shares(journal: &Journal) -> bool {
    let left = journal.plan().steps.iter().zip(journal.marks());
    left.into_iter()
        .any(|(step, mark)| matches!(step, Step::EnsureCacheVolume { .. }) && *mark != Mark::Done)
}

fn with_context(
    program: &Program,
    host: &Host,
    vm: &str,
    interrupt: &Interrupt,
    planning: Option<&UntilDefined>,
    work: impl FnOnce(&Context<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let progress = program.ui.progress(vm);
    let listen = |event: Event<'_>| {
        if let Some(planning) = planning {
            planning.see(&event);
        }
        make::show(&progress, event);
    };
    work(&Context {
        hypervisor: &*host.hypervisor,
        ready: make::ready_options(program, host),
        interrupt,
        listen: &listen,
    })
}

/// Whether a VM asks for services; one that is gone asks for none.
fn has_services(host: &Host, name: &str) -> Result<bool, Failure> {
    let domain = host.hypervisor.domains().find(name)?;
    let owner = domain.map(|domain| domain.owner);
    let record = owner.as_ref().and_then(Owner::record);
    Ok(record.is_some_and(|record| !record.spec.spec.services.is_empty()))
}
