//! Waiting for a guest: its reports are read as events, its console is kept for the case that it
//! fails, and a guest that never reports is asked over SSH.

mod console;

use std::fmt;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use trustnet_core::readiness::{Lines, Phase, Readiness, Verdict};

use self::console::Console;
pub use self::console::last_lines;
use crate::doors::{Hypervisor, Signal};
use crate::error::{HostError, chain};
use crate::interrupt::Interrupt;
use crate::knock::Knock;
use crate::paths::Paths;

/// How to wait.
#[derive(Debug, Clone, Copy)]
pub struct ReadyOptions<'a> {
    /// The phase to wait for.
    pub until: Phase,
    /// How long.
    pub timeout: Duration,
    /// The user's folders: with the key to log in with, where a guest never reports.
    pub paths: &'a Paths,
    /// The connection URI.
    pub uri: &'a str,
}

/// What happens while we wait.
#[derive(Debug)]
pub enum Progress {
    /// The guest has come to a phase.
    Phase(Phase),
    /// Something that the user should know.
    Note(String),
}

/// Why waiting ended before the guest was ready.
#[derive(Debug)]
pub enum AwaitError {
    /// The guest is not ready.
    NotReady(NotReady),
    /// The user interrupted.
    Interrupted,
    /// The hypervisor refused.
    Host(HostError),
}

/// Why a guest is not ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NotReady {
    /// What happened.
    pub what: NotReadyKind,
    /// The last lines of cloud-init's own log, if the guest sent them.
    pub log: Vec<String>,
    /// The last lines of the console.
    pub console: Vec<String>,
}

/// What kept a guest from being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReadyKind {
    /// Time ran out; the last phase that was seen.
    Timeout(Duration, Option<Phase>),
    /// cloud-init failed: its own reasons.
    CloudInit(Vec<String>),
    /// Something of ours failed in the guest, such as mounting a data disk.
    Guest(String),
    /// The guest went down while it came up.
    Down,
}

/// How often a silent guest is asked over SSH, and how often interruption is looked at.
const TICK: Duration = Duration::from_millis(100);
/// The longest silence before SSH is tried; half the time-out, if that is shorter.
const SILENCE: Duration = Duration::from_secs(240);

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            NotReadyKind::Timeout(after, None) => {
                write!(
                    f,
                    "the guest has not reported anything in {} s",
                    after.as_secs_f64()
                )?;
            }
            NotReadyKind::Timeout(after, Some(phase)) => {
                write!(
                    f,
                    "the guest is not ready after {} s; it has come to: {phase}",
                    after.as_secs_f64()
                )?;
            }
            NotReadyKind::CloudInit(reasons) => {
                write!(f, "cloud-init failed: {}", reasons.join("; "))?
            }
            NotReadyKind::Guest(why) => write!(f, "the guest failed: {why}")?,
            NotReadyKind::Down => f.write_str("the guest went down while it came up")?,
        }
        for (title, lines) in [
            ("cloud-init's log ends with", &self.log),
            ("the console ends with", &self.console),
        ] {
            if !lines.is_empty() {
                write!(f, "\n{title}:")?;
                lines
                    .iter()
                    .try_for_each(|line| write!(f, "\n  | {line}"))?;
            }
        }
        Ok(())
    }
}

impl NotReady {
    /// The next action.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.what {
            NotReadyKind::Timeout(..) => {
                "the VM is left as it is: look with `trustnet-vm console`, go on waiting with `trustnet-vm wait`"
            }
            NotReadyKind::CloudInit(_) | NotReadyKind::Guest(_) => {
                "the VM is left as it is: look with `trustnet-vm ssh`, then mend the spec, `destroy` and `create`"
            }
            NotReadyKind::Down => {
                "look at its console: `trustnet-vm start NAME --no-wait`, `trustnet-vm console NAME`"
            }
        })
    }
}

/// Waits until a guest has come to a phase.
///
/// # Errors
/// It does not, or the user interrupts, or the hypervisor refuses.
pub fn await_guest(
    hypervisor: &dyn Hypervisor,
    uuid: &str,
    options: &ReadyOptions<'_>,
    interrupt: &Interrupt,
    listen: &dyn Fn(Progress),
) -> Result<(), AwaitError> {
    let guests = hypervisor.guests();
    let mut line = Line {
        hypervisor,
        uuid,
        reports: guests.reports(uuid),
        said: false,
    };
    // The console may be taken by the user, who then sees for himself.
    let console = guests.console(uuid).ok();
    let mut watch = Watch::default();
    let begun = Instant::now();
    let mut knock = Knock::after(SILENCE.min(options.timeout / 2));
    loop {
        if interrupt.stop() {
            return Err(AwaitError::Interrupted);
        }
        let heard = line.hear(listen);
        watch
            .console
            .drain(console.as_ref().map(|console| &console.output));
        match heard.map_err(AwaitError::Host)? {
            Heard::Bytes(bytes) => {
                if watch.read(&bytes, options.until, listen)? {
                    return Ok(());
                }
            }
            Heard::Nothing => {}
            Heard::Break => watch.lines = Lines::default(),
            Heard::Down => {
                let down = watch.not_ready(NotReadyKind::Down, Vec::new());
                return Err(AwaitError::NotReady(down));
            }
        }
        let waited = begun.elapsed();
        if watch.phase.is_none()
            && options.until == Phase::Ready
            && knock
                .answered(waited, hypervisor, uuid, options)
                .map_err(AwaitError::Host)?
        {
            listen(Progress::Note(
                "the guest's cloud-init has not reported; its SSH answers, with the right host key"
                    .to_owned(),
            ));
            return Ok(());
        }
        if waited >= options.timeout {
            let late = NotReadyKind::Timeout(options.timeout, watch.phase);
            return Err(AwaitError::NotReady(watch.not_ready(late, Vec::new())));
        }
    }
}

/// The line to a guest: one run at a time has it, and it may break.
struct Line<'a> {
    hypervisor: &'a dyn Hypervisor,
    uuid: &'a str,
    reports: Result<Receiver<Signal>, HostError>,
    /// Whether it was said that another run has it.
    said: bool,
}

/// What came over the line in one tick.
enum Heard {
    Bytes(Vec<u8>),
    Nothing,
    /// The line broke, and what is said next begins anew.
    Break,
    /// The guest is down.
    Down,
}

impl Line<'_> {
    fn hear(&mut self, listen: &dyn Fn(Progress)) -> Result<Heard, HostError> {
        match &self.reports {
            Ok(reports) => match reports.recv_timeout(TICK) {
                Ok(Signal::Bytes(bytes)) => return Ok(Heard::Bytes(bytes)),
                Err(RecvTimeoutError::Timeout) => return Ok(Heard::Nothing),
                Ok(Signal::Closed(_)) | Err(RecvTimeoutError::Disconnected) => {}
            },
            Err(error) if !self.said => {
                self.said = true;
                let why = chain(error);
                listen(Progress::Note(format!(
                    "the guest cannot be heard yet: {why}"
                )));
            }
            Err(_) => {}
        }
        let state = self.hypervisor.domains().state(self.uuid)?;
        if !state.is_some_and(|state| state.is_active()) {
            return Ok(Heard::Down);
        }
        std::thread::sleep(TICK);
        self.reports = self.hypervisor.guests().reports(self.uuid);
        Ok(Heard::Break)
    }
}

#[derive(Default)]
struct Watch {
    readiness: Readiness,
    lines: Lines,
    console: Console,
    phase: Option<Phase>,
}

impl Watch {
    /// Reads what the guest said; true when it has come to the phase.
    fn read(
        &mut self,
        bytes: &[u8],
        until: Phase,
        listen: &dyn Fn(Progress),
    ) -> Result<bool, AwaitError> {
        for line in self.lines.push(bytes) {
            let Some(report) = self.readiness.push(&line) else {
                continue;
            };
            // A guest may repeat itself as often as it likes; it is told once.
            if self.phase < Some(report.phase) {
                listen(Progress::Phase(report.phase));
            }
            self.phase = Some(report.phase);
            if let Some(why) = report.failure {
                return Err(AwaitError::NotReady(
                    self.not_ready(NotReadyKind::Guest(why), Vec::new()),
                ));
            }
            match report.verdict {
                Some(Verdict::Failed { reasons, log_tail }) => {
                    return Err(AwaitError::NotReady(
                        self.not_ready(NotReadyKind::CloudInit(reasons), log_tail),
                    ));
                }
                Some(Verdict::Degraded { messages }) => {
                    for message in messages {
                        listen(Progress::Note(format!("cloud-init says: {message}")));
                    }
                }
                Some(Verdict::Done) | None => {}
            }
            if report.phase >= until {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn not_ready(&self, what: NotReadyKind, log: Vec<String>) -> NotReady {
        NotReady {
            what,
            log,
            console: self.console.last(),
        }
    }
}

/// What a guest has reported in this boot, as far as it repeats it in a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The last phase.
    pub phase: Option<Phase>,
    /// Since when, in seconds since 1970.
    pub since: Option<u64>,
    /// The addresses that the guest sees on itself, without prefix length.
    pub addresses: Vec<IpAddr>,
    /// Why it failed.
    pub failed: Option<String>,
    /// Why nothing was heard.
    pub silent: Option<String>,
}

/// Asks a running guest what it has reported.
#[must_use]
pub fn snapshot(hypervisor: &dyn Hypervisor, uuid: &str, patience: Duration) -> Snapshot {
    let reports = match hypervisor.guests().reports(uuid) {
        Ok(reports) => reports,
        Err(error) => {
            return Snapshot {
                silent: Some(chain(&error)),
                ..Snapshot::default()
            };
        }
    };
    let mut snapshot = Snapshot::default();
    let (mut readiness, mut lines) = (Readiness::default(), Lines::default());
    let begun = Instant::now();
    while let Some(left) = patience.checked_sub(begun.elapsed()) {
        let Ok(Signal::Bytes(bytes)) = reports.recv_timeout(left) else {
            break;
        };
        for report in lines
            .push(&bytes)
            .iter()
            .filter_map(|line| readiness.push(line))
        {
            snapshot.phase = Some(report.phase);
            snapshot.since = Some(report.at);
            if !report.addresses.is_empty() {
                snapshot.addresses = report.addresses.iter().map(IpNet::addr).collect();
            }
            snapshot.failed = snapshot.failed.or(report.failure);
            if let Some(Verdict::Failed { reasons, .. }) = report.verdict {
                snapshot.failed = Some(reasons.join("; "));
            }
        }
        if snapshot.phase == Some(Phase::Ready) || snapshot.failed.is_some() {
            break;
        }
    }
    snapshot
}
