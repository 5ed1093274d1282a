//! A domain in the DNS.

use std::io;
use std::net::ToSocketAddrs;

use trustnet_api::network::REGISTRY_LABEL;
use trustnet_core::preflight::{DomainSeen, Resolved};

/// Looks a domain up, and its record of registries. Where that is there, the domain is too.
#[must_use]
pub fn domain(name: &str, resolve: &dyn Fn(&str) -> Resolved) -> DomainSeen {
    let registries = resolve(&format!("{REGISTRY_LABEL}.{name}"));
    let addresses = match &registries {
        Resolved::Addresses(_) | Resolved::Failed(_) => Resolved::NotAsked,
        _ => resolve(name),
    };
    DomainSeen {
        addresses,
        registries,
    }
}

pub(super) fn not_asked() -> DomainSeen {
    DomainSeen {
        addresses: Resolved::NotAsked,
        registries: Resolved::NotAsked,
    }
}

/// Looks a name up as the machine's C library does.
#[must_use]
pub fn by_the_system(name: &str) -> Resolved {
    let looked: io::Result<Vec<_>> = (format!("{name}."), 0)
        .to_socket_addrs()
        .map(Iterator::collect);
    match looked {
        Ok(found) => {
            let mut addresses: Vec<_> = found.iter().map(|one| one.ip()).collect();
            addresses.dedup();
            if addresses.is_empty() {
                return Resolved::NoAddress;
            }
            Resolved::Addresses(addresses)
        }
        Err(error) => Resolved::Failed(error.to_string()),
    }
}
