//! What is wrong with a VM: from what was gathered of it to findings, the worst first, each with what to do.

mod facts;
mod findings;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use facts::{GuestFacts, Mount, Usage};
pub use findings::findings;

use crate::observed::DomainState;
use crate::record::ServicePhase;
use crate::service::{Symptom, shell_word};

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The VM is of no use.
    Critical,
    /// Something does not work.
    Error,
    /// Something will not work for long.
    Warning,
    /// Something could not be looked at; nothing is wrong for that.
    Note,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// `machine`, or the service's name.
    pub about: String,
    /// What is wrong.
    pub problem: String,
    /// What shows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What a person can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

/// What mends something. None of these takes anything away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Repair {
    /// The VM is started.
    Start,
    /// A data disk is mounted where it belongs.
    Mount {
        /// Where.
        path: String,
    },
    /// A command of a service's definition runs in the guest.
    Command {
        /// The service.
        service: String,
        /// The command.
        command: Vec<String>,
    },
    /// A unit is restarted.
    Restart {
        /// Its name under systemd.
        unit: String,
        /// Its name under OpenRC.
        openrc: String,
        /// The guest's init: `systemd` or `openrc`.
        init: String,
    },
    /// The services are brought into the guest as they are to be.
    Provision,
}

impl Repair {
    /// What is run, as a person would write it.
    #[must_use]
    pub fn command_line(&self, vm: &str) -> String {
        match self {
            Self::Start => format!("trustnet-vm start {vm}"),
            Self::Provision => format!("trustnet-vm provision {vm}"),
            Self::Mount { path } => format!("mount {}", shell_word(path)),
            Self::Restart { openrc, init, .. } if init == "openrc" => {
                format!("rc-service {} restart", shell_word(openrc))
            }
            Self::Restart { unit, .. } => format!("systemctl restart {}", shell_word(unit)),
            Self::Command { command, .. } => {
                let words: Vec<String> = command.iter().map(|word| shell_word(word)).collect();
                words.join(" ")
            }
        }
    }

    /// Whether it runs in the guest, and not here.
    #[must_use]
    pub fn in_guest(&self) -> bool {
        !matches!(self, Self::Start | Self::Provision)
    }
}

/// What was gathered of a VM. Parts may be missing: they say why.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The VM's name.
    pub vm: String,
    /// The domain's state.
    pub state: DomainState,
    /// The verb that was interrupted, if one was.
    pub interrupted: Option<&'static str>,
    /// How far the guest says that it has come.
    pub phase: Option<crate::readiness::Phase>,
    /// Why the guest says that it failed.
    pub failed: Option<String>,
    /// How SSH was.
    pub ssh: Reached,
    /// What the guest has.
    pub facts: Result<GuestFacts, String>,
    /// The host's time when the guest said its own, in seconds since 1970.
    pub host_time_s: u64,
    /// Where the data disks are to be mounted.
    pub mounts: Vec<String>,
    /// How the steps of the services stand.
    pub steps: Result<Steps, String>,
    /// The services.
    pub services: Vec<ServiceEvidence>,
    /// The last lines of the provisioning log.
    pub log: Vec<String>,
    /// The last lines of the console.
    pub console: Vec<String>,
}

/// How SSH was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// It answers with the right host key, and lets us in.
    Yes,
    /// It does not.
    No {
        /// Why.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The VM does not run.
    NotAsked,
}

/// How the steps of the services stand in the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// Those that are not as they are to be: service, step, why.
    pub stale: Vec<(String, String, String)>,
    /// Whether an earlier run still works there.
    pub busy: bool,
}

/// What was gathered of a service.
#[derive(Debug, Clone)]
pub struct ServiceEvidence {
    /// Its name.
    pub name: String,
    /// How the record says that it is; none where it was never brought.
    pub recorded: Option<ServicePhase>,
    /// The names of its unit, and how that is.
    pub unit: Option<((String, String), UnitState)>,
    /// What its definition looks at: what came of each, and what was said.
    pub symptoms: Vec<(Symptom, Looked)>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
}

/// What came of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// All is well.
    Well,
    /// It is as the definition says; how the command ended, and its last words.
    Ill(String, Vec<String>),
}

/// How a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitState {
    /// It runs.
    Active,
    /// It is on its way up.
    Starting,
    /// It failed.
    Failed,
    /// It does not run.
    Stopped,
}

impl UnitState {
    /// Reads the guest's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "active" => Self::Active,
            "starting" => Self::Starting,
            "failed" => Self::Failed,
            "stopped" => Self::Stopped,
            _ => return None,
        })
    }

    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Starting => "starting",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// Whether something is wrong: notes are not.
#[must_use]
pub fn is_well(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| finding.severity == Severity::Note)
}
