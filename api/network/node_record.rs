//! A node, as registries tell of it.

use std::net::Ipv6Addr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NODE_ID;

/// What a registry knows of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeRecord {
    /// `0x` and the first 16 hex digits of SHA-256 over the public key.
    #[schemars(regex(pattern = NODE_ID))]
    pub node_id: String,
    /// The node's name, one of a kind in the directory.
    pub node_name: String,
    /// Whether the node is heard of.
    pub state: NodeState,
    /// Where the node answers.
    pub ipv6_address: Ipv6Addr,
    /// The port that the node answers at.
    pub port: u16,
    /// The network's domain.
    pub domain: String,
    /// The registry nearest to the node, as `[address]:port`.
    pub registry_address: String,
    /// The node's Ed25519 key, 32 bytes in Base64.
    pub public_key: String,
    /// 0 to 100; a new node has 50.
    #[schemars(range(max = 100))]
    pub reputation: u8,
    /// How much of the time since `first_seen` the node was active, in percent.
    #[schemars(range(min = 0, max = 100))]
    pub uptime_pct: f64,
    /// When the node registered first.
    pub first_seen: Timestamp,
    /// When the node was last heard of.
    pub last_heartbeat: Timestamp,
    /// Where the node learns of its peers.
    pub peer_information_source: PeerInformationSource,
}

/// Whether a node is heard of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Its heartbeats come.
    Active,
    /// It has missed some.
    Offline,
    /// It has not been heard of for an hour.
    Inactive,
    /// The administrator keeps it out.
    Banned,
}

/// Where a node learns of its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerInformationSource {
    /// From its registry.
    Registry,
}

/// A page of the directory, in the order of `node_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeList {
    /// The records.
    pub nodes: Vec<NodeRecord>,
    /// What `after` is for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NODE_ID))]
    pub next: Option<String>,
    /// The directory's version.
    pub version: u64,
}
