//! `fix`: diagnose, show each repair, ask, run, and diagnose again. No repair takes anything away.

use std::collections::BTreeSet;
use std::time::Duration;

use trustnet_core::diagnosis::{Finding, Repair, findings};
use trustnet_core::readiness::clean;
use trustnet_host::examine::{self, Ended};
use trustnet_host::shell::{Shell, ShellError};

use crate::Program;
use crate::args::Output;
use crate::evidence::gather;
use crate::failure::{Exit, Failure};
use crate::guest::Guest;
use crate::host::Host;
use crate::subject::{Lookup, Subject};
use crate::verbs::diagnose;
use crate::verbs::{power, provision};

/// How long a command that mends something may take.
const LIMIT: Duration = Duration::from_secs(300);
/// How often is diagnosed and repaired: what is wrong in a guest shows only once its VM runs.
const ROUNDS: usize = 3;

/// Repairs what is known to be repairable.
///
/// # Errors
/// The VM is not there.
pub fn run(program: &Program, name: &str) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let lookup = Lookup::new(program, &host);
    let mut tried = BTreeSet::new();
    let mut found = Vec::new();
    for round in 0..=ROUNDS {
        let subject = lookup.subject(name)?;
        found = findings(&gather(&host, &subject));
        let todo = repairs(&found, &tried);
        if todo.is_empty() || round == ROUNDS {
            break;
        }
        if !program.yes && !program.env.stdin_terminal {
            return show_only(program, &subject, &found, &todo);
        }
        let mut done = false;
        for (finding, repair) in todo {
            show(program, &subject, finding, repair);
            tried.insert(repair.clone());
            if program.yes || crate::asked(&program.ui, "run it?")? {
                done = true;
                match apply(program, &host, &subject, repair) {
                    Ok(()) => program.ui.say("  done"),
                    Err(failure) => program.ui.fail(&failure),
                }
            }
        }
        if !done {
            break;
        }
    }
    diagnose::print(program, name, &found)?;
    Ok(diagnose::exit(&found))
}

/// The repairs that were not tried yet, each once, in the order in which one makes way for the next.
fn repairs<'a>(found: &'a [Finding], tried: &BTreeSet<Repair>) -> Vec<(&'a Finding, &'a Repair)> {
    let mut known = tried.clone();
    let mut all: Vec<(&Finding, &Repair)> = found
        .iter()
        .filter_map(|finding| Some((finding, finding.repair.as_ref()?)))
        .filter(|(_, repair)| known.insert((*repair).clone()))
        .collect();
    all.sort_by(|a, b| a.1.cmp(b.1));
    all
}

/// Shows what would be done, where nobody can be asked.
fn show_only(
    program: &Program,
    subject: &Subject,
    found: &[Finding],
    todo: &[(&Finding, &Repair)],
) -> Result<Exit, Failure> {
    match program.settings.output.value {
        Output::Table | Output::Wide => {
            for (finding, repair) in todo {
                program.ui.result(shown(subject, finding, repair));
            }
        }
        _ => diagnose::print(program, &subject.name, found)?,
    }
    program
        .ui
        .say("nothing was done: `--yes` does it, without a terminal to ask on");
    Ok(Exit::Difference)
}

fn show(program: &Program, subject: &Subject, finding: &Finding, repair: &Repair) {
    program
        .ui
        .always(shown(subject, finding, repair).trim_end());
}

fn shown(subject: &Subject, finding: &Finding, repair: &Repair) -> String {
    let line = clean(&subject.masks.mask(&repair.command_line(&subject.name)));
    let place = if repair.in_guest() {
        format!("in the guest of `{}`", subject.name)
    } else {
        "here".to_owned()
    };
    format!(
        "{}: {}\n  {place}: {line}\n",
        clean(&finding.about),
        clean(&finding.problem)
    )
}

fn apply(
    program: &Program,
    host: &Host,
    subject: &Subject,
    repair: &Repair,
) -> Result<(), Failure> {
    let name = &subject.name;
    match repair {
        Repair::Start => {
            let interrupt = crate::interruption()?;
            power::start_one(program, host, name, true, &interrupt).map(drop)
        }
        Repair::Provision => provision::quietly(program, name).map(drop),
        Repair::Mount { path } => in_guest(host, subject, &mut |shell| examine::mount(shell, path)),
        Repair::Restart { unit, openrc, .. } => in_guest(host, subject, &mut |shell| {
            examine::restart(shell, (unit, openrc))
        }),
        Repair::Command { command, .. } => in_guest(host, subject, &mut |shell| {
            examine::command(shell, command, LIMIT)
        }),
    }
}

fn in_guest(
    host: &Host,
    subject: &Subject,
    work: &mut dyn FnMut(&mut dyn Shell) -> Result<Ended, ShellError>,
) -> Result<(), Failure> {
    let guest = Guest::find(host, &subject.name)?;
    let mut shell = guest.connect(host)?;
    let ended = work(&mut *shell).map_err(|error| guest.failure(error))?;
    if ended.is_success() {
        return Ok(());
    }
    let lines = ended.last_lines(&subject.masks);
    let lines: String = lines.iter().map(|line| format!("\n    {line}")).collect();
    Err(Failure::new(
        Exit::Provision,
        format!("the repair failed: {}{lines}", ended.why(LIMIT)),
    ))
}
