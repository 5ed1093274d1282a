//! What `preflight` says: every check, with what was found, why that is so, and what mends it.
//!
//! The words of [`Check`] and [`CheckStatus`] stay as they are; new checks may come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `kind` of a [`PreflightReport`].
pub const PREFLIGHT_REPORT: &str = "PreflightReport";

/// All that was checked before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightReport {
    /// `PreflightReport`.
    pub kind: String,
    /// The worst of all checks: `failed`, else `warning`, else `ok`.
    pub status: CheckStatus,
    /// The checks that apply, in the order in which one stands on the other.
    pub findings: Vec<Finding>,
    /// What was to be changed of the machine, where `--ipv6-auto-enable` or `--undo-ipv6` asked for it and there was
    /// something to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<SwitchChange>,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// How it came out.
    pub status: CheckStatus,
    /// What was found.
    pub found: String,
    /// Why it does not do, or could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What is checked, in the order in which it is told.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The kernel speaks IPv6.
    Ipv6Module,
    /// An interface has an IPv6 address that others reach.
    Ipv6Address,
    /// There is a way out of the local network.
    Ipv6Gateway,
    /// A name server has an IPv6 address.
    Ipv6Dns,
    /// The gateway answers.
    Ipv6Connectivity,
    /// The domain is there, and says where its registries are.
    Domain,
    /// Ports that are needed on this machine are free.
    Ports,
    /// The clock is right, and kept so.
    Clock,
    /// The hypervisor is reached.
    Libvirt,
    /// The CPU itself executes guests.
    Kvm,
    /// The firmware and devices that guests ask for are there.
    Firmware,
    /// The bridges and networks that guests ask for are there.
    Bridge,
    /// Names, addresses and MAC addresses are nobody else's.
    Identity,
    /// There is memory.
    Memory,
    /// There is room on the disk.
    Disk,
    /// The images are there, or to be had.
    Image,
    /// Everything that services need is in the cache.
    Cache,
}

/// How a check came out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// It is as it should be.
    Ok,
    /// It could not be looked at.
    Skipped,
    /// It will do, and may not for long.
    Warning,
    /// It will not do.
    Failed,
}

/// A change of the kernel's switches for IPv6, kept in a file of our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchChange {
    /// The file that keeps it.
    pub file: String,
    /// Each switch, in the order in which they are set.
    pub settings: Vec<SwitchSetting>,
    /// Whether it was made, or only shown.
    pub applied: bool,
}

/// One switch of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchSetting {
    /// Its name, as sysctl.d has it, such as `net.ipv6.conf.eth0.disable_ipv6`.
    pub key: String,
    /// What it was.
    pub was: String,
    /// What it becomes.
    pub becomes: String,
}

impl Check {
    /// The word for it, as JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv6Module => "ipv6-module",
            Self::Ipv6Address => "ipv6-address",
            Self::Ipv6Gateway => "ipv6-gateway",
            Self::Ipv6Dns => "ipv6-dns",
            Self::Ipv6Connectivity => "ipv6-connectivity",
            Self::Domain => "domain",
            Self::Ports => "ports",
            Self::Clock => "clock",
            Self::Libvirt => "libvirt",
            Self::Kvm => "kvm",
            Self::Firmware => "firmware",
            Self::Bridge => "bridge",
            Self::Identity => "identity",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Image => "image",
            Self::Cache => "cache",
        }
    }
}

impl CheckStatus {
    /// The word for it, as JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

impl PreflightReport {
    /// A report of these findings.
    #[must_use]
    pub fn new(findings: Vec<Finding>, change: Option<SwitchChange>) -> Self {
        let worst = findings.iter().map(|finding| finding.status).max();
        let status = match worst {
            Some(CheckStatus::Failed) => CheckStatus::Failed,
            Some(CheckStatus::Warning) => CheckStatus::Warning,
            _ => CheckStatus::Ok,
        };
        Self {
            kind: PREFLIGHT_REPORT.to_owned(),
            status,
            findings,
            change,
        }
    }
}
