//! What a VM is now, from what libvirt and the guest say.

use std::time::Duration;

use trustnet_api::status::{Condition, Phase, ServiceState, ServiceStatus, VirtualMachineStatus};
use trustnet_api::vm::VirtualMachine;
use trustnet_core::observed::{DomainFacts, DomainState};
use trustnet_core::record::{Record, ServicePhase};
use trustnet_host::journal::Journal;
use trustnet_host::{ready, ssh};

use crate::host::Host;

/// How long a running guest may take to repeat what it has reported.
pub const ANSWER: Duration = Duration::from_millis(500);

/// Static addresses of a spec, without prefix length.
#[must_use]
pub fn static_addresses(vm: &VirtualMachine) -> Vec<String> {
    let interfaces = &vm.spec.network_interfaces;
    let written = interfaces
        .iter()
        .flat_map(|interface| interface.ip.iter().chain(&interface.ips));
    written
        .filter_map(|text| text.split('/').next())
        .map(str::to_owned)
        .collect()
}

/// Static addresses, and those that the guest reports beside them.
fn addresses(record: &Record, guest: &ready::Snapshot) -> Vec<String> {
    let mut all = static_addresses(&record.spec);
    for address in guest.addresses.iter().map(ToString::to_string) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

/// Where SSH answers, as `address:port`.
#[must_use]
pub fn ssh_endpoint(record: &Record) -> Option<String> {
    ssh::endpoint(record).map(|at| {
        if at.address.contains(':') {
            format!("[{}]:{}", at.address, at.port)
        } else {
            format!("{}:{}", at.address, at.port)
        }
    })
}

/// The status of a domain of ours.
#[must_use]
pub fn of(host: &Host, domain: &DomainFacts, record: &Record) -> VirtualMachineStatus {
    let guest = if domain.state.is_active() {
        ready::snapshot(&*host.hypervisor, &domain.xml.uuid, ANSWER)
    } else {
        ready::Snapshot::default()
    };
    let ready = ready_condition(domain.state, &guest);
    let running = Condition {
        kind: "Running".to_owned(),
        status: if domain.state.is_active() {
            "True"
        } else {
            "False"
        }
        .to_owned(),
        last_transition_time: None,
        reason: if domain.state.is_active() {
            "DomainRunning"
        } else {
            "DomainNotRunning"
        }
        .to_owned(),
        message: format!("libvirt says: {}", domain.state.as_str()),
    };
    VirtualMachineStatus {
        phase: phase(host, domain, &guest),
        conditions: vec![running, ready],
        observed_generation: Some(record.spec.metadata.generation.unwrap_or(1)),
        domain_uuid: Some(domain.xml.uuid.clone()),
        addresses: addresses(record, &guest),
        mac_addresses: domain.xml.macs.clone(),
        interface_names: domain.xml.taps.clone(),
        ssh: ssh_endpoint(record),
        ssh_host_key: Some(record.host_key.clone()),
        services: services(record),
    }
}

/// The services that were brought into the guest, as they were then.
fn services(record: &Record) -> Vec<ServiceStatus> {
    let services = record.services.iter();
    services
        .map(|one| ServiceStatus {
            name: one.name.clone(),
            version: one.version.clone(),
            state: match one.state {
                ServicePhase::Provisioning => ServiceState::Provisioning,
                ServicePhase::Ready => ServiceState::Ready,
                ServicePhase::Failed => ServiceState::Failed,
            },
            since: rfc3339(one.at),
        })
        .collect()
}

fn phase(host: &Host, domain: &DomainFacts, guest: &ready::Snapshot) -> Phase {
    if let Ok(Some(journal)) = Journal::open(&host.journal_dir(&domain.xml.name)) {
        return match journal.plan().verb {
            trustnet_core::plan::Verb::Create => Phase::Creating,
            trustnet_core::plan::Verb::Destroy => Phase::Destroying,
        };
    }
    match phase_of(domain.state) {
        Phase::Running if guest.failed.is_some() => Phase::Failed,
        phase => phase,
    }
}

/// Where a VM is in its life, as far as its domain's state tells.
#[must_use]
pub fn phase_of(state: DomainState) -> Phase {
    match state {
        DomainState::Crashed => Phase::Failed,
        state if state.is_active() => Phase::Running,
        _ => Phase::Stopped,
    }
}

fn ready_condition(state: DomainState, guest: &ready::Snapshot) -> Condition {
    let (status, reason, message) = if !state.is_active() {
        ("False", "NotRunning", "the domain does not run".to_owned())
    } else if let Some(why) = &guest.failed {
        ("False", "GuestFailed", why.clone())
    } else {
        match guest.phase {
            Some(trustnet_core::readiness::Phase::Ready) => {
                ("True", "GuestReady", "the guest is ready".to_owned())
            }
            Some(phase) => (
                "False",
                "GuestComingUp",
                format!("the guest has come to: {phase}"),
            ),
            None => (
                "Unknown",
                "NoReport",
                guest
                    .silent
                    .clone()
                    .unwrap_or_else(|| "the guest has not reported".into()),
            ),
        }
    };
    Condition {
        kind: "Ready".to_owned(),
        status: status.to_owned(),
        last_transition_time: guest.since.and_then(rfc3339),
        reason: reason.to_owned(),
        message,
    }
}

/// Seconds since 1970 in RFC 3339.
#[must_use]
pub fn rfc3339(seconds: u64) -> Option<String> {
    let seconds = i64::try_from(seconds).ok()?;
    jiff::Timestamp::from_second(seconds)
        .ok()
        .map(|at| at.to_string())
}
