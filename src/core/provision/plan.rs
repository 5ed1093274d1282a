//! From a program and what the guest reports to what is left to do.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Program, ReadyCheck, Report, Standing, Step, Then};

/// A stretch of what is left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Steps that the guest takes, one after the other; by their number in the program.
    Guest(Vec<usize>),
    /// A step that the host takes.
    Host(usize),
}

/// What is left to do: the steps that are not as they are to be, and what hangs on them.
#[must_use]
pub fn plan(program: &Program, report: &Report) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for number in stale(program, report) {
        if program.steps[number].from_host() {
            stages.push(Stage::Host(number));
        } else if let Some(Stage::Guest(steps)) = stages.last_mut() {
            steps.push(number);
        } else {
            stages.push(Stage::Guest(vec![number]));
        }
    }
    stages
}

/// The numbers of the steps to be taken. A unit is looked after when something of its service changes,
/// its readiness is asked for again when it was looked after, and what a service depends on is waited for
/// again before anything of it is done. What a service says on the console when it starts is heard only then: it is
/// started again where nobody heard it.
fn stale(program: &Program, report: &Report) -> Vec<usize> {
    let mut numbers = Vec::new();
    let mut changed: BTreeMap<&str, Then> = BTreeMap::new();
    let mut started: BTreeSet<&str> = BTreeSet::new();
    let unheard: BTreeSet<&str> = unheard(program, report);
    for (number, step) in program.steps.iter().enumerate() {
        let service = step.service.as_str();
        let stands = report.steps.get(&number) == Some(&Standing::Good);
        let follows = match &step.action {
            Action::Start { .. } => {
                let then = changed.get(service);
                unheard.contains(service) || then.is_some_and(|then| *then > Then::Nothing)
            }
            Action::Ready { .. } => started.contains(service),
            _ => false,
        };
        if stands && !follows {
            continue;
        }
        numbers.push(number);
        if matches!(step.action, Action::Start { .. }) {
            started.insert(service);
        }
        let then = changed.entry(service).or_insert(Then::Nothing);
        *then = step.then.max(*then);
    }
    let depends = program.steps.iter().enumerate().filter(|(_, step)| {
        matches!(step.action, Action::Depend { .. }) && changed.contains_key(step.service.as_str())
    });
    let depends: Vec<usize> = depends.map(|(number, _)| number).collect();
    numbers.extend(depends);
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The services whose word on the console is still to come.
fn unheard<'a>(program: &'a Program, report: &Report) -> BTreeSet<&'a str> {
    let steps = program.steps.iter().enumerate();
    let unheard = steps.filter(|(number, step)| {
        matches!(
            step.action,
            Action::Ready {
                check: ReadyCheck::Console { .. },
                ..
            }
        ) && report.steps.get(number) != Some(&Standing::Good)
    });
    unheard.map(|(_, step)| step.service.as_str()).collect()
}

impl Step {
    /// What the step is, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}: {}", self.service, self.id)
    }
}
