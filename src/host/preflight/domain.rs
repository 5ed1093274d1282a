//! A domain in the DNS.

use trustnet_api::network::REGISTRY_LABEL;
use trustnet_core::preflight::{DomainSeen, Resolved};
use trustnet_dns::{Names, Seen};

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

/// Looks a name up as the machine does.
#[must_use]
pub fn by_names(names: &Names, name: &str) -> Resolved {
    match names.addresses(name) {
        Ok(Ok(addresses)) if addresses.is_empty() => Resolved::NoAddress,
        Ok(Ok(addresses)) => Resolved::Addresses(addresses),
        Ok(Err(Seen::NoName)) => Resolved::NoName,
        Ok(Err(Seen::NoData)) => Resolved::NoAddress,
        Ok(Err(seen)) => Resolved::Failed(seen.words()),
        Err(error) => Resolved::Failed(error.to_string()),
    }
}
