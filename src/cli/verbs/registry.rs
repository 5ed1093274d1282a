//! `registry status`, `registry nodes`: what registries say of themselves and of their nodes.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use trustnet_api::network::{HealthStatus, MAX_PAGE, NodeList, NodeRecord, RegistryHealth};
use trustnet_core::kind::REGISTRY_SERVICE;
use trustnet_core::readiness::clean;

use super::{get::serialise, promote};
use crate::args::{Output, RegistryNodes, RegistryStatus, RegistryVerb};
use crate::contact::{self, Contact, Sought};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::verbs::create::in_parallel;
use crate::{Program, table};

/// The most registries that are asked at once.
const AT_ONCE: usize = 8;

/// Runs a verb of registries.
///
/// # Errors
/// As for each.
pub fn run(program: &Program, verb: &RegistryVerb) -> Result<Exit, Failure> {
    match verb {
        RegistryVerb::Status(args) => status(program, args),
        RegistryVerb::Nodes(args) => nodes(program, args),
        RegistryVerb::Promote(args) => promote::run(program, args),
    }
}

/// How a registry is, or why that is not known.
struct Seen {
    name: String,
    answer: Result<(String, bool, RegistryHealth, Duration), Failure>,
}

fn status(program: &Program, args: &RegistryStatus) -> Result<Exit, Failure> {
    let ca = args.ca.as_deref();
    let seen = match &args.place {
        Some(place) => vec![look(place, named(program, place, ca)?)],
        None => {
            let host = program.connect()?;
            let names = contact::running(&host, Sought::Registry)?;
            if names.is_empty() {
                return Err(Failure::new(Exit::Usage, "no VM with a registry runs")
                    .hint("name one, or give an address such as `[2001:db8::1]:8000`"));
            }
            in_parallel(&names, AT_ONCE, |(name, _)| {
                look(name, Contact::find(&host, name, Sought::Registry, ca))
            })
        }
    };
    let mut exit = Exit::Done;
    for one in &seen {
        match &one.answer {
            Ok((_, _, health, _)) if health.status == HealthStatus::Ok => {}
            Ok(_) => exit = Exit::Provision,
            Err(failure) => {
                program.ui.fail(failure);
                exit = failure.exit;
            }
        }
    }
    match program.settings.output.value {
        form @ (Output::Table | Output::Wide) => print(program, &seen, form == Output::Wide),
        Output::Name => seen
            .iter()
            .for_each(|one| program.ui.result(format!("{}\n", one.name))),
        form => {
            let items: Vec<Value> = seen.iter().map(entry).collect();
            let value = json!({ "kind": "RegistryStatusList", "items": items });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(exit)
}

/// A registry by name or address. An address needs no hypervisor.
fn named(
    program: &Program,
    place: &str,
    ca: Option<&Path>,
) -> Result<Result<Contact, Failure>, Failure> {
    match Contact::at_address(place, ca)? {
        Some(contact) => Ok(Ok(contact)),
        None => {
            let host = program.connect()?;
            Contact::find(&host, place, Sought::Registry, ca).map(Ok)
        }
    }
}

fn look(name: &str, contact: Result<Contact, Failure>) -> Seen {
    let answer = contact.and_then(|mut contact| {
        let (health, took) = contact.get::<RegistryHealth>("/api/health")?;
        Ok((contact.at.clone(), contact.through_guest(), health, took))
    });
    Seen {
        name: name.to_owned(),
        answer,
    }
}

fn entry(seen: &Seen) -> Value {
    match &seen.answer {
        Ok((at, through_guest, health, took)) => json!({
            "name": seen.name,
            "address": at,
            "through": if *through_guest { "ssh" } else { "direct" },
            "responseMs": took.as_millis(),
            "health": health,
        }),
        Err(failure) => json!({ "name": seen.name, "error": failure.message }),
    }
}

fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn print(program: &Program, seen: &[Seen], wide: bool) {
    let mut headers = vec![
        "NAME", "STATUS", "ROLE", "DOMAIN", "ACTIVE", "OFFLINE", "INACTIVE", "VERSION", "LAG",
        "QUEUED", "RESPONSE",
    ];
    if wide {
        headers.extend(["ADDRESS", "NODE ID", "ROOT", "TOKEN"]);
    }
    let mut rows = Vec::new();
    let mut problems = String::new();
    for one in seen {
        let Ok((at, _, health, took)) = &one.answer else {
            continue;
        };
        let (nodes, replication) = (health.nodes, &health.replication);
        let mut row = vec![
            one.name.clone(),
            word(&health.status),
            word(&health.role),
            health.domain.clone(),
            nodes.active.to_string(),
            nodes.offline.to_string(),
            nodes.inactive.to_string(),
            replication.version.to_string(),
            format!("{:.1} s", replication.lag_seconds),
            replication.queued_writes.to_string(),
            format!("{} ms", took.as_millis()),
        ];
        if wide {
            let root = replication.root.as_deref().unwrap_or("-");
            let connected = if replication.connected {
                root.to_owned()
            } else {
                format!("{root} (away)")
            };
            let token = if health.join_token {
                "asked for"
            } else {
                "none"
            };
            row.extend([
                at.clone(),
                health.node_id.clone(),
                connected,
                token.to_owned(),
            ]);
        }
        rows.push(row);
        for problem in &health.problems {
            let problem = clean(problem);
            problems.push_str(&format!("{}: {problem}\n", one.name));
        }
    }
    if rows.is_empty() {
        return;
    }
    let headers = (!program.no_headers).then_some(headers.as_slice());
    program.ui.result(table::lay_out(headers, &rows));
    program.ui.result(problems);
}

fn nodes(program: &Program, args: &RegistryNodes) -> Result<Exit, Failure> {
    let ca = args.ca.as_deref();
    let mut contact = match &args.place {
        Some(place) => named(program, place, ca)??,
        None => root(&program.connect()?, ca)?,
    };
    let (nodes, version) = all_nodes(&mut contact)?;
    match program.settings.output.value {
        form @ (Output::Table | Output::Wide) => {
            let wide = form == Output::Wide;
            let mut headers = vec!["NAME", "STATE", "ADDRESS", "REGISTRY", "LAST HEARTBEAT"];
            if wide {
                headers.extend(["NODE ID", "DOMAIN", "REPUTATION", "UPTIME", "FIRST SEEN"]);
            }
            let rows: Vec<Vec<String>> = nodes.iter().map(|node| row(node, wide)).collect();
            let headers = (!program.no_headers).then_some(headers.as_slice());
            program.ui.result(table::lay_out(headers, &rows));
        }
        Output::Name => nodes
            .iter()
            .for_each(|node| program.ui.result(format!("{}\n", clean(&node.node_name)))),
        form => {
            let value = json!({ "kind": "NodeList", "version": version, "items": nodes });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(Exit::Done)
}

fn row(node: &NodeRecord, wide: bool) -> Vec<String> {
    let mut row = vec![
        node.node_name.clone(),
        word(&node.state),
        format!("[{}]:{}", node.ipv6_address, node.port),
        node.registry_address.clone(),
        node.last_heartbeat.to_string(),
    ];
    if wide {
        row.extend([
            node.node_id.clone(),
            node.domain.clone(),
            node.reputation.to_string(),
            format!("{:.1} %", node.uptime_pct),
            node.first_seen.to_string(),
        ]);
    }
    row
}

/// The whole directory, page by page, by name; and its version.
///
/// # Errors
/// A page does not come.
pub fn all_nodes(contact: &mut Contact) -> Result<(Vec<NodeRecord>, u64), Failure> {
    let mut nodes: Vec<NodeRecord> = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/api/nodes?limit={MAX_PAGE}{after}");
        let (page, _) = contact.get::<NodeList>(&path)?;
        nodes.extend(page.nodes);
        match page.next {
            // What is no id leads nowhere.
            Some(next)
                if next.bytes().all(|byte| byte.is_ascii_alphanumeric())
                    && after != format!("&after={next}") =>
            {
                after = format!("&after={next}");
            }
            _ => {
                nodes.sort_by(|a, b| a.node_name.cmp(&b.node_name));
                return Ok((nodes, page.version));
            }
        }
    }
}

/// The root among the VMs that run, else the only registry.
///
/// # Errors
/// There is none, or more than one.
pub fn root(host: &Host, ca: Option<&Path>) -> Result<Contact, Failure> {
    let all = contact::running(host, Sought::Registry)?;
    let is_root = |record: &trustnet_core::record::Record| {
        let registry = contact::service(record, REGISTRY_SERVICE);
        registry.is_some_and(|one| contact::text(one, "role") != Some("secondary"))
    };
    let roots: Vec<&String> = all
        .iter()
        .filter(|(_, record)| is_root(record))
        .map(|(name, _)| name)
        .collect();
    let name = match (roots.as_slice(), all.as_slice()) {
        ([one], _) => *one,
        ([], [(one, _)]) => one,
        _ => {
            let message = if all.is_empty() {
                "no VM with a registry runs"
            } else {
                "there is more than one registry"
            };
            return Err(Failure::new(Exit::Usage, message)
                .hint("name one, or give an address such as `[2001:db8::1]:8000`"));
        }
    };
    Contact::find(host, name, Sought::Registry, ca)
}
