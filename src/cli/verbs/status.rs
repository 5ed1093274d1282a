//! `status`: VMs as trees, each looked at within a time limit.

use serde_json::json;
use trustnet_core::observed::Owner;
use trustnet_core::readiness::clean;
use trustnet_core::units;

use crate::Program;
use crate::args::{Output, Status};
use crate::failure::{Exit, Failure};
use crate::health::{self, Disk, Health, Seen, ServiceHealth};
use crate::host::Host;
use crate::subject::Lookup;
use crate::tree::{Node, draw};
use crate::verbs::create::in_parallel;
use crate::verbs::get::serialise;

/// Shows how VMs are.
///
/// # Errors
/// One that was named is not there, or the hypervisor does not answer.
pub fn run(program: &Program, args: &Status) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let names = names(&host, &args.names)?;
    let lookup = Lookup::new(program, &host).without_steps();
    let seen = in_parallel(&names, args.parallel, |name| {
        let subject = lookup.subject(name)?;
        Ok(health::look(&host, &subject))
    });
    let (mut all, mut exit) = (Vec::new(), Exit::Done);
    for one in seen {
        match one {
            Ok(seen) => all.push(seen),
            // One that went away meanwhile, or was never there, does not hide the others.
            Err(failure) => {
                let failure: Failure = failure;
                program.ui.fail(&failure);
                exit = failure.exit;
            }
        }
    }
    match program.settings.output.value {
        Output::Table | Output::Wide => {
            let trees: Vec<Node> = all.iter().map(|one| tree(program, one)).collect();
            program.ui.result(draw(&trees));
        }
        Output::Name => all
            .iter()
            .for_each(|one| program.ui.result(format!("{}\n", one.name))),
        form => {
            let value = json!({ "kind": "StatusList", "items": all });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(exit)
}

/// The names that were given, or those of all VMs of ours.
fn names(host: &Host, given: &[String]) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = given.iter().map(|name| name.to_ascii_lowercase()).collect();
    if names.is_empty() {
        let domains = host.hypervisor.domains().list()?;
        let uuids: Vec<String> = domains.iter().map(|domain| domain.uuid.clone()).collect();
        let records = host.hypervisor.records().read(&uuids)?;
        names = domains
            .into_iter()
            .zip(&records)
            .filter(|(_, metadata)| Owner::of(metadata).record().is_some())
            .map(|(domain, _)| domain.name)
            .collect();
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn tree(program: &Program, vm: &Seen) -> Node {
    let ready = format!("{:?}, {}", vm.phase, vm.state);
    let mut below = Vec::new();
    if let Some(why) = &vm.ready_message {
        below.push(Node::new(format!("guest: {}", clean(why))));
    }
    if !vm.addresses.is_empty() {
        below.push(Node::new(format!(
            "addresses: {}",
            clean(&vm.addresses.join(", "))
        )));
    }
    let endpoint = vm.ssh.as_deref().unwrap_or("no address known");
    let answers = match &vm.unreachable {
        None => "answers".to_owned(),
        Some(why) => clean(why),
    };
    below.push(Node::new(format!("ssh: {endpoint}: {answers}")));
    if !vm.disks.is_empty() {
        let disks = vm.disks.iter().map(|disk| Node::new(disk_line(disk)));
        below.push(Node::new("disks").below(disks.collect()));
    }
    if !vm.services.is_empty() {
        let services = vm.services.iter();
        let services = services.map(|one| Node::new(service_line(program, one)));
        below.push(Node::new("services").below(services.collect()));
    }
    Node::new(format!("{}: {ready}", clean(&vm.name))).below(below)
}

fn disk_line(disk: &Disk) -> String {
    let size = units::bytes(disk.size_bytes);
    let mut line = format!(
        "{} ({}, {size}, pool {})",
        disk.volume, disk.role, disk.pool
    );
    if let Some(path) = &disk.mount_path {
        line.push_str(&format!(" at {path}"));
        match (disk.mounted, disk.used_percent) {
            (Some(false), _) => line.push_str(", not mounted"),
            (_, Some(percent)) => line.push_str(&format!(", {percent} % used")),
            _ => {}
        }
    }
    clean(&line)
}

fn service_line(program: &Program, service: &ServiceHealth) -> String {
    let mark = match service.health {
        Health::Healthy => program.ui.paint("32;1", "✓"),
        Health::Unhealthy => program.ui.paint("31;1", "✗"),
        Health::Unknown => program.ui.paint("33;1", "?"),
    };
    let version = service.version.as_deref().unwrap_or("(no version)");
    let mut facts = Vec::new();
    if let Some(state) = service.unit {
        facts.push(format!("unit {}", state.as_str()));
    }
    for port in &service.ports {
        let word = if port.open { "open" } else { "closed" };
        facts.push(format!("port {} ({}) {word}", port.port, port.name));
    }
    if let Some(live) = &service.live {
        facts.push(live.words());
    }
    if let Some(why) = &service.why {
        facts.push(why.clone());
    }
    if let (Health::Unknown, Some(state)) = (service.health, service.state) {
        let since = service.since.as_deref().unwrap_or("an unknown time");
        facts.push(format!("by its record {state:?} since {since}"));
    }
    let facts = if facts.is_empty() {
        String::new()
    } else {
        format!(": {}", facts.join(", "))
    };
    format!(
        "{mark} {}",
        clean(&format!("{} {version}{facts}", service.name))
    )
}
