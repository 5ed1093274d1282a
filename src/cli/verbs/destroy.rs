//! `destroy`: find, plan, say what goes, ask, apply.

use trustnet_core::observed::DomainFacts;
use trustnet_core::plan::{self, DestroyOptions, Plan, Step};
use trustnet_host::apply::{self, Context, Event};
use trustnet_host::interrupt::Interrupt;
use trustnet_host::journal::Journal;

use crate::Program;
use crate::args::Destroy;
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::make;
use crate::outcome::Outcome;
use crate::verbs::power::{deadline, each};

/// Removes VMs.
///
/// # Errors
/// One of them failed, is protected, or is not ours.
pub fn run(program: &Program, args: &Destroy) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let options = DestroyOptions {
        deadline_s: deadline(&args.stop).as_secs(),
        keep_data: args.keep_data,
    };
    let shown = confirm(program, &host, &args.stop.names, options)?;
    let interrupt = crate::interruption()?;
    each(program, &args.stop.names, |name| {
        let shown = shown.iter().find(|plan| plan.vm == name);
        destroy_one(program, &host, name, shown, options, &interrupt)
    })
}

/// Says what goes, and asks; gives the plans that were shown.
fn confirm(
    program: &Program,
    host: &Host,
    names: &[String],
    options: DestroyOptions,
) -> Result<Vec<Plan>, Failure> {
    let mut shown = Vec::new();
    for name in names {
        let Some(domain) = host.hypervisor.domains().find(&name.to_ascii_lowercase())? else {
            continue;
        };
        let plan =
            plan::destroy(&domain, options).map_err(|refusal| Failure::from(vec![refusal]))?;
        program.ui.say(format!("destroying `{}`:", plan.vm));
        plan.steps
            .iter()
            .for_each(|step| program.ui.say(format!("  - {step}")));
        kept(&domain, &plan)
            .iter()
            .for_each(|name| program.ui.say(format!("  - keep volume `{name}`")));
        shown.push(plan);
    }
    if shown.is_empty() || program.yes {
        return Ok(shown);
    }
    if !program.env.stdin_terminal {
        return Err(Failure::new(
            Exit::Usage,
            "destroying needs a yes, and there is no terminal to ask on",
        )
        .hint("give `--yes`"));
    }
    if crate::asked(&program.ui, "go on?")? {
        Ok(shown)
    } else {
        Err(Failure::new(Exit::Usage, "nothing was destroyed"))
    }
}

/// What a plan takes away for good.
fn lost(plan: &Plan) -> impl Iterator<Item = &Step> {
    let gone = |step: &&Step| {
        matches!(
            step,
            Step::DeleteVolume { .. } | Step::RemoveLoginKey { .. }
        )
    };
    plan.steps.iter().filter(gone)
}

/// The recorded volumes that a plan leaves, as `pool/volume`.
fn kept(domain: &DomainFacts, plan: &Plan) -> Vec<String> {
    let deleted = |pool: &str, name: &str| {
        plan.steps.iter().any(|step| matches!(step, Step::DeleteVolume { pool: p, volume: v } if p == pool && v == name))
    };
    let volumes = domain
        .owner
        .record()
        .map(|record| record.volumes.as_slice())
        .unwrap_or_default();
    volumes
        .iter()
        .filter(|v| !deleted(&v.pool, &v.name))
        .map(|v| format!("{}/{}", v.pool, v.name))
        .collect()
}

fn destroy_one(
    program: &Program,
    host: &Host,
    name: &str,
    shown: Option<&Plan>,
    options: DestroyOptions,
    interrupt: &Interrupt,
) -> Result<Outcome, Failure> {
    let _mine = make::lock_vm(host, name)?;
    make::refuse_leftover(host, name)?;
    let Some(domain) = host.hypervisor.domains().find(name)? else {
        let line = format!("VM '{name}' is not there: nothing to do");
        return Ok(Outcome::new("absent", line));
    };
    let plan = plan::destroy(&domain, options).map_err(|refusal| Failure::from(vec![refusal]))?;
    // Nothing was held while the user thought.
    if !shown.is_some_and(|shown| shown.uuid == plan.uuid && lost(shown).eq(lost(&plan))) {
        return Err(Failure::new(
            Exit::Vm,
            format!("`{name}` is not what was shown any more; nothing of it was destroyed"),
        )
        .hint("look again with `trustnet-vm get`, then destroy it again"));
    }
    let kept = kept(&domain, &plan);
    let was_active = domain.state.is_active();
    let journal = Journal::begin(&host.journal_dir(name), plan, None)?;
    let progress = program.ui.progress(name);
    let listen = |event: Event<'_>| make::show(&progress, event);
    let context = Context {
        hypervisor: &*host.hypervisor,
        ready: make::ready_options(program, host),
        interrupt,
        listen: &listen,
    };
    apply::apply(journal, &context)?;
    drop(progress);
    Ok(report(program, name, was_active, &kept))
}

fn report(program: &Program, name: &str, was_active: bool, kept: &[String]) -> Outcome {
    let tick = program.ui.paint("32", "✓");
    let mut text = format!("Destroying VM '{name}'...\n");
    if was_active {
        text.push_str(&format!("{tick} VM stopped\n"));
    }
    text.push_str(&format!(
        "{tick} Domain undefined\n{tick} Storage removed\n"
    ));
    for volume in kept {
        text.push_str(&format!("{tick} Kept {volume}\n"));
    }
    text.push_str(&format!("Successfully destroyed VM '{name}'"));
    Outcome::new("destroyed", text)
}
