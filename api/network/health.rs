//! How a registry and a node are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NODE_ID;

/// Whether a service does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It does.
    Ok,
    /// Not yet.
    Starting,
    /// In part; the other fields tell.
    Degraded,
}

/// What a registry is in its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegistryRole {
    /// The only one that writes.
    Root,
    /// It follows the root.
    Secondary,
}

/// How a registry is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegistryHealth {
    /// Whether it does its work.
    pub status: HealthStatus,
    /// `trustnet-registry`.
    pub service: String,
    /// The program's version.
    pub version: String,
    /// The registry's own id, made from its key.
    #[schemars(regex(pattern = NODE_ID))]
    pub node_id: String,
    /// What it is in its network.
    pub role: RegistryRole,
    /// The network's domain; empty, if none is configured.
    pub domain: String,
    /// Whether a new key needs the network's join token.
    pub join_token: bool,
    /// How many nodes there are.
    pub nodes: NodeCounts,
    /// How it stands with the root.
    pub replication: ReplicationHealth,
    /// What is wrong, in words; empty, if nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// How many nodes are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeCounts {
    /// Heard of.
    pub active: u64,
    /// Not heard of.
    pub offline: u64,
    /// Not heard of for long.
    pub inactive: u64,
    /// Kept out.
    pub banned: u64,
}

/// How a registry stands with the root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicationHealth {
    /// The directory's version.
    pub version: u64,
    /// Where the root is, as `[address]:port`; absent on the root, and where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// How long ago the directory was known to be the root's, in seconds; 0 on the root.
    pub lag_seconds: f64,
    /// How many writes wait for the root.
    pub queued_writes: u64,
    /// Whether the root answers; true on the root.
    pub connected: bool,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeHealth {
    /// Whether it does its work: registered, and heard.
    pub status: HealthStatus,
    /// `trustnet-node`.
    pub service: String,
    /// The program's version.
    pub version: String,
    /// The node's id.
    #[schemars(regex(pattern = NODE_ID))]
    pub node_id: String,
    /// The node's name.
    pub node_name: String,
    /// The network's domain.
    pub domain: String,
    /// How it stands with its registry.
    pub registry: NodeRegistryHealth,
    /// How many peers it knows.
    pub peers: PeerCounts,
    /// `not included`: there is no consensus engine.
    pub consensus: NotIncluded,
    /// `not included`: there is no transaction pool.
    pub transaction_pool: NotIncluded,
    /// What is wrong, in words; empty, if nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// How a node stands with its registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeRegistryHealth {
    /// Where it is, as `[address]:port`; absent, if none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether it is in the node's own process.
    pub integrated: bool,
    /// Whether the node is in the directory, as far as it was told.
    pub registered: bool,
    /// Whether a registration waits for the root.
    pub queued: bool,
    /// When the registry last answered a heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heartbeat: Option<jiff::Timestamp>,
}

/// How many peers a node knows, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerCounts {
    /// All that it knows.
    pub known: u64,
    /// Those of which gossip says that they live.
    pub alive: u64,
}

/// A part of TrustNet's architecture that these services do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NotIncluded {
    /// There is no such part.
    #[serde(rename = "not included")]
    NotIncluded,
}
