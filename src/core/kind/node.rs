//! A node as a VM.

use trustnet_api::config_value::ConfigValue;
use trustnet_api::network::{NODE_PORT, REGISTRY_PORT};
use trustnet_api::node::{Gossip, Node, NodeRegistry, NodeRegistryType};
use trustnet_api::service_ref::ServiceRef;

use super::expansion::{Expansion, Origin};
use super::fields::{self, AdministratorKey, Sought};
use super::vm::{Defaults, Inside};
use super::{NODE_SERVICE, Siblings};
use crate::problem::Problem;

const DEFAULTS: Defaults = Defaults {
    kind: trustnet_api::NODE,
    vcpus: 4,
    memory: "8Gi",
    boot: "50Gi",
};

/// The VM that a node becomes, with the node as its first service.
#[must_use]
pub fn expand(wire: &Node, siblings: &Siblings) -> Expansion {
    let spec = &wire.spec;
    let mut problems = Vec::new();
    let mut origin = Origin::default();
    let domain = fields::domain(&spec.domain, &mut problems);
    let address = fields::own_address(&spec.address, &mut problems);
    fields::port("spec.port", spec.port, &mut problems);
    let (token, secret) = fields::join_token(
        spec.join_token_from.as_ref(),
        &domain,
        siblings,
        &mut problems,
    );
    let of_token = format!("spec.services[0].secrets.{token}");
    origin.note(format!("{of_token}.valueFrom"), "spec.joinTokenFrom");
    origin.note(of_token, "spec.joinTokenFrom");
    let mut service = ServiceRef {
        name: NODE_SERVICE.to_owned(),
        secrets: [(token, secret)].into(),
        ..ServiceRef::default()
    };
    let at = address.addr().to_string();
    let port = spec.port.unwrap_or(NODE_PORT);
    for (key, value) in [
        ("domain", ConfigValue::Text(domain.clone())),
        ("address", ConfigValue::Text(at)),
        ("port", ConfigValue::Integer(i64::from(port))),
    ] {
        origin.note(
            format!("spec.services[0].config.{key}"),
            format!("spec.{key}"),
        );
        service.config.insert(key.to_owned(), value);
    }
    let name = wire.metadata.name.to_ascii_lowercase();
    let looks = Looks {
        by: &name,
        domain: &domain,
        port,
        siblings,
    };
    looks.for_registry(
        spec.registry.as_ref(),
        &mut service,
        &mut origin,
        &mut problems,
    );
    if let Some(gossip) = &spec.gossip {
        tell_gossip(gossip, &mut service, &mut origin, &mut problems);
    }
    DEFAULTS.around(Inside {
        metadata: &wire.metadata,
        fields: spec.vm.as_ref(),
        address,
        domain: &domain,
        depends_on: &spec.depends_on,
        service,
        origin,
        problems,
    })
}

/// A node that looks for a registry.
struct Looks<'a> {
    by: &'a str,
    domain: &'a str,
    port: u16,
    siblings: &'a Siblings,
}

impl Looks<'_> {
    fn for_registry(
        &self,
        registry: Option<&NodeRegistry>,
        service: &mut ServiceRef,
        origin: &mut Origin,
        problems: &mut Vec<Problem>,
    ) {
        let kind = registry.map_or(NodeRegistryType::Integrated, |registry| registry.kind);
        let integrated = kind == NodeRegistryType::Integrated;
        if let Some(registry) = registry {
            misplaced(registry, problems);
            fields::port("spec.registry.port", registry.port, problems);
        }
        let own = registry
            .and_then(|registry| registry.port)
            .unwrap_or(REGISTRY_PORT);
        if integrated && own == self.port {
            let message = format!("port {own} is the node's own");
            problems.push(Problem::error("spec.registry.port", message).hint("choose another"));
        }
        let mut tell = |key: &str, from: &str, value: ConfigValue| {
            origin.note(format!("spec.services[0].config.{key}"), from);
            service.config.insert(key.to_owned(), value);
        };
        let word = if integrated { "integrated" } else { "external" };
        tell(
            "registry",
            "spec.registry.type",
            ConfigValue::Text(word.to_owned()),
        );
        if integrated {
            let own = ConfigValue::Integer(i64::from(own));
            tell("registryPort", "spec.registry.port", own);
        }
        if integrated {
            let key = AdministratorKey {
                path: "spec.registry.administratorKey",
                written: registry.and_then(|registry| registry.administrator_key.as_deref()),
                domain: self.domain,
            };
            key.tell(service, self.siblings, origin, problems);
        }
        let (path, written) = match registry {
            _ if integrated => (
                "spec.registry.rootRegistry",
                registry.and_then(|registry| registry.root_registry.as_deref()),
            ),
            _ => (
                "spec.registry.address",
                registry.and_then(|registry| registry.address.as_deref()),
            ),
        };
        let sought = Sought {
            path,
            written,
            domain: self.domain,
            by: self.by,
            root: integrated,
        };
        let found = sought.find(self.siblings, problems);
        found.tell(service, "root", path, origin);
    }
}

/// What is said of a registry of the other type.
fn misplaced(registry: &NodeRegistry, problems: &mut Vec<Problem>) {
    let mut refuse = |key: &str, hint: &str| {
        let message = match registry.kind {
            NodeRegistryType::Integrated => "an integrated registry has no `address` of its own",
            NodeRegistryType::External => "this belongs to an integrated registry",
        };
        problems.push(Problem::error(format!("spec.registry.{key}"), message).hint(hint));
    };
    match registry.kind {
        NodeRegistryType::Integrated if registry.address.is_some() => {
            refuse("address", "name the root that it follows in `rootRegistry`");
        }
        NodeRegistryType::External => {
            if registry.root_registry.is_some() {
                refuse("rootRegistry", "name the registry in `address`");
            }
            if registry.port.is_some() {
                refuse("port", "write the port into `address`");
            }
            if registry.administrator_key.is_some() {
                refuse("administratorKey", "write it of the registry itself");
            }
        }
        NodeRegistryType::Integrated => {}
    }
}

fn tell_gossip(
    gossip: &Gossip,
    service: &mut ServiceRef,
    origin: &mut Origin,
    problems: &mut Vec<Problem>,
) {
    let number = |number: Option<u32>| number.map(|number| ConfigValue::Integer(number.into()));
    for (key, field, value) in [
        (
            "gossip",
            "enabled",
            gossip.enabled.map(ConfigValue::Boolean),
        ),
        (
            "gossipPeers",
            "peersPerBatch",
            number(gossip.peers_per_batch),
        ),
        ("gossipInterval", "interval", number(gossip.interval)),
    ] {
        let Some(value) = value else { continue };
        let path = format!("spec.gossip.{field}");
        if value == ConfigValue::Integer(0) {
            problems.push(Problem::error(&path, format!("`{field}` is at least 1")));
        }
        origin.note(format!("spec.services[0].config.{key}"), path);
        service.config.insert(key.to_owned(), value);
    }
}
