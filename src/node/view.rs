//! What a node tells of itself.

use std::sync::Arc;

use jiff::Timestamp;
use trustnet_api::network::{
    HealthStatus, NodeHealth, NodeRegistryHealth, NotIncluded, Peer, PeerCounts,
};
use trustnet_core::network::{NodeId, Standing};

use crate::gossip::Counts;

/// Who a node is; that stays as it is while it runs.
#[derive(Debug, Clone)]
pub struct Who {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// The network's domain.
    pub domain: String,
    /// Whether its registry is in its own process.
    pub integrated: Option<trustnet_core::network::Endpoint>,
}

/// How a node is at a moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// That of the book of peers.
    pub edition: u64,
    /// How it stands with its registry.
    pub standing: Standing,
    /// How many peers it knows.
    pub counts: PeerCounts,
    /// The peers that live or may live.
    pub peers: Arc<Vec<Peer>>,
    /// The datagrams of its gossip; none, if it does not gossip.
    pub gossip: Option<Counts>,
}

impl View {
    /// The answer to who asks how the node is.
    #[must_use]
    pub fn health(&self, who: &Who) -> NodeHealth {
        let standing = &self.standing;
        let status = match (standing.well, &standing.trouble) {
            (true, _) => HealthStatus::Ok,
            (false, None) if !standing.registered => HealthStatus::Starting,
            (false, _) => HealthStatus::Degraded,
        };
        let heard_at = standing.heard_at.map(Timestamp::from_millisecond);
        NodeHealth {
            status,
            service: "trustnet-node".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node_id: who.id.to_string(),
            node_name: who.name.clone(),
            domain: who.domain.clone(),
            registry: NodeRegistryHealth {
                address: standing.registry.map(|at| at.to_string()),
                integrated: who.integrated.is_some() && standing.registry == who.integrated,
                registered: standing.registered,
                queued: standing.queued,
                last_heartbeat: heard_at.and_then(Result::ok),
            },
            peers: self.counts,
            consensus: NotIncluded::NotIncluded,
            transaction_pool: NotIncluded::NotIncluded,
            problems: self.problems(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let standing = &self.standing;
        let unregistered = !standing.registered && !standing.queued && standing.trouble.is_some();
        let first = unregistered.then(|| "the node is not registered".to_owned());
        first.into_iter().chain(standing.trouble.clone()).collect()
    }
}
