//! What the host has.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use trustnet_core::observed::DomainFacts;
use trustnet_core::xml::{
    DomainCapabilities, DomainType, PoolCapabilities, guest_arch, host_uuid, read_pool_capabilities,
};

use super::{Libvirt, domains, if_found, if_supported, memory, pool_types};
use crate::doors::{HostInfo, Survey};
use crate::error::{BackendError, HostError};

/// Requests under way at once; libvirtd serves five of a client by default.
const IN_FLIGHT: usize = 4;

/// As many domains are looked up one by one.
pub(super) const FEW: usize = 4;

impl Survey for Libvirt {
    fn host(&self) -> Result<HostInfo, HostError> {
        let run = || -> Result<HostInfo, BackendError> {
            let capabilities = self.connection().capabilities()?;
            let version = self.connection().hyp_version()?;
            Ok(HostInfo {
                session: self
                    .uri
                    .split('?')
                    .next()
                    .is_some_and(|uri| uri.ends_with("/session")),
                local: is_local(&self.uri),
                identity: format!("{} {version}", host_uuid(&capabilities).unwrap_or_default()),
                arch: guest_arch(&capabilities)
                    .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
                free_memory_mib: if_supported(memory::available_mib(&self.connection()))?,
                uri: self.uri.clone(),
            })
        };
        run().map_err(HostError::vm("ask the host what it has"))
    }

    fn capabilities(
        &self,
        kind: DomainType,
        arch: &str,
    ) -> Result<Option<DomainCapabilities>, HostError> {
        let machine = if arch == "x86_64" { "q35" } else { "virt" };
        let xml = self.connection().domain_capabilities(
            None,
            Some(arch),
            Some(machine),
            Some(kind.as_str()),
            0,
        );
        let xml = if_supported(xml).map_err(HostError::vm(format!(
            "ask what domains of type `{}` can do",
            kind.as_str()
        )))?;
        Ok(xml.map(|xml| DomainCapabilities::read(&xml)))
    }

    fn bridges(&self) -> Result<Option<Vec<String>>, HostError> {
        if !is_local(&self.uri) || self.uri.starts_with("test:") {
            return Ok(None);
        }
        let Ok(entries) = fs::read_dir("/sys/class/net") else {
            return Ok(None);
        };
        let bridges = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("bridge").is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut bridges: Vec<String> = bridges.collect();
        bridges.sort();
        Ok(Some(bridges))
    }

    fn networks(&self) -> Result<BTreeMap<String, bool>, HostError> {
        let run = || -> Result<BTreeMap<String, bool>, BackendError> {
            let Some(networks) = if_supported(self.connection().list_all_networks(0))? else {
                return Ok(BTreeMap::new());
            };
            networks
                .iter()
                .map(|network| Ok((network.name()?, network.is_active()?)))
                .collect()
        };
        run().map_err(HostError::vm("list the libvirt networks"))
    }

    fn domains(&self) -> Result<Vec<DomainFacts>, HostError> {
        let doing = "read the definitions of the domains";
        let all = self
            .connection()
            .list_all_domains(0)
            .map_err(HostError::vm(doing))?;
        // A domain may go while we look; that it is gone is its answer.
        let facts = in_flight(&all, |domain| if_found(domains::facts(domain)));
        let facts: Result<Vec<Option<DomainFacts>>, BackendError> = facts.into_iter().collect();
        Ok(facts
            .map_err(HostError::vm(doing))?
            .into_iter()
            .flatten()
            .collect())
    }

    fn pools(&self) -> Result<Option<PoolCapabilities>, HostError> {
        let xml = if_supported(pool_types::capabilities(&self.connection()))
            .map_err(HostError::storage("ask which storage pools there can be"))?;
        Ok(xml.map(|xml| read_pool_capabilities(&xml)))
    }
}

/// Whether the daemon behind a URI is on this machine.
fn is_local(uri: &str) -> bool {
    uri.split_once("://")
        .is_some_and(|(_, rest)| rest.starts_with('/'))
}

/// Runs `ask` for every item with several requests under way, and keeps the order.
pub(super) fn in_flight<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let share = items.len().div_ceil(IN_FLIGHT).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(share)
            .map(|chunk| scope.spawn(|| chunk.iter().map(&ask).collect::<Vec<R>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| match worker.join() {
                Ok(results) => results,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}
