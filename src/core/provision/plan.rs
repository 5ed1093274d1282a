//! From a program and what the guest reports to what is left to do.

use super::{Program, Report, Standing, Step, Then};

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
/// and its readiness is asked for again when it was looked after.
fn stale(program: &Program, report: &Report) -> Vec<usize> {
    let mut numbers = Vec::new();
    let mut changed: Option<(&str, Then)> = None;
    let mut started: Option<&str> = None;
    for (number, step) in program.steps.iter().enumerate() {
        let service = step.service.as_str();
        let stands = report.steps.get(&number) == Some(&Standing::Good);
        let follows = match &step.action {
            super::Action::Start { .. } => {
                changed.is_some_and(|(of, then)| of == service && then > Then::Nothing)
            }
            super::Action::Ready { .. } => started == Some(service),
            _ => false,
        };
        if stands && !follows {
            continue;
        }
        numbers.push(number);
        match &step.action {
            super::Action::Start { .. } => started = Some(service),
            _ => {
                let before = changed
                    .filter(|(of, _)| *of == service)
                    .map(|(_, then)| then);
                changed = Some((service, before.unwrap_or(Then::Nothing).max(step.then)));
            }
        }
    }
    numbers
}

impl Step {
    /// What the step is, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}: {}", self.service, self.id)
    }
}
