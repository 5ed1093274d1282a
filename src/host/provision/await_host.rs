//! What the host sees for itself: ports and answers inside the guest, its console, other VMs.

use std::time::{Duration, Instant};

use trustnet_core::provision::{Action, HttpQuestion, ReadyCheck, Said, Step};

use super::exchange::{Exchange, Line, Mode};
use super::{Job, ProvisionError};
use crate::error::{HostError, chain};
use crate::inquiry::{self, Question};
use crate::shell::{Shell, ShellError};

/// How often is looked.
const POLL: Duration = Duration::from_millis(300);
/// How often the unit is looked at meanwhile.
const UNIT_POLL: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// What is to be known of other VMs and of the console.
pub trait Elsewhere {
    /// Whether the record of a VM says that a service of it is ready; if not, what it says.
    ///
    /// # Errors
    /// The hypervisor does not answer.
    fn ready(&self, vm: &str, service: &str) -> Result<Result<(), String>, HostError>;
    /// Whether a text has come on the guest's console since it was listened to.
    ///
    /// # Errors
    /// The hypervisor does not answer.
    fn on_console(&self, text: &str) -> Result<bool, HostError>;
}

/// Waits for what a step says, until its time is up.
pub(super) fn see(
    shell: &mut dyn Shell,
    job: &Job<'_>,
    number: usize,
    step: &Step,
) -> Result<(), ProvisionError> {
    let begun = Instant::now();
    let limit = Duration::from_secs(u64::from(step.limit_s));
    let mut unit = Watch::of(step);
    loop {
        let why = match look(shell, job, step)? {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        if job.interrupt.stop() {
            return Err(ProvisionError::Interrupted);
        }
        unit.look(shell, number, step)?;
        if begun.elapsed() >= limit {
            return Err(ProvisionError::Step {
                service: step.service.clone(),
                step: step.title(),
                why: format!("not after {} s: {why}", step.limit_s),
                last: unit.last,
            });
        }
        std::thread::sleep(POLL);
    }
}

/// Looks once; what is missing, if something is.
fn look(
    shell: &mut dyn Shell,
    job: &Job<'_>,
    step: &Step,
) -> Result<Result<(), String>, ProvisionError> {
    let host_error = |error: HostError| ProvisionError::Step {
        service: step.service.clone(),
        step: step.title(),
        why: chain(&error),
        last: Vec::new(),
    };
    match &step.action {
        Action::Depend {
            service,
            vm,
            host,
            port,
        } => {
            if let Some(vm) = vm {
                let said = job.elsewhere.ready(vm, service).map_err(host_error)?;
                if said.is_err() {
                    return Ok(said);
                }
            }
            open(shell, host, *port)
        }
        Action::Ready { check, .. } => match check {
            ReadyCheck::Tcp { host, port } => open(shell, host, *port),
            ReadyCheck::Http(question) => Ok(answers(shell, question, ANSWER)?),
            ReadyCheck::Console { contains } => {
                let seen = job.elsewhere.on_console(contains).map_err(host_error)?;
                Ok(if seen {
                    Ok(())
                } else {
                    Err(format!("`{contains}` has not come on the console"))
                })
            }
            ReadyCheck::Unit | ReadyCheck::Command { .. } | ReadyCheck::Journal { .. } => {
                Ok(Ok(()))
            }
        },
        _ => Ok(Ok(())),
    }
}

/// Whether a port takes connections that come from inside the guest.
fn open(
    shell: &mut dyn Shell,
    host: &str,
    port: u16,
) -> Result<Result<(), String>, ProvisionError> {
    match shell.dial(host, port, ANSWER) {
        Ok(_) => Ok(Ok(())),
        Err(error) if error.is_lost() => Err(error.into()),
        Err(error) => Ok(Err(chain(&error))),
    }
}

/// Asks a server inside the guest; why it is not the answer that is wanted, if it is not. All of the answer has
/// to come within `limit`.
///
/// # Errors
/// The connection to the guest is gone.
pub fn answers(
    shell: &mut dyn Shell,
    wanted: &HttpQuestion,
    limit: Duration,
) -> Result<Result<(), String>, ShellError> {
    let at = (wanted.host.as_str(), wanted.port);
    let answer = match inquiry::through(shell, at, None, &Question::get(&wanted.path), limit)? {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(chain(&error))),
    };
    let code = answer.status;
    let good = wanted
        .status
        .map_or((200..400).contains(&code), |status| status == code);
    if !good {
        return Ok(Err(format!("it answered with status {code}")));
    }
    match &wanted.contains {
        Some(text) if !String::from_utf8_lossy(&answer.body).contains(text.as_str()) => {
            Ok(Err(format!("the answer does not hold `{text}`")))
        }
        _ => Ok(Ok(())),
    }
}

/// The unit that must not fail while its service is waited for.
struct Watch {
    grace: Option<Duration>,
    looked: Instant,
    failing: Option<Instant>,
    last: Vec<String>,
}

impl Watch {
    fn of(step: &Step) -> Self {
        let grace = match &step.action {
            Action::Ready {
                unit: Some(_),
                grace_s,
                ..
            } => Some(Duration::from_secs(u64::from(*grace_s))),
            _ => None,
        };
        Self {
            grace,
            looked: Instant::now(),
            failing: None,
            last: Vec::new(),
        }
    }

    /// Looks at the unit now and then; an error once it has failed for longer than its grace.
    fn look(
        &mut self,
        shell: &mut dyn Shell,
        number: usize,
        step: &Step,
    ) -> Result<(), ProvisionError> {
        let Some(grace) = self.grace else {
            return Ok(());
        };
        if self.looked.elapsed() < UNIT_POLL {
            return Ok(());
        }
        self.looked = Instant::now();
        let mut failed = false;
        let last = &mut self.last;
        last.clear();
        Exchange::new().send(
            shell,
            Mode::Unit,
            &[(number, step)],
            &mut |line| match line {
                Line::Ours(fields) => {
                    failed |= Said::parse(fields) == Some(Said::Unit("failed".to_owned()));
                }
                Line::Output(line) => last.push(line.to_owned()),
            },
        )?;
        if !failed {
            self.failing = None;
            return Ok(());
        }
        let since = *self.failing.get_or_insert_with(Instant::now);
        if since.elapsed() < grace {
            return Ok(());
        }
        Err(ProvisionError::Step {
            service: step.service.clone(),
            step: step.title(),
            why: "the unit does not run".to_owned(),
            last: std::mem::take(&mut self.last),
        })
    }
}
