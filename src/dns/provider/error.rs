//! Why a record was not read or changed.

use std::error::Error;

use crate::names::NamesError;

/// Why a record was not read or changed. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The section does not say it.
    #[error("{0} is not given")]
    Lacks(&'static str),
    /// Something that was given is of no use.
    #[error("{what}: {why}")]
    Bad {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(Box<dyn Error + Send + Sync>),
    /// Route 53 is not built in.
    #[error("Route 53 is not built into this program")]
    NotBuilt,
    /// Nothing can be looked up.
    #[error("find the name server")]
    Names(#[from] NamesError),
    /// No zone of theirs holds the name.
    #[error("find the zone of `{name}`: {why}")]
    NoZone {
        /// The name.
        name: String,
        /// What there is instead.
        why: String,
    },
    /// They know who we are, or not, and may not do it for us.
    #[error("{what}: not allowed: {why}")]
    Denied {
        /// What was tried.
        what: String,
        /// What they say.
        why: String,
    },
    /// The key that signs is not the one.
    #[error("{what}: {fault}")]
    Key {
        /// What was tried.
        what: String,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// They did not answer, or could not, as often as it was tried.
    #[error("{what}: {why}, {tries} times")]
    Unavailable {
        /// What was tried.
        what: String,
        /// What came last.
        why: String,
        /// How often.
        tries: u32,
    },
    /// Somebody else changed the record meanwhile.
    #[error("change `{name}`: somebody else changed it meanwhile, and nothing was done")]
    Changed {
        /// The record's name.
        name: String,
    },
    /// The name has something that we do not change.
    #[error("change `{name}`: {what}")]
    Special {
        /// The record's name.
        name: String,
        /// What it has.
        what: String,
    },
    /// They say no, or something that we do not understand.
    #[error("{what}: {why}")]
    Failed {
        /// What was tried.
        what: String,
        /// What they say.
        why: String,
    },
}

/// What is wrong with a key that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The server has none of its name and algorithm, or one that may do nothing here (BADKEY).
    #[error("the name server knows no key of this name and algorithm that may do this (BADKEY)")]
    Unknown,
    /// It is another key (BADSIG).
    #[error("the key is not the one that the name server has (BADSIG)")]
    Wrong,
    /// The clocks are too far apart (BADTIME).
    #[error("this machine's clock and the name server's are more than 5 minutes apart (BADTIME)")]
    Time,
    /// The answer is not signed, or not by this key.
    #[error("the answer is not signed with the key")]
    Unsigned,
}

impl ProviderError {
    /// The next action.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Lacks(_) => "say it by a flag, or below `dns:` in the configuration",
            Self::NotBuilt => {
                "build it with `cargo build --release --features route53`, or add the record by hand: \
                 `trustnet-vm dns instructions --dns-provider route53`"
            }
            Self::NoZone { .. } => {
                "name the zone with `--dns-zone`, and see which zones the account or server has"
            }
            Self::Denied { .. } => {
                "the token, profile or key must be allowed to read the zone and to change its records"
            }
            Self::Key { fault, .. } => match fault {
                KeyFault::Unknown => {
                    "compare the key's name and algorithm, and what it may do, with the name server's configuration"
                }
                KeyFault::Wrong => "compare the key itself: it is Base64, without its name",
                KeyFault::Time => "set the clock: `timedatectl set-ntp true`",
                KeyFault::Unsigned => {
                    "is this the zone's primary, and nothing between that changes messages?"
                }
            },
            Self::Unavailable { .. } => "try again later; nothing is done twice",
            Self::Changed { .. } => "look what is there now, and try again",
            Self::Special { .. } => "change it by hand, or take it away first",
            Self::Bad { .. } | Self::Secret(_) | Self::Names(_) | Self::Failed { .. } => {
                return None;
            }
        })
    }

    /// Whether flags or configuration have to change, and not the world.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Lacks(_) | Self::Bad { .. } | Self::Secret(_) | Self::NotBuilt
        )
    }
}
