//! What the guest says of itself while it comes up: lines of JSON over a virtio-serial port, from a
//! guest that is not trusted. `images/guest/guest.sh` writes them.

mod judge;
mod lines;

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

pub use judge::Verdict;
pub use lines::{Lines, clean};

/// The name of the virtio-serial port over which the guest reports.
pub const CHANNEL: &str = "io.trustnet.vm.status";

/// The most lines of one boot that are taken from a guest.
const MAX_REPORTS: usize = 256;

/// How far a guest has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The kernel runs and cloud-init has found its seed.
    Booted,
    /// The network is configured.
    Network,
    /// cloud-init is done, for better or worse.
    CloudInit,
    /// Everything is up.
    Ready,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Booted => "booted",
            Self::Network => "network",
            Self::CloudInit => "cloud-init done",
            Self::Ready => "ready",
        })
    }
}

/// One line of a guest's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The phase it tells of.
    pub phase: Phase,
    /// When, in seconds since 1970, by the guest's clock.
    pub at: u64,
    /// Addresses of the guest with prefix length, as it sees them.
    pub addresses: Vec<String>,
    /// How cloud-init went; with [`Phase::CloudInit`].
    pub verdict: Option<Verdict>,
    /// Something of ours that failed in the guest, such as mounting a data disk.
    pub failure: Option<String>,
}

/// The line as it comes.
#[derive(Deserialize)]
struct Wire {
    v: u32,
    seq: u64,
    boot: String,
    #[serde(default)]
    at: u64,
    phase: String,
    #[serde(default)]
    addresses: Vec<WireAddress>,
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    log: Option<String>,
}

#[derive(Deserialize)]
struct WireAddress {
    #[serde(default)]
    address: String,
}

/// Follows the reports of one boot: a line that comes again is told apart by its number.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    boot: String,
    seen: BTreeSet<u64>,
}

impl Readiness {
    /// Takes one line. None for a line that came before or is not understood.
    pub fn push(&mut self, line: &str) -> Option<Report> {
        let wire: Wire = serde_json::from_str(line.trim()).ok()?;
        if wire.v != 1 {
            return None;
        }
        if wire.boot != self.boot {
            // The guest has rebooted: it begins again.
            self.boot.clone_from(&wire.boot);
            self.seen.clear();
        }
        if self.seen.len() >= MAX_REPORTS || !self.seen.insert(wire.seq) {
            return None;
        }
        let phase = match wire.phase.as_str() {
            "booted" => Phase::Booted,
            "network" => Phase::Network,
            "cloud-init" => Phase::CloudInit,
            "ready" => Phase::Ready,
            _ => return None,
        };
        let verdict = (phase == Phase::CloudInit)
            .then(|| judge::judge(wire.status.as_deref(), wire.result.as_deref(), wire.log.as_deref()));
        Some(Report {
            phase,
            at: wire.at,
            addresses: wire.addresses.iter().map(|address| clean(&address.address)).collect(),
            verdict,
            failure: wire.failure.as_deref().map(clean),
        })
    }
}
