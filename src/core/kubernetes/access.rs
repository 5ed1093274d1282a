//! Who may talk to whom, and how many may be away at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trustnet_api::network::{NODE_PORT, REGISTRY_PORT};

use super::{Options, Part, Role, names};

/// Where names are looked up.
const DNS_PORT: u16 = 53;

/// The ports at which workloads answer, as far as they are known.
pub(super) struct Ports {
    registries: BTreeSet<u16>,
    nodes: BTreeSet<u16>,
}

impl Ports {
    /// Those of these, the usual ones, and that of the root where an address says it.
    pub fn of(parts: &[Part<'_>]) -> Self {
        let mut ports = Self {
            registries: [REGISTRY_PORT].into(),
            nodes: [NODE_PORT].into(),
        };
        for part in parts {
            match part.role {
                Role::Registry => ports.registries.insert(part.port),
                Role::Node => ports.nodes.insert(part.port),
            };
            ports.registries.extend(part.root_port);
        }
        ports
    }
}

/// What may come to a workload, and where it may go: names, registries, and a node's peers.
pub(super) fn network_policy(part: &Part<'_>, ports: &Ports, options: &Options) -> Value {
    let port = |protocol: &str, port: u16| json!({ "protocol": protocol, "port": port });
    let mut ingress = vec![port("TCP", part.container_port)];
    let registries: Vec<Value> = ports
        .registries
        .iter()
        .map(|one| port("TCP", *one))
        .collect();
    let mut egress = vec![
        json!({ "ports": [port("UDP", DNS_PORT), port("TCP", DNS_PORT)] }),
        json!({ "ports": registries }),
    ];
    if part.role == Role::Node {
        ingress.push(port("UDP", part.container_port));
        let both = |one: &u16| [port("TCP", *one), port("UDP", *one)];
        let peers: Vec<Value> = ports.nodes.iter().flat_map(both).collect();
        egress.push(json!({ "ports": peers }));
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": part.name,
            "namespace": options.namespace,
            "labels": names::labels(part),
        },
        "spec": {
            "podSelector": {
                "matchLabels": names::selector(part.role, &part.domain, Some(&part.name)),
            },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "ports": ingress }],
            "egress": egress,
        },
    })
}

/// One registry and one node of a network may be moved at a time. A budget for each workload by itself, which has one pod,
/// would either say nothing or hold up every drain.
pub(super) fn disruption_budgets(parts: &[Part<'_>], options: &Options) -> Vec<Value> {
    let roles: BTreeSet<(Role, &str)> = parts
        .iter()
        .map(|part| (part.role, &*part.domain))
        .collect();
    let budget = |(role, domain): (Role, &str)| {
        let mut labels = names::common(domain);
        labels.insert(
            "app.kubernetes.io/component".into(),
            role.component().into(),
        );
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {
                "name": names::bounded(role.service(), domain),
                "namespace": options.namespace,
                "labels": labels,
            },
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": { "matchLabels": names::selector(role, domain, None) },
            },
        })
    };
    roles.into_iter().map(budget).collect()
}
