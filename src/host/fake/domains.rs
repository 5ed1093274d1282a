//! Domains, and what the host has.

use std::collections::BTreeMap;
use std::time::Duration;

use trustnet_core::observed::{DomainFacts, DomainState};
use trustnet_core::xml::{
    DomainCapabilities, DomainType, DomainXml, Metadata, PoolCapabilities, read_domain,
    read_pool_capabilities, record_element,
};

use super::state::{Domain, State};
use super::{Fake, not_found, storage};
use crate::doors::{Domains, HostInfo, ListedDomain, Power, Probes, Proof, Records, Survey};
use crate::error::{BackendError, BackendErrorKind, HostError};

impl Survey for Fake {
    fn host(&self) -> Result<HostInfo, HostError> {
        self.call("survey.host", |state| {
            Ok(HostInfo {
                uri: format!("fake://{}", self.path.display()),
                session: state.host.session,
                local: false,
                identity: "fake".to_owned(),
                arch: state.host.arch.clone(),
                free_memory_mib: state.host.free_memory_mib,
            })
        })
        .map_err(HostError::vm("ask the host what it has"))
    }

    fn capabilities(
        &self,
        kind: DomainType,
        _arch: &str,
    ) -> Result<Option<DomainCapabilities>, HostError> {
        self.call("survey.capabilities", |state| {
            let xml = state.host.capabilities.get(kind.as_str());
            Ok(xml.map(|xml| DomainCapabilities::read(xml)))
        })
        .map_err(HostError::vm(format!(
            "ask what domains of type `{}` can do",
            kind.as_str()
        )))
    }

    fn bridges(&self) -> Result<Option<Vec<String>>, HostError> {
        self.call("survey.bridges", |state| Ok(state.bridges.clone()))
            .map_err(HostError::vm("list the bridges"))
    }

    fn networks(&self) -> Result<BTreeMap<String, bool>, HostError> {
        self.call("survey.networks", |state| Ok(state.networks.clone()))
            .map_err(HostError::vm("list the libvirt networks"))
    }

    fn domains(&self) -> Result<Vec<DomainFacts>, HostError> {
        self.call("survey.domains", |state| {
            Ok(state.domains.values().map(Domain::facts).collect())
        })
        .map_err(HostError::vm("read the definitions of the domains"))
    }

    fn pools(&self) -> Result<Option<PoolCapabilities>, HostError> {
        self.call("survey.pools", |state| {
            let said = state.host.pool_capabilities.as_deref();
            Ok(said.map(read_pool_capabilities))
        })
        .map_err(HostError::storage("ask which storage pools there can be"))
    }
}

impl Records for Fake {
    fn read(&self, uuids: &[String]) -> Result<Vec<Metadata>, HostError> {
        let metadata = |domain: &Domain| {
            let xml = read_domain(&domain.xml);
            Metadata {
                record: xml.record,
                foundry: xml.foundry,
            }
        };
        self.call("records.read", |state| {
            Ok(uuids
                .iter()
                .map(|uuid| state.domains.get(uuid).map(metadata).unwrap_or_default())
                .collect())
        })
        .map_err(HostError::vm("read the records of the domains"))
    }

    fn write(&self, uuid: &str, text: &str) -> Result<(), HostError> {
        self.call("records.write", |state| {
            let domain = state
                .domains
                .get_mut(uuid)
                .ok_or_else(|| not_found(format!("no domain {uuid}")))?;
            let element = record_element(text);
            let new = element
                .trim_start_matches("<record>")
                .trim_end_matches("</record>");
            let place = domain.xml.find("<tvm:record").and_then(|element| {
                let begin = element + domain.xml[element..].find('>')? + 1;
                Some(begin..begin + domain.xml[begin..].find("</tvm:record>")?)
            });
            let place = place.ok_or_else(|| not_found("the domain has no record"))?;
            domain.xml.replace_range(place, new);
            Ok(())
        })
        .map_err(HostError::vm(format!("write the record of domain {uuid}")))
    }
}

impl Probes for Fake {
    fn boot(
        &self,
        kind: DomainType,
        _folder: &str,
        _deadline: Duration,
    ) -> Result<Proof, HostError> {
        let proof = |state: &mut State| {
            let works = kind == DomainType::Qemu || state.host.kvm;
            Ok(if works { Proof::Passed } else { Proof::Silent })
        };
        self.call("probes.boot", proof)
            .map_err(HostError::vm("boot a probe"))
    }
}

impl Domains for Fake {
    fn find(&self, name: &str) -> Result<Option<DomainFacts>, HostError> {
        self.call("domains.find", |state| {
            Ok(state
                .domains
                .values()
                .map(Domain::facts)
                .find(|facts| facts.xml.name == name))
        })
        .map_err(HostError::vm(format!("look up domain `{name}`")))
    }

    fn list(&self) -> Result<Vec<ListedDomain>, HostError> {
        self.call("domains.list", |state| {
            Ok(state.domains.values().map(listed).collect())
        })
        .map_err(HostError::vm("list the domains"))
    }

    fn state(&self, uuid: &str) -> Result<Option<DomainState>, HostError> {
        self.call("domains.state", |state| {
            Ok(state.domains.get(uuid).map(|domain| domain.state))
        })
        .map_err(HostError::vm(format!("ask for the state of domain {uuid}")))
    }

    fn define(&self, xml: &str) -> Result<(), HostError> {
        let facts = read_domain(xml);
        let name = facts.name.clone();
        self.call("domains.define", |state| define(state, &facts, xml))
            .map_err(HostError::vm(format!("define domain `{name}`")))
    }

    fn power(&self, uuid: &str, change: Power) -> Result<(), HostError> {
        let (call, doing) = match change {
            Power::On => ("domains.start", "start domain"),
            Power::Button => ("domains.button", "press the power button of domain"),
            Power::Cut => ("domains.cut", "cut the power of domain"),
            Power::OnWithHost => ("domains.autostart", "set the autostart of domain"),
        };
        self.call(call, |state| power(state, uuid, change))
            .map_err(HostError::vm(format!("{doing} {uuid}")))
    }

    fn undefine(&self, uuid: &str) -> Result<(), HostError> {
        self.call("domains.undefine", |state| {
            let Some(domain) = state.domains.get(uuid) else {
                return Ok(());
            };
            if domain.state.is_active() {
                return Err(invalid("cannot undefine transient domain"));
            }
            let nvram = domain.nvram();
            state.nvram.remove(&nvram);
            state.domains.remove(uuid);
            Ok(())
        })
        .map_err(HostError::vm(format!("undefine domain {uuid}")))
    }
}

impl Domain {
    /// Its facts.
    #[must_use]
    pub fn facts(&self) -> DomainFacts {
        DomainFacts::new(read_domain(&self.xml), self.state)
    }

    fn nvram(&self) -> String {
        format!("/fake/nvram/{}_VARS.fd", read_domain(&self.xml).name)
    }
}

fn listed(domain: &Domain) -> ListedDomain {
    let facts = read_domain(&domain.xml);
    ListedDomain {
        name: facts.name,
        uuid: facts.uuid,
        state: domain.state,
        vcpus: facts.vcpus,
        memory_mib: facts.memory_mib,
    }
}

fn define(state: &mut State, facts: &DomainXml, xml: &str) -> Result<(), BackendError> {
    if facts.name.is_empty() || facts.uuid.is_empty() {
        return Err(BackendError::other("XML error: no domain name or UUID"));
    }
    for (uuid, domain) in &state.domains {
        let name = read_domain(&domain.xml).name;
        if (*uuid == facts.uuid) != (name == facts.name) {
            return Err(BackendError::other(format!(
                "operation failed: domain '{name}' already exists with uuid {uuid}"
            )));
        }
    }
    let fresh = || Domain {
        state: DomainState::Shutoff,
        ..Domain::default()
    };
    xml.clone_into(
        &mut state
            .domains
            .entry(facts.uuid.clone())
            .or_insert_with(fresh)
            .xml,
    );
    Ok(())
}

fn power(state: &mut State, uuid: &str, change: Power) -> Result<(), BackendError> {
    let domain = state
        .domains
        .get(uuid)
        .ok_or_else(|| no_domain(uuid))?
        .clone();
    let active = domain.state.is_active();
    match change {
        Power::On if active => return Err(invalid("domain is already running")),
        Power::Button | Power::Cut if !active => {
            return Err(invalid("domain is not running"));
        }
        Power::On => can_start(state, uuid, &domain)?,
        _ => {}
    }
    let facts = read_domain(&domain.xml);
    let deaf = state
        .guests
        .get(&facts.name)
        .is_some_and(|guest| guest.deaf);
    let mut after = domain;
    match change {
        Power::On => {
            after.state = DomainState::Running;
            after.boots += 1;
            if facts.nvram {
                state.nvram.insert(after.nvram());
            }
        }
        Power::Button if deaf => {}
        Power::Button | Power::Cut => after.state = DomainState::Shutoff,
        Power::OnWithHost => after.autostart = true,
    }
    state.domains.insert(uuid.to_owned(), after);
    Ok(())
}

/// What QEMU would refuse: a file that is not there, a port that is taken.
fn can_start(state: &State, uuid: &str, domain: &Domain) -> Result<(), BackendError> {
    let facts = read_domain(&domain.xml);
    let files = storage::files(state);
    for disk in &facts.disks {
        if let Some(file) = disk
            .file
            .iter()
            .chain(&disk.backing)
            .find(|file| !files.contains(file))
        {
            return Err(BackendError::other(format!(
                "Cannot access storage file '{file}': No such file or directory"
            )));
        }
    }
    let others = state
        .domains
        .iter()
        .filter(|(other, domain)| *other != uuid && domain.state.is_active());
    let taken: Vec<u16> = others
        .flat_map(|(_, domain)| read_domain(&domain.xml).forwarded_ports)
        .collect();
    if let Some(port) = facts
        .forwarded_ports
        .iter()
        .find(|port| taken.contains(port))
    {
        return Err(BackendError::other(format!(
            "Could not set up host forwarding rule 'tcp:127.0.0.1:{port}-:22'"
        )));
    }
    Ok(())
}

fn invalid(message: &str) -> BackendError {
    BackendError {
        kind: BackendErrorKind::Other,
        message: format!("Requested operation is not valid: {message}"),
    }
}

pub(super) fn no_domain(uuid: &str) -> BackendError {
    not_found(format!(
        "Domain not found: no domain with matching uuid '{uuid}'"
    ))
}
