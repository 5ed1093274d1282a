//! What is said of what was seen.

use std::fmt::{self, Display, Formatter};
use std::net::Ipv6Addr;

use trustnet_api::dns::DnsCheck;

use super::sighting::{Sighting, View};

/// How a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everybody who answers has what is wanted.
    Published {
        /// What is there besides.
        others: Vec<Ipv6Addr>,
    },
    /// The zone's own servers have it, and others not yet: they keep what they heard before for a while.
    Spreading {
        /// Who does not have it yet.
        waiting: Vec<String>,
    },
    /// The record is there, and lacks something.
    Missing {
        /// What it lacks at some server.
        missing: Vec<Ipv6Addr>,
        /// What is there instead.
        others: Vec<Ipv6Addr>,
        /// Who lacks it.
        at: Vec<String>,
    },
    /// There is no such record.
    Absent,
    /// Nobody could say.
    Unknown {
        /// What the first one said.
        why: String,
    },
}

/// Judges what was seen. Who does not answer counts neither way; without wanted addresses any will do.
#[must_use]
pub fn judge(wanted: &[Ipv6Addr], sighting: &Sighting) -> Verdict {
    let truth = sighting.truth();
    if truth.is_empty() {
        let why = sighting.views.first().map_or_else(
            || "no name server is known".to_owned(),
            |view| format!("{}: {}", view.server, view.seen.words()),
        );
        return Verdict::Unknown { why };
    }
    if truth.iter().all(|view| view.seen.addresses().is_empty()) {
        return Verdict::Absent;
    }
    let mut others = sighting.addresses();
    others.retain(|address| !wanted.contains(address));
    let at: Vec<String> = names(truth.iter().copied().filter(|view| !has(view, wanted)));
    if !at.is_empty() {
        let mut missing = wanted.to_vec();
        missing.retain(|address| {
            let has = |view: &&View| view.seen.addresses().contains(address);
            !truth.iter().all(has)
        });
        return Verdict::Missing {
            missing,
            others,
            at,
        };
    }
    let answering = sighting.views.iter().filter(|view| view.seen.is_answer());
    let waiting = names(answering.filter(|view| !has(view, wanted)));
    if waiting.is_empty() {
        if wanted.is_empty() {
            others.clear();
        }
        Verdict::Published { others }
    } else {
        Verdict::Spreading { waiting }
    }
}

/// What was seen and what is said of it, for machines.
#[must_use]
pub fn check(wanted: &[Ipv6Addr], sighting: &Sighting) -> DnsCheck {
    let verdict = judge(wanted, sighting);
    DnsCheck {
        kind: "DnsCheck",
        name: sighting.name.clone(),
        zone: sighting.zone.clone(),
        result: verdict.word(),
        meaning: verdict.to_string(),
        wanted: wanted.to_vec(),
        addresses: sighting.addresses(),
        views: sighting.views.iter().map(View::wire).collect(),
    }
}

fn has(view: &View, wanted: &[Ipv6Addr]) -> bool {
    let there = view.seen.addresses();
    !there.is_empty() && wanted.iter().all(|address| there.contains(address))
}

fn names<'a>(views: impl Iterator<Item = &'a View>) -> Vec<String> {
    views.map(|view| view.server.clone()).collect()
}

impl Verdict {
    /// In one word, for machines.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Published { .. } => "published",
            Self::Spreading { .. } => "spreading",
            Self::Missing { .. } => "missing",
            Self::Absent => "absent",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether everybody who answers has what is wanted.
    #[must_use]
    pub fn is_published(&self) -> bool {
        matches!(self, Self::Published { .. })
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published { others } if others.is_empty() => {
                f.write_str("the record is there, and everybody who answers has it")
            }
            Self::Published { others } => write!(
                f,
                "the record is there, and everybody who answers has it; it also has {}",
                list(others)
            ),
            Self::Spreading { waiting } => write!(
                f,
                "the zone's own name servers have the record, and {} not yet",
                waiting.join(", ")
            ),
            Self::Missing {
                missing,
                others,
                at,
            } => {
                let what = if missing.is_empty() {
                    "the record is not there".to_owned()
                } else {
                    format!("the record lacks {}", list(missing))
                };
                write!(f, "{what} at {}", at.join(", "))?;
                if others.is_empty() {
                    Ok(())
                } else {
                    write!(f, "; it has {}", list(others))
                }
            }
            Self::Absent => f.write_str("there is no such record"),
            Self::Unknown { why } => write!(f, "nobody could say: {why}"),
        }
    }
}

fn list(addresses: &[Ipv6Addr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
