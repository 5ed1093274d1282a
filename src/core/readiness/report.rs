//! One line from the guest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use serde::Deserialize;

use super::text::clean_to;
use super::verdict::CloudInitStatus;
use super::{Phase, Verdict, judge};

/// The longest line: room for a log's tail and both of cloud-init's files, in base64.
pub(super) const MAX_LINE: usize = 256 << 10;
const MAX_ADDRESSES: usize = 64;
/// The longest text in a report.
const MAX_TEXT: usize = 500;

/// What the guest says in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The kernel's id of this boot.
    pub boot: String,
    /// Counts the reports of a boot from 1.
    pub seq: u64,
    /// The guest's clock, in seconds since 1970.
    pub at: u64,
    /// How far the boot is.
    pub phase: Phase,
    /// The guest's global addresses with their prefixes; with [`Phase::Network`].
    pub addresses: Vec<IpNet>,
    /// What the guest was to do and could not; the boot goes on.
    pub failure: Option<String>,
    /// What became of cloud-init; with [`Phase::CloudInit`].
    pub verdict: Option<Verdict>,
    /// Whether SSH listens on port 22; with [`Phase::Ready`].
    pub ssh: bool,
}

/// Why a line is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// More than any report has.
    #[error("the line has more than {MAX_LINE} bytes")]
    TooLong,
    /// Something else.
    #[error("the line is no report: {0}")]
    Malformed(String),
    /// A protocol that is not ours.
    #[error("the report has version {0}; only 1 is known")]
    Version(u64),
    /// A phase that is not ours.
    #[error("there is no such phase: booted, network, cloud-init and ready are")]
    Phase,
}

#[derive(Deserialize)]
struct Wire {
    v: u64,
    seq: u64,
    boot: String,
    #[serde(default)]
    at: u64,
    phase: String,
    #[serde(default)]
    addresses: Vec<WireAddress>,
    failure: Option<String>,
    /// cloud-init's files and the tail of its log, in base64.
    status: Option<String>,
    result: Option<String>,
    log: Option<String>,
    #[serde(default)]
    ssh: bool,
}

#[derive(Deserialize)]
struct WireAddress {
    address: String,
}

impl Report {
    /// Reads a line.
    ///
    /// # Errors
    /// Says why the line is no report.
    pub fn parse(line: &str) -> Result<Self, ReportError> {
        if line.len() > MAX_LINE {
            return Err(ReportError::TooLong);
        }
        let malformed = |error: &dyn std::fmt::Display| {
            ReportError::Malformed(clean_to(&error.to_string(), MAX_TEXT))
        };
        let wire: Wire = serde_json::from_str(line).map_err(|error| malformed(&error))?;
        if wire.v != 1 {
            return Err(ReportError::Version(wire.v));
        }
        let phase = Phase::ALL
            .into_iter()
            .find(|phase| phase.name() == wire.phase)
            .ok_or(ReportError::Phase)?;
        let id = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if wire.boot.is_empty() || wire.boot.len() > 64 || !wire.boot.bytes().all(id) {
            return Err(malformed(&"its boot is no id"));
        }
        let verdict = (phase == Phase::CloudInit).then(|| {
            let [status, result, log] =
                [wire.status, wire.result, wire.log].map(|text| text.and_then(|t| decode(&t)));
            judge(&CloudInitStatus::from_files(
                status.as_deref(),
                result.as_deref(),
                log.as_deref(),
            ))
        });
        let addresses = wire
            .addresses
            .iter()
            .filter_map(|wire| wire.address.parse().ok());
        Ok(Self {
            boot: wire.boot,
            seq: wire.seq,
            at: wire.at,
            phase,
            addresses: addresses.take(MAX_ADDRESSES).collect(),
            failure: wire.failure.map(|text| clean_to(&text, MAX_TEXT)),
            verdict,
            ssh: wire.ssh,
        })
    }
}

fn decode(base64: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&STANDARD.decode(base64).ok()?).into_owned())
}
