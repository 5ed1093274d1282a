//! The registry in a node's own process.

use trustnet_api::network::RegistryRole;
use trustnet_core::network::{
    Limits, Liveness, NodeRegistry, NodeSettings, RegistrySettings, ReplicationSettings,
};
use trustnet_registry::clock::Clock;
use trustnet_registry::service::{RegistryService, ServiceError};

/// So many writes are kept for a root that is away.
const MAX_QUEUED_WRITES: usize = 1000;

/// Starts it, if the node has one.
pub(crate) async fn start(
    settings: &NodeSettings,
    clock: &Clock,
) -> Result<Option<RegistryService>, ServiceError> {
    let Some(settings) = of(settings) else {
        return Ok(None);
    };
    RegistryService::start(&settings, clock.clone())
        .await
        .map(Some)
}

/// A secondary that follows the root of the node's domain.
fn of(node: &NodeSettings) -> Option<RegistrySettings> {
    let NodeRegistry::Integrated {
        port,
        database,
        root,
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
        administrator: None,
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
