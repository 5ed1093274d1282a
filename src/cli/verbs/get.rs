//! `get`: find, read the record, look at the guest, print.

use serde::Serialize;
use trustnet_api::status::VirtualMachineStatus;
use trustnet_api::vm::VirtualMachine;
use trustnet_core::observed::{DomainFacts, Owner};
use trustnet_host::journal::Journal;

use crate::args::Output;
use crate::failure::{Exit, Failure};
use crate::{Program, status, table};

/// Shows one VM.
///
/// # Errors
/// It is not there, or was not made by us or Foundry.
pub fn run(program: &Program, name: &str) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let domain = host.find(name)?;
    if Journal::open(&host.journal_dir(&domain.xml.name))?.is_some() {
        crate::make::warn_of_leftover(program, &host, &domain.xml.name)?;
    }
    let vm = match &domain.owner {
        Owner::Ours(record) => VirtualMachine {
            status: Some(status::of(&host, &domain, record)),
            ..record.spec.clone()
        },
        Owner::Foundry(vm) => VirtualMachine {
            status: Some(foreign_status(&domain)),
            ..(**vm).clone()
        },
        Owner::Foreign | Owner::Unreadable(_) => return Err(not_ours(&domain)),
    };
    match program.settings.output.value {
        Output::Table | Output::Wide => program.ui.result(describe(&vm, &domain)),
        Output::Name => program.ui.result(format!("{}\n", domain.xml.name)),
        form => program.ui.result(serialise(form, &vm)?),
    }
    Ok(Exit::Done)
}

/// Serialises a result as JSON or YAML.
///
/// # Errors
/// The value cannot be serialised; no value of ours is such.
pub fn serialise(form: Output, value: &impl Serialize) -> Result<String, Failure> {
    let failed =
        |error: String| Failure::new(Exit::Usage, format!("failed to write the output: {error}"));
    if form == Output::Yaml {
        // Through JSON, so that both forms have the same shape.
        let value = serde_json::to_value(value).map_err(|error| failed(error.to_string()))?;
        return serde_saphyr::to_string(&value).map_err(|error| failed(error.to_string()));
    }
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| failed(error.to_string()))?;
    text.push('\n');
    Ok(text)
}

/// Why a domain is not shown or touched.
#[must_use]
pub fn not_ours(domain: &DomainFacts) -> Failure {
    let name = &domain.xml.name;
    match &domain.owner {
        Owner::Unreadable(why) => Failure::new(
            Exit::Vm,
            format!("the record of `{name}` cannot be read: {why}"),
        )
        .hint("it may have been made by a newer version; use that one"),
        Owner::Foundry(_) => Failure::new(Exit::Vm, format!("`{name}` was made by Foundry"))
            .hint("trustnet-vm shows such VMs and does not touch them"),
        _ => Failure::new(Exit::Vm, format!("`{name}` was not made by trustnet-vm"))
            .hint(format!("see it with `virsh dominfo {name}`")),
    }
}

fn foreign_status(domain: &DomainFacts) -> VirtualMachineStatus {
    VirtualMachineStatus {
        phase: if domain.state.is_active() {
            trustnet_api::status::Phase::Running
        } else {
            trustnet_api::status::Phase::Stopped
        },
        domain_uuid: Some(domain.xml.uuid.clone()),
        mac_addresses: domain.xml.macs.clone(),
        interface_names: domain.xml.taps.clone(),
        ..VirtualMachineStatus::default()
    }
}

fn describe(vm: &VirtualMachine, domain: &DomainFacts) -> String {
    let status = vm.status.clone().unwrap_or_default();
    let list = |items: &[String]| {
        if items.is_empty() {
            "-".to_owned()
        } else {
            items.join(", ")
        }
    };
    let memory = match (&vm.spec.memory, vm.spec.memory_gib) {
        (Some(quantity), _) => quantity.to_string(),
        (None, Some(gib)) => format!("{gib}Gi"),
        (None, None) => "-".to_owned(),
    };
    let mut rows = vec![
        ("Name:", domain.xml.name.clone()),
        ("Phase:", format!("{:?}", status.phase)),
        (
            "Domain:",
            format!(
                "{} (type {}, {})",
                domain.xml.uuid,
                domain.xml.kind,
                domain.state.as_str()
            ),
        ),
        ("vCPUs:", vm.spec.vcpus.to_string()),
        ("Memory:", memory),
        (
            "Image:",
            vm.spec
                .boot_disk
                .image
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
        ),
        ("Addresses:", list(&status.addresses)),
        ("MACs:", list(&status.mac_addresses)),
        ("Interfaces:", list(&status.interface_names)),
        ("SSH:", status.ssh.clone().unwrap_or_else(|| "-".to_owned())),
        (
            "Host key:",
            status
                .ssh_host_key
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
        ),
    ];
    if let Some(kind) = vm.metadata.labels.get(trustnet_api::KIND_LABEL) {
        rows.insert(1, ("Kind:", kind.clone()));
    }
    for service in &status.services {
        let since = service.since.as_deref();
        let since = since.map(|at| format!(" since {at}")).unwrap_or_default();
        let (name, version, state) = (&service.name, &service.version, service.state);
        rows.push(("Service:", format!("{name} {version} ({state:?}{since})")));
    }
    for condition in &status.conditions {
        let since = condition
            .last_transition_time
            .as_deref()
            .map(|at| format!(", since {at}"))
            .unwrap_or_default();
        rows.push((
            "Condition:",
            format!(
                "{}={} ({}{since}): {}",
                condition.kind, condition.status, condition.reason, condition.message
            ),
        ));
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(key, value)| vec![key.to_owned(), value])
        .collect();
    table::lay_out(None, &rows)
}
