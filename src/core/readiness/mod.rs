//! What the guest says of itself while it comes up, and what is to be made of it.
//!
//! The guest's script (`images/guest/guest.sh`) writes lines to a virtio-serial port, each a JSON object;
//! `boot` and `seq` say which are new. The guest is not trusted: every text is cut and made harmless.

mod lines;
mod report;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

use std::fmt;

pub use lines::Lines;
pub use report::{Report, ReportError};
pub use text::clean;
pub use verdict::{CloudInitStatus, Verdict, judge};

/// The name of the virtio-serial port over which the guest reports.
pub const CHANNEL: &str = "io.trustnet.vm.status";

/// What the host sends after it has connected, so that the guest begins with its first report again
/// even where it has not seen that an earlier connection ended.
pub const HELLO: &[u8] = b"\n";

/// How far a boot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// cloud-init has found the seed and runs the guest's script.
    Booted,
    /// There is an address, or none will come.
    Network,
    /// cloud-init has ended, well or not.
    CloudInit,
    /// SSH listens, where the guest has it.
    Ready,
}

/// Follows the reports of a guest, from any number of connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    boot: String,
    seq: u64,
    phase: Option<Phase>,
    failures: Vec<String>,
}

/// More failures of one boot than this are not remembered.
const MAX_FAILURES: usize = 64;

impl Readiness {
    /// Takes a line; gives the report if it is a new one. What is no report is passed over: a line
    /// may be the rest of an earlier connection.
    ///
    /// The report of [`Phase::CloudInit`] is judged together with what failed before it.
    pub fn push(&mut self, line: &str) -> Option<Report> {
        let mut report = Report::parse(line).ok()?;
        if report.boot != self.boot {
            *self = Self {
                boot: report.boot.clone(),
                ..Self::default()
            };
        } else if report.seq <= self.seq {
            return None;
        }
        self.seq = report.seq;
        self.phase = self.phase.max(Some(report.phase));
        if let Some(failure) = report
            .failure
            .clone()
            .filter(|_| self.failures.len() < MAX_FAILURES)
        {
            self.failures.push(failure);
        }
        report.verdict = report
            .verdict
            .map(|verdict| verdict.with_failures(&self.failures));
        Some(report)
    }

    /// The furthest phase of this boot.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.phase
    }
}

impl Phase {
    /// All phases, in order.
    const ALL: [Self; 4] = [Self::Booted, Self::Network, Self::CloudInit, Self::Ready];

    /// The name in a report.
    fn name(self) -> &'static str {
        match self {
            Self::Booted => "booted",
            Self::Network => "network",
            Self::CloudInit => "cloud-init",
            Self::Ready => "ready",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CloudInit => "cloud-init done",
            other => other.name(),
        })
    }
}
