//! What is said before the last question and at the end.

use serde_json::{Value, json};
use trustnet_api::install::{Deployment, RegistryType};
use trustnet_api::network::{NODE_PORT, NodeHealth, REGISTRY_LABEL, RegistryHealth};

use super::answers::word;
use super::question::attachment;
use super::{Installation, Key, Tnr, shown};
use crate::network::Endpoint;

/// How something was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Ok,
    /// Not as it is to be, and may become so by itself or by the user.
    Warning,
    /// Not as it is to be.
    Failed,
    /// It was not looked at.
    Skipped,
}

/// Something that was looked at in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What.
    pub what: &'static str,
    /// How it was.
    pub verdict: Verdict,
    /// In words.
    pub text: String,
}

/// What was found in the end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aftermath {
    /// What the registry says of itself, and after how many milliseconds.
    pub registry: Option<(RegistryHealth, u64)>,
    /// What the node says of itself, and after how many milliseconds.
    pub node: Option<(NodeHealth, u64)>,
    /// Everything that was looked at.
    pub looks: Vec<Look>,
}

/// A line of a summary: what, and its value.
pub type Row = (&'static str, String);

impl Verdict {
    /// As a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// As a sign before a line.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Warning => "!",
            Self::Failed => "✗",
            Self::Skipped => "-",
        }
    }
}

impl Aftermath {
    /// The worst of what was found.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        let mut worst = Verdict::Ok;
        for look in &self.looks {
            match (look.verdict, worst) {
                (Verdict::Failed, _) => worst = Verdict::Failed,
                (Verdict::Warning, Verdict::Ok) => worst = Verdict::Warning,
                _ => {}
            }
        }
        worst
    }
}

/// What is installed, for who is about to say yes.
#[must_use]
pub fn overview(installation: &Installation, tnr: &Tnr) -> Vec<Row> {
    let one = installation;
    let mut rows = vec![
        (Key::Domain.title(), one.domain.clone()),
        (Key::RegistryType.title(), role_words(one.role).to_owned()),
        (
            Key::Deployment.title(),
            deployment_words(one.deployment).to_owned(),
        ),
        (Key::NodeName.title(), one.name.to_string()),
        (Key::Address.title(), one.address.to_string()),
    ];
    if one.answers.registry_port.is_some_and(|port| port != 8000) {
        rows.push(("Registry port", one.registry_port.to_string()));
    }
    if one.role != RegistryType::Root {
        rows.push((Key::RootRegistry.title(), root_words(one, tnr)));
    }
    if one.deployment == Deployment::Vm {
        let attached = shown(&one.answers, Key::Attachment);
        let attached = attached.filter(|text| attachment(text).is_some());
        let own = || format!("segment {} (VMs of this machine only)", one.domain);
        rows.push((Key::Attachment.title(), attached.unwrap_or_else(own)));
    }
    let token = one.answers.join_token_file.clone();
    let token = token.unwrap_or_else(|| "the domain's, kept on this machine".to_owned());
    rows.push((Key::JoinToken.title(), token));
    if one.is_advertised() {
        let record = format!(
            "{REGISTRY_LABEL}.{} AAAA {}",
            one.domain,
            one.address.addr()
        );
        rows.push(("DNS record", record));
        let provider = one.dns().provider.unwrap_or_default();
        rows.push(("DNS provider", provider.word().to_owned()));
    }
    rows
}

/// The registry type in words.
#[must_use]
pub fn role_words(role: RegistryType) -> &'static str {
    match role {
        RegistryType::Root => "root registry",
        RegistryType::Independent => "independent secondary registry",
        RegistryType::Integrated => "node with an integrated registry",
    }
}

fn deployment_words(deployment: Deployment) -> &'static str {
    match deployment {
        Deployment::Vm => "VM",
        Deployment::Kubernetes => "Kubernetes",
    }
}

/// Where the root is, and how that is known.
fn root_words(installation: &Installation, tnr: &Tnr) -> String {
    let name = format!("{REGISTRY_LABEL}.{}", installation.domain);
    match (installation.root, tnr) {
        (Some(root), _) => root.to_string(),
        (None, Tnr::At(all)) => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            format!("{} (from {name})", all.join(", "))
        }
        (None, Tnr::None(_)) => format!("what {name} will say: there is no such record yet"),
        (None, Tnr::Unknown(_) | Tnr::NotAsked) => format!("what {name} says"),
    }
}

/// The end, in the order of the seed: the node, its registry, and what to do next.
#[must_use]
pub fn sections(installation: &Installation, after: &Aftermath) -> Vec<(String, Vec<Row>)> {
    let mut sections = Vec::new();
    if installation.has_node() {
        sections.push(node_section(installation, after));
    }
    sections.push(registry_section(installation, after));
    sections
}

const UNKNOWN: &str = "not known yet";

fn node_section(installation: &Installation, after: &Aftermath) -> (String, Vec<Row>) {
    let node = after.node.as_ref().map(|(node, _)| node);
    let status = node.map(
        |node| match (node.registry.registered, node.registry.queued) {
            (true, _) => "active, registered",
            (false, true) => "active; its registration waits for the root",
            (false, false) => "active; not registered yet, tried again",
        },
    );
    let peers = node.map(|node| match node.peers.known {
        0 => "0 (will increase as more nodes join)".to_owned(),
        known => format!("{known} known, {} alive", node.peers.alive),
    });
    let rows = vec![
        ("Status", status.unwrap_or(UNKNOWN).to_owned()),
        (
            "NodeID",
            node.map_or(UNKNOWN.to_owned(), |node| node.node_id.clone()),
        ),
        (
            "Registry",
            format!("{} (integrated)", installation.registry()),
        ),
        ("Domain", installation.domain.clone()),
        ("IPv6", installation.address.addr().to_string()),
        ("Peers", peers.unwrap_or(UNKNOWN.to_owned())),
    ];
    (format!("Node: {}", installation.name), rows)
}

fn registry_section(installation: &Installation, after: &Aftermath) -> (String, Vec<Row>) {
    let registry = after.registry.as_ref().map(|(registry, _)| registry);
    let root = installation.role == RegistryType::Root;
    let mut rows = vec![
        (
            "Status",
            registry.map_or(UNKNOWN.to_owned(), |one| lower(&one.status)),
        ),
        (
            "Type",
            if root {
                "root (the authority of the network)"
            } else {
                "secondary (syncs from the root)"
            }
            .to_owned(),
        ),
        ("Address", installation.registry().to_string()),
    ];
    if !root {
        let followed = registry.and_then(|one| one.replication.root.clone());
        let named = installation.root.map(|root| root.to_string());
        let followed = followed.or(named);
        rows.push(("Root registry", followed.unwrap_or(UNKNOWN.to_owned())));
    }
    rows.push((
        "Nodes tracked",
        registry.map_or(UNKNOWN.to_owned(), |one| {
            let counts = &one.nodes;
            (counts.active + counts.offline + counts.inactive).to_string()
        }),
    ));
    if !root {
        let sync = registry.map(|one| match one.replication.connected {
            true => "connected to the root",
            false => "the root does not answer; tried again",
        });
        rows.push(("Sync status", sync.unwrap_or(UNKNOWN).to_owned()));
    }
    let title = if installation.has_node() {
        "Registry (integrated)".to_owned()
    } else {
        format!("Registry: {}", installation.name)
    };
    (title, rows)
}

fn lower(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Commands of this program that are useful next, each with what it is for.
#[must_use]
pub fn next_steps(installation: &Installation) -> Vec<(&'static str, String)> {
    let (domain, name) = (&installation.domain, &installation.name);
    let another = match installation.role {
        RegistryType::Root => "node-1".to_owned(),
        RegistryType::Independent => "node-1".to_owned(),
        RegistryType::Integrated => following(name.as_str()),
    };
    let mut steps = vec![(
        "Install another node",
        format!(
            "trustnet-vm install --domain {domain} --registry-type integrated --node-name {another}"
        ),
    )];
    if installation.deployment == Deployment::Kubernetes {
        return steps;
    }
    steps.push(("View its status", format!("trustnet-vm status {name}")));
    steps.push((
        "View the registry",
        format!("trustnet-vm registry status {name}"),
    ));
    if installation.has_node() {
        steps.push(("View the peers", format!("trustnet-vm peers {name}")));
    } else {
        steps.push((
            "View the nodes",
            format!("trustnet-vm registry nodes {name}"),
        ));
    }
    steps
}

/// The name after a name that ends with a number.
fn following(name: &str) -> String {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (head, number) = name.split_at(name.len() - digits);
    match number.parse::<u64>() {
        Ok(number) => format!("{head}{}", number.saturating_add(1)),
        Err(_) => format!("{name}-2"),
    }
}

/// The end as JSON: stable.
#[must_use]
pub fn json(installation: &Installation, after: &Aftermath, result: &str) -> Value {
    let answered = |known: Option<(Value, u64)>| match known {
        Some((health, ms)) => json!({ "health": health, "responseMs": ms }),
        None => Value::Null,
    };
    let registry = after.registry.as_ref();
    let node = after.node.as_ref();
    let registry = registry.map(|(health, ms)| (json!(health), *ms));
    let node = node.map(|(health, ms)| (json!(health), *ms));
    let looks: Vec<Value> = after
        .looks
        .iter()
        .map(|look| json!({ "check": look.what, "status": look.verdict.as_str(), "found": look.text }))
        .collect();
    let steps: Vec<Value> = next_steps(installation)
        .into_iter()
        .map(|(what, command)| json!({ "what": what, "command": command }))
        .collect();
    json!({
        "kind": "InstallResult",
        "name": installation.name.as_str(),
        "result": result,
        "registryType": word(installation.role),
        "domain": installation.domain,
        "address": installation.address.addr(),
        "registryAddress": installation.registry().to_string(),
        "nodeAddress": installation.has_node().then(|| {
            Endpoint::new(installation.address.addr().into(), NODE_PORT).to_string()
        }),
        "registry": answered(registry),
        "node": answered(node),
        "checks": looks,
        "warnings": installation.warnings,
        "nextSteps": steps,
    })
}
