//! The registry in a node's own process.

use trustnet_api::network::RegistryRole;
use trustnet_core::network::{
    Limits, Liveness, NodeRegistry, NodeSettings, RegistrySettings, ReplicationSettings,
};
use trustnet_registry::clock::Clock;
use trustnet_registry::service::{RegistryService, ServiceError, within_files};

/// So many writes are kept for a root that is away.
const MAX_QUEUED_WRITES: usize = 1000;

/// Starts it, if the node has one.
pub(crate) async fn start(
    settings: &NodeSettings,
    clock: &Clock,
) -> Result<Option<RegistryService>, ServiceError> {
    let Some(registry) = of(settings) else {
        return Ok(None);
    };
    let registry = RegistrySettings {
        limits: within_files(registry.limits, servers(settings)),
        ..registry
    };
    RegistryService::start(&registry, clock.clone())
        .await
        .map(Some)
}

/// How many servers run in the node's process, and share its files: its own, and its registry's.
pub(crate) fn servers(node: &NodeSettings) -> u64 {
    match node.registry {
        NodeRegistry::Integrated { .. } => 2,
        NodeRegistry::External { .. } => 1,
    }
}

/// A secondary that follows the root of the node's domain.
fn of(node: &NodeSettings) -> Option<RegistrySettings> {
    let NodeRegistry::Integrated {
        port,
        database,
        root,
        administrator,
    } = &node.registry
    else {
        return None;
    };
    Some(RegistrySettings {
        role: RegistryRole::Secondary,
        address: node.address,
        port: *port,
        domain: node.domain.clone(),
        root: root.clone(),
        join_token_file: node.join_token_file.clone(),
        administrator: *administrator,
        tls: node.tls.clone(),
        ca: node.ca.clone(),
        database: database.clone(),
        replication: ReplicationSettings {
            refresh: 60_000,
            timeout: 10_000,
            max_queued_writes: MAX_QUEUED_WRITES,
            backoff_initial: 1000,
            backoff_max: 60_000,
            backoff_multiplier: 2.0,
        },
        liveness: Liveness::default(),
        snapshots: None,
        limits: Limits::default(),
        log_level: node.log_level,
        log_format: node.log_format,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use trustnet_api::network::{NodeConfig, RegistryRole};
    use trustnet_core::load::configuration;
    use trustnet_core::network::signature::SigningKey;
    use trustnet_core::network::{NodeSettings, RootPlace};

    use super::of;

    fn settings(registry: &str) -> NodeSettings {
        let text = format!(
            "node: {{name: a, domain: example.net, ipv6_address: '::1', tls: {{certificate: /c.pem, key: /k.pem}}}}\nregistry: {registry}\n"
        );
        let schema = trustnet_api::schema::configuration::<NodeConfig>();
        let config: NodeConfig =
            configuration(text.as_bytes(), &schema, |_| Vec::new()).expect("it is read");
        NodeSettings::resolve(&config).expect("it means something")
    }

    #[test]
    fn an_integrated_registry_is_a_secondary_with_what_its_node_has() {
        let key = SigningKey::from_seed([200; 32]).public();
        let node = settings(&format!(
            "{{type: integrated, address: '[::1]:8100', ca: /ca.pem, join_token_file: /token, database: /d/replica.db, administrator_key: '{key}', root_registry: {{address: '[2001:db8::1]:8000'}}}}"
        ));
        let registry = of(&node).expect("it has one");
        assert_eq!(registry.role, RegistryRole::Secondary);
        assert_eq!(registry.address, node.address);
        assert_eq!(registry.port, 8100);
        assert_eq!(registry.domain, "example.net");
        let root = RootPlace {
            address: Some("[2001:db8::1]:8000".parse().expect("an endpoint")),
            domain: Some("example.net".to_owned()),
        };
        assert_eq!(registry.root, root);
        assert_eq!(registry.join_token_file, Some(PathBuf::from("/token")));
        assert_eq!(registry.administrator, Some(key));
        assert!(node.tls.is_some());
        assert_eq!(registry.tls, node.tls);
        assert_eq!(registry.ca, Some(PathBuf::from("/ca.pem")));
        assert_eq!(registry.database, PathBuf::from("/d/replica.db"));
        assert_eq!(registry.replication.max_queued_writes, 1000);
    }

    #[test]
    fn a_node_whose_registry_is_elsewhere_has_none_of_its_own() {
        let node = settings("{type: external, ca: /ca.pem}");
        assert_eq!(of(&node), None);
    }
}
