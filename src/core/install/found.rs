//! What was found out before anything is decided: facts, no decisions.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

/// What is known of the surroundings of an installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What the domain's `tnr` record says.
    pub tnr: Tnr,
    /// Whether the domain's join token is kept on this machine.
    pub token: bool,
    /// The installation itself, where this machine has it already, be it half made.
    pub own: Option<Own>,
    /// Whether its address came into the record while that was waited for.
    pub awaited: bool,
    /// Ports at the installation's own address at which something answers that is not the installation itself.
    pub taken: BTreeSet<u16>,
}

/// What is known of an installation that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own {
    /// The port of its registry, where that is known.
    pub registry_port: Option<u16>,
}

/// What a domain's `tnr` record says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tnr {
    /// It was not asked for, or no answer came: why, in words.
    #[default]
    NotAsked,
    /// No answer came: why, in words.
    Unknown(String),
    /// There is none: how the name servers said that, in words.
    None(String),
    /// The addresses of the domain's registries.
    At(Vec<Ipv6Addr>),
}

impl Tnr {
    /// The addresses, where there are some.
    #[must_use]
    pub fn addresses(&self) -> &[Ipv6Addr] {
        match self {
            Self::At(addresses) => addresses,
            Self::NotAsked | Self::Unknown(_) | Self::None(_) => &[],
        }
    }
}
