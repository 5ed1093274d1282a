//! `tnr.<domain>`: the AAAA records under which a network's registries are found. What is to be there, what a change
//! makes of what is there, and what is said of what was seen.

mod change;
mod instructions;
mod sighting;
mod verdict;
mod zone;

#[cfg(test)]
mod tests;

use std::net::Ipv6Addr;

use trustnet_api::network::REGISTRY_LABEL;

use crate::network::is_domain;

pub use change::{Change, RecordSet, Wish};
pub use instructions::{instructions, text};
pub use sighting::{Role, Seen, Sighting, View};
pub use verdict::{Verdict, check, judge};
pub use zone::{host_in, longest_zone, suffixes};

/// For how many seconds a record of ours may be kept by who asked for it.
pub const TTL: u32 = 300;

/// The addresses that a domain's registries are to be found at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    domain: String,
    addresses: Vec<Ipv6Addr>,
}

/// Why something is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is no domain.
    #[error("`{0}` is no domain: labels of letters, digits and `-` with dots between")]
    Domain(String),
    /// Nobody is reached at such an address.
    #[error("{address} is {what}, and no registry is found at it")]
    Address {
        /// The address.
        address: Ipv6Addr,
        /// What it is.
        what: &'static str,
    },
    /// There is none.
    #[error("no address of a registry is given")]
    Empty,
}

impl Record {
    /// The record of a domain with these addresses, each once, in this order.
    ///
    /// # Errors
    /// It is no domain, there is no address, or one that nobody else reaches.
    pub fn new(
        domain: &str,
        addresses: impl IntoIterator<Item = Ipv6Addr>,
    ) -> Result<Self, RecordError> {
        let domain = self::domain(domain)?;
        let mut once = Vec::new();
        for address in addresses {
            if let Some(what) = unusable(address) {
                return Err(RecordError::Address { address, what });
            }
            if !once.contains(&address) {
                once.push(address);
            }
        }
        if once.is_empty() {
            return Err(RecordError::Empty);
        }
        Ok(Self {
            domain,
            addresses: once,
        })
    }

    /// The network's domain, in lower case and without a dot at its end.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The record's name, such as `tnr.example.org`.
    #[must_use]
    pub fn name(&self) -> String {
        name_in(&self.domain)
    }

    /// The addresses that are to be there.
    #[must_use]
    pub fn addresses(&self) -> &[Ipv6Addr] {
        &self.addresses
    }
}

/// The name of a domain's record, without a dot at its end.
///
/// # Errors
/// It is no domain, or too long a one.
pub fn name(domain: &str) -> Result<String, RecordError> {
    Ok(name_in(&self::domain(domain)?))
}

/// A domain in lower case and without a dot at its end, where it leaves room for the record's label.
fn domain(text: &str) -> Result<String, RecordError> {
    let domain = text.strip_suffix('.').unwrap_or(text);
    if is_domain(domain) && is_domain(&name_in(domain)) {
        Ok(domain.to_ascii_lowercase())
    } else {
        Err(RecordError::Domain(text.to_owned()))
    }
}

fn name_in(domain: &str) -> String {
    format!("{REGISTRY_LABEL}.{domain}")
}

/// What an address is that nobody else reaches somebody at.
fn unusable(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some("no address")
    } else if address.is_multicast() {
        Some("of many")
    } else if address.is_loopback() {
        Some("of each machine itself")
    } else if address.is_unicast_link_local() {
        Some("of one link only")
    } else if address.to_ipv4_mapped().is_some() {
        Some("an IPv4 address")
    } else {
        None
    }
}
