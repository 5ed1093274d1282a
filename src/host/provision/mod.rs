//! Provisioning: a program is brought into a guest over one connection.
//!
//! - `exchange`: one command in the guest: files in, lines out
//! - `send`: artifacts, verified before they leave
//! - `await_host`: what the host sees for itself: ports, answers, the console, other VMs
//! - `log`: what was said, in a file

mod await_host;
mod exchange;
mod log;
mod send;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use trustnet_core::provision::{Facts, Program, Report, Said, Stage, Step, plan};

pub use self::await_host::{Elsewhere, answers};
use self::exchange::{Exchange, Line, Mode};
pub use self::log::{Log, last_lines, log_file};
pub use self::send::Blobs;
use crate::interrupt::Interrupt;
use crate::shell::{Shell, ShellError};

/// How many of the last lines are kept for an error.
const LAST_LINES: usize = 20;
/// How often a guest may go away while one program is brought into it.
const MOST_LOSSES: usize = 5;
/// How often is looked whether an earlier run in the guest is over: each look costs that guest a part of a second.
const BUSY_POLL: Duration = Duration::from_secs(3);

/// How often a guest that went away is tried again.
const RECONNECT_POLL: Duration = Duration::from_secs(1);
/// How often an interruption is looked for while something is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// What happens meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// What the guest is.
    Facts(&'a Facts),
    /// Steps are to be taken: how many of each service, where there are any, and of how many in all.
    Planned(&'a BTreeMap<String, usize>, usize),
    /// An artifact is sent: how many bytes of how many are on their way, over all artifacts.
    Sending(u64, u64),
    /// A step begins.
    Begun(&'a Step),
    /// A step is done.
    Done(&'a Step, Duration),
    /// A line of a command's output.
    Output(&'a str),
    /// Something that the user should know.
    Note(String),
}

/// Why the services are not in the guest as they are to be.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The guest is not reached, or is lost for good.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// A step failed in the guest.
    #[error("failed at {step}: {why}{}", tail(.last))]
    Step {
        /// The service.
        service: String,
        /// The step.
        step: String,
        /// Why.
        why: String,
        /// The last lines that were said.
        last: Vec<String>,
    },
    /// The guest did not do what was asked.
    #[error("the guest did not {doing}{}", tail(.said))]
    Guest {
        /// What was asked.
        doing: &'static str,
        /// What it said.
        said: Vec<String>,
    },
    /// An artifact cannot be sent.
    #[error("failed to send the artifact {digest}")]
    Artifact {
        /// Its digest.
        digest: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The guest is something else than what was prepared for.
    #[error("{0}")]
    Unlike(String),
    /// The user interrupted.
    #[error("interrupted; the guest finishes the step that it is at")]
    Interrupted,
}

/// Tells who listens. What has happened then is a moment at which tests end the process.
fn tell(job: &Job<'_>, event: Event<'_>) {
    #[cfg(feature = "fake")]
    let moment = match &event {
        Event::Facts(_) => Some("checked".to_owned()),
        Event::Planned(..) => Some("planned".to_owned()),
        Event::Sending(sent, total) if sent == total => Some("sent".to_owned()),
        Event::Begun(step) => Some(format!("begun {}", step.title())),
        Event::Done(step, _) => Some(format!("done {}", step.title())),
        _ => None,
    };
    (job.listen)(event);
    #[cfg(feature = "fake")]
    if let Some(moment) = moment {
        crate::fake::at(&moment);
    }
}

fn tail(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n    {line}")).collect()
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the guest is.
    pub facts: Facts,
    /// How many steps were taken.
    pub taken: usize,
    /// Services that are in the guest and that nobody asks for any more, with their versions.
    pub left: Vec<(String, String)>,
}

/// What bringing a program into a guest needs.
pub struct Job<'a> {
    /// The program.
    pub program: &'a Program,
    /// The artifacts.
    pub blobs: &'a dyn Blobs,
    /// What is to be known of other VMs and of the console.
    pub elsewhere: &'a dyn Elsewhere,
    /// What the program was made for: refused where the guest is something else.
    pub expects: &'a dyn Fn(&Facts) -> Result<(), String>,
    /// How long a guest that goes away may take to come back.
    pub patience: Duration,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
    /// Who listens.
    pub listen: &'a (dyn Fn(Event<'_>) + Sync),
}

/// Opens a connection to the guest.
pub type Connect<'a> = dyn Fn() -> Result<Box<dyn Shell>, ShellError> + 'a;

/// Brings a program into a guest. What is done already is left alone; a guest that goes away meanwhile is
/// waited for, and gone on with.
///
/// # Errors
/// A step failed, the guest is not reached, or the user interrupted. What was done stays, and the next run
/// goes on from there.
pub fn provision(connect: &Connect<'_>, job: &Job<'_>) -> Result<Outcome, ProvisionError> {
    let mut shell = connect().map_err(|error| {
        if job.interrupt.stop() {
            ProvisionError::Interrupted
        } else {
            error.into()
        }
    })?;
    let mut taken = 0;
    for loss in 1.. {
        match round(&mut *shell, job, &mut taken) {
            Err(ProvisionError::Shell(error)) if error.is_lost() && loss <= MOST_LOSSES => {
                tell(job, Event::Note(format!("{error}; trying again")));
                shell = again(connect, job)?;
            }
            other => return other,
        }
    }
    unreachable!("the loop ends by returning")
}

/// Connects to a guest that went away, once it is back.
fn again(connect: &Connect<'_>, job: &Job<'_>) -> Result<Box<dyn Shell>, ProvisionError> {
    let begun = Instant::now();
    loop {
        let pause = Instant::now();
        while pause.elapsed() < RECONNECT_POLL && !job.interrupt.stop() {
            std::thread::sleep(LOOK);
        }
        if job.interrupt.stop() {
            return Err(ProvisionError::Interrupted);
        }
        match connect() {
            Err(_) if job.interrupt.stop() => return Err(ProvisionError::Interrupted),
            Err(error) if error.is_not_up() && begun.elapsed() < job.patience => {}
            other => return Ok(other?),
        }
    }
}

fn round(
    shell: &mut dyn Shell,
    job: &Job<'_>,
    taken: &mut usize,
) -> Result<Outcome, ProvisionError> {
    let report = settled(shell, job)?;
    tell(job, Event::Facts(&report.facts));
    (job.expects)(&report.facts).map_err(ProvisionError::Unlike)?;
    let stages = plan(job.program, &report);
    let numbers = stages.iter().flat_map(|stage| match stage {
        Stage::Guest(steps) => steps.as_slice(),
        Stage::Host(step) => std::slice::from_ref(step),
    });
    let mut pending = BTreeMap::new();
    for number in numbers {
        let service = job.program.steps[*number].service.clone();
        *pending.entry(service).or_default() += 1;
    }
    tell(job, Event::Planned(&pending, job.program.steps.len()));
    send::missing(shell, job, &stages, &report)?;
    let mut run = Run {
        job,
        seen: Vec::new(),
        last: VecDeque::new(),
        begun: Instant::now(),
        taken,
    };
    for (index, stage) in stages.iter().enumerate() {
        if job.interrupt.stop() {
            return Err(ProvisionError::Interrupted);
        }
        match stage {
            Stage::Guest(steps) => run.guest(shell, steps, index + 1 == stages.len())?,
            Stage::Host(step) => run.host(shell, *step)?,
        }
    }
    run.guest(shell, &[], true)?;
    let known = job.program.services();
    let left = report
        .services
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()));
    Ok(Outcome {
        facts: report.facts.clone(),
        taken: *run.taken,
        left: left
            .map(|(name, version)| (name.clone(), version.clone()))
            .collect(),
    })
}

/// How long a guest may work at most: as long as all steps may take, and what it may be away.
fn longest(job: &Job<'_>) -> Duration {
    let steps = job.program.steps.iter();
    let steps = steps.map(|step| Duration::from_secs(u64::from(step.limit_s)));
    job.patience + steps.sum::<Duration>()
}

/// What the guest reports, once no earlier run works there any more.
fn settled(shell: &mut dyn Shell, job: &Job<'_>) -> Result<Report, ProvisionError> {
    let mut told = false;
    let begun = Instant::now();
    loop {
        let report = check(shell, job.program)?;
        if !report.busy {
            return Ok(report);
        }
        if !told {
            let note = "an earlier run still works in the guest; waiting for it";
            tell(job, Event::Note(note.to_owned()));
            told = true;
        }
        if job.interrupt.stop() {
            return Err(ProvisionError::Interrupted);
        }
        if begun.elapsed() > longest(job) {
            return Err(ProvisionError::Guest {
                doing: "end an earlier run",
                said: Vec::new(),
            });
        }
        std::thread::sleep(BUSY_POLL);
    }
}

/// Asks the guest what it is and how the steps of a program stand there: one exchange.
///
/// # Errors
/// The guest is not reached, or does not answer in our terms.
pub fn check(shell: &mut dyn Shell, program: &Program) -> Result<Report, ProvisionError> {
    let mut report = Report::default();
    let steps: Vec<(usize, &Step)> = program.steps.iter().enumerate().collect();
    let mut said = VecDeque::new();
    Exchange::new().send(shell, Mode::Check, &steps, &mut |line| match line {
        Line::Ours(fields) => report.push(fields),
        Line::Output(line) => keep(&mut said, line),
    })?;
    if report.complete {
        Ok(report)
    } else {
        Err(ProvisionError::Guest {
            doing: "say how its services are",
            said: said.into(),
        })
    }
}

/// Keeps the last lines, however many come.
fn keep(last: &mut VecDeque<String>, line: &str) {
    if last.len() == LAST_LINES {
        last.pop_front();
    }
    last.push_back(line.to_owned());
}

/// Steps being taken.
struct Run<'a, 'b> {
    job: &'a Job<'b>,
    /// Steps that the host has seen to and that the guest has not recorded yet.
    seen: Vec<usize>,
    last: VecDeque<String>,
    begun: Instant,
    taken: &'a mut usize,
}

impl Run<'_, '_> {
    /// Has the guest take steps, after recording those that the host has seen to.
    fn guest(
        &mut self,
        shell: &mut dyn Shell,
        steps: &[usize],
        last: bool,
    ) -> Result<(), ProvisionError> {
        let recorded = std::mem::take(&mut self.seen);
        let all: Vec<(usize, &Step)> = recorded
            .iter()
            .chain(steps)
            .map(|&number| (number, &self.job.program.steps[number]))
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        let mut heard = Heard::default();
        let mut exchange = Exchange::new();
        exchange.send(shell, Mode::Run { last }, &all, &mut |line| {
            self.line(&line, &recorded, &mut heard);
        })?;
        let begun = Instant::now();
        while let Some((folder, from)) = heard.more.take() {
            if begun.elapsed() > longest(self.job) {
                break;
            }
            if self.job.interrupt.stop() {
                return Err(ProvisionError::Interrupted);
            }
            exchange.follow(shell, &folder, from, &mut |line| {
                self.line(&line, &recorded, &mut heard);
            })?;
        }
        match heard.failed {
            Some((step, why)) => Err(ProvisionError::Step {
                service: self.job.program.steps[step].service.clone(),
                step: self.job.program.steps[step].title(),
                why,
                last: self.last.iter().cloned().collect(),
            }),
            None if heard.ended && heard.done == all.len() => Ok(()),
            None => Err(ProvisionError::Guest {
                doing: "finish its steps",
                said: self.last.iter().cloned().collect(),
            }),
        }
    }

    fn line(&mut self, line: &Line<'_>, recorded: &[usize], heard: &mut Heard) {
        let steps = &self.job.program.steps;
        match line {
            Line::Output(line) => {
                tell(self.job, Event::Output(line));
                keep(&mut self.last, line);
            }
            Line::Ours(fields) => match Said::parse(fields) {
                Some(Said::Begun(step)) if step < steps.len() => {
                    self.begun = Instant::now();
                    self.last.clear();
                    if !recorded.contains(&step) {
                        tell(self.job, Event::Begun(&steps[step]));
                    }
                }
                Some(Said::Done(step)) if step < steps.len() => {
                    heard.done += 1;
                    *self.taken += 1;
                    if !recorded.contains(&step) {
                        tell(self.job, Event::Done(&steps[step], self.begun.elapsed()));
                    }
                }
                Some(Said::Failed(step, why)) if step < steps.len() => {
                    heard.failed = Some((step, why));
                }
                Some(Said::More(folder, from)) => heard.more = Some((folder, from)),
                Some(Said::End) => heard.ended = true,
                _ => {}
            },
        }
    }

    /// Sees to a step from here.
    fn host(&mut self, shell: &mut dyn Shell, number: usize) -> Result<(), ProvisionError> {
        let step = &self.job.program.steps[number];
        tell(self.job, Event::Begun(step));
        let begun = Instant::now();
        await_host::see(shell, self.job, number, step)?;
        tell(self.job, Event::Done(step, begun.elapsed()));
        self.seen.push(number);
        Ok(())
    }
}

/// What was heard of a run.
#[derive(Default)]
struct Heard {
    done: usize,
    failed: Option<(usize, String)>,
    more: Option<(String, u64)>,
    ended: bool,
}
