//! `list`: one call for all domains, their records, print.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use trustnet_api::status::Phase;
use trustnet_api::vm::VirtualMachine;
use trustnet_api::{KIND_LABEL, VIRTUAL_MACHINE};
use trustnet_core::observed::Owner;
use trustnet_host::doors::ListedDomain;
use trustnet_host::glance::{Addresses, Glance};

use crate::Program;
use crate::args::{List, Output};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::{status, table};

/// A row of the list: the stable form of `list -o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    /// What it was written as: `VirtualMachine`, `Registry` or `Node`; none for a domain that something else made.
    kind: Option<String>,
    /// libvirt's state.
    state: &'static str,
    /// Where the VM is in its life, as far as libvirt tells; the guest's own word is in `get`.
    phase: Phase,
    vcpus: u32,
    memory_mib: u64,
    addresses: Vec<String>,
    ssh: Option<String>,
    labels: BTreeMap<String, String>,
    /// `trustnet-vm`, `foundry`, or `other` for a domain that something else made.
    owner: &'static str,
    uuid: String,
    image: Option<String>,
}

/// The owner of a domain with a record.
const OURS: &str = "trustnet-vm";

/// Lists all domains.
///
/// # Errors
/// The hypervisor does not answer.
pub fn run(program: &Program, args: &List) -> Result<Exit, Failure> {
    let wanted = args
        .selector
        .as_deref()
        .map(parse_selector)
        .transpose()?
        .unwrap_or_default();
    let host = program.connect()?;
    for name in trustnet_host::journal::leftovers(&host.paths, &host.uri) {
        crate::make::warn_of_leftover(program, &host, &name)?;
    }
    let domains = host.hypervisor.domains().list()?;
    let mut rows = match program.settings.output.value {
        Output::Name if wanted.is_empty() => domains
            .into_iter()
            .map(|domain| row(domain, &Owner::Foreign))
            .collect(),
        Output::Table if wanted.is_empty() => at_a_glance(&host, domains)?,
        _ => in_full(&host, domains)?,
    };
    rows.retain(|row| {
        wanted
            .iter()
            .all(|(key, value)| row.labels.get(key) == Some(value))
    });
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    print(program, &rows)?;
    Ok(Exit::Done)
}

/// With all that the records say.
fn in_full(host: &Host, domains: Vec<ListedDomain>) -> Result<Vec<Row>, Failure> {
    let owners = owners(host, &domains)?;
    Ok(domains
        .into_iter()
        .zip(owners)
        .map(|(domain, owner)| row(domain, &owner))
        .collect())
}

/// With addresses and no more of the records: those are known from earlier.
fn at_a_glance(host: &Host, domains: Vec<ListedDomain>) -> Result<Vec<Row>, Failure> {
    let glance = Glance::read(&host.paths, &host.uri);
    let (known, new): (Vec<_>, Vec<_>) = domains
        .into_iter()
        .partition(|domain| glance.of(&domain.uuid).is_some());
    let owners = owners(host, &new)?;
    let mut kept = Addresses::new();
    let mut rows = Vec::new();
    for domain in known {
        let addresses = glance.of(&domain.uuid).cloned().unwrap_or_default();
        kept.insert(domain.uuid.clone(), addresses.clone());
        rows.push(Row {
            addresses,
            owner: OURS,
            ..row(domain, &Owner::Foreign)
        });
    }
    for (domain, owner) in new.into_iter().zip(owners) {
        let row = row(domain, &owner);
        if owner.record().is_some_and(|record| record.is_of(&row.uuid)) {
            kept.insert(row.uuid.clone(), row.addresses.clone());
        }
        rows.push(row);
    }
    glance.keep(&kept);
    Ok(rows)
}

fn owners(host: &Host, domains: &[ListedDomain]) -> Result<Vec<Owner>, Failure> {
    if domains.is_empty() {
        return Ok(Vec::new());
    }
    let uuids: Vec<String> = domains.iter().map(|domain| domain.uuid.clone()).collect();
    let metadata = host.hypervisor.records().read(&uuids)?;
    Ok(metadata.iter().map(Owner::of).collect())
}

fn row(domain: ListedDomain, owner: &Owner) -> Row {
    let record = owner.record();
    let (spec, owner) = match owner {
        Owner::Ours(record) => (Some(&record.spec), OURS),
        Owner::Foundry(vm) => (Some(&**vm), "foundry"),
        Owner::Unreadable(_) => (None, OURS),
        Owner::Foreign => (None, "other"),
    };
    Row {
        kind: spec.map(written_as),
        state: domain.state.as_str(),
        phase: status::phase_of(domain.state),
        vcpus: domain.vcpus,
        memory_mib: domain.memory_mib,
        addresses: spec.map(status::static_addresses).unwrap_or_default(),
        ssh: record.and_then(status::ssh_endpoint),
        labels: spec
            .map(|vm| vm.metadata.labels.clone())
            .unwrap_or_default(),
        owner,
        image: spec.and_then(|vm| vm.spec.boot_disk.image.clone()),
        name: domain.name,
        uuid: domain.uuid,
    }
}

/// The kind that a VM was written as.
fn written_as(vm: &VirtualMachine) -> String {
    let kind = vm.metadata.labels.get(KIND_LABEL);
    kind.map_or(VIRTUAL_MACHINE, String::as_str).to_owned()
}

/// Reads `KEY=VALUE,…`.
///
/// # Errors
/// It is something else.
pub fn parse_selector(text: &str) -> Result<Vec<(String, String)>, Failure> {
    text.split(',')
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            }
            _ => Err(
                Failure::new(Exit::Usage, format!("failed to read the selector `{pair}`"))
                    .hint("write KEY=VALUE, several with commas between"),
            ),
        })
        .collect()
}

fn print(program: &Program, rows: &[Row]) -> Result<(), Failure> {
    let wide = program.settings.output.value == Output::Wide;
    match program.settings.output.value {
        Output::Table | Output::Wide => {
            let mut headers = vec!["NAME", "STATE", "VCPUS", "MEMORY", "IP ADDRESS"];
            if wide {
                headers.extend(["SSH", "KIND", "OWNER", "IMAGE", "UUID"]);
            }
            let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, wide)).collect();
            let headers = (!program.no_headers).then_some(headers.as_slice());
            program.ui.result(table::lay_out(headers, &cells));
        }
        Output::Name => rows
            .iter()
            .for_each(|row| program.ui.result(format!("{}\n", row.name))),
        form => {
            let value = json!({ "kind": "DomainList", "items": rows });
            program.ui.result(super::get::serialise(form, &value)?);
        }
    }
    Ok(())
}

fn cells(row: &Row, wide: bool) -> Vec<String> {
    let or_dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    let known = |number: u64, text: String| if number == 0 { "-".to_owned() } else { text };
    let mut cells = vec![
        row.name.clone(),
        row.state.to_owned(),
        known(u64::from(row.vcpus), row.vcpus.to_string()),
        known(
            row.memory_mib,
            trustnet_core::units::bytes(row.memory_mib << 20),
        ),
        or_dash(row.addresses.join(",")),
    ];
    if wide {
        cells.extend([
            or_dash(row.ssh.clone().unwrap_or_default()),
            or_dash(row.kind.clone().unwrap_or_default()),
            row.owner.to_owned(),
            or_dash(row.image.clone().unwrap_or_default()),
            row.uuid.clone(),
        ]);
    }
    cells
}
