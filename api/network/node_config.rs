//! The configuration file of a node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LoggingSection, LookupMethod, RootRegistrySection, TlsSection};

/// The configuration file of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Who the node is, and where it answers.
    pub node: NodeSection,
    /// Where it finds its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<NodeRegistrySection>,
    /// Carried: there is no consensus engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consensus: Option<ConsensusSection>,
    /// Carried: there is no transaction pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_pool: Option<TransactionPoolSection>,
    /// How it hears of its peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gossip: Option<GossipSection>,
    /// How it is heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<NodeHeartbeatSection>,
    /// What is logged, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<LoggingSection>,
}

/// Who a node is, and where it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeSection {
    /// Its name, one of a kind in the network: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The network's domain.
    pub domain: String,
    /// The address that it answers at, and that others are told; `::` for one that the machine has.
    pub ipv6_address: String,
    /// The port; 9000, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The folder of its key and of what it remembers; `/var/lib/trustnet-node`, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// TLS of the node's port, and of its integrated registry; without it they speak plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSection>,
}

/// Where a node finds its registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRegistrySection {
    /// Whether the registry is in the node's own process; `external`, if nothing is said.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<NodeRegistryType>,
    /// Where an external registry answers, as `[address]:port`; of an integrated one the port counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The domain whose name `tnr.<domain>` has registries' addresses; the node's own, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_domain: Option<String>,
    /// How that is looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_lookup: Option<LookupMethod>,
    /// Where an integrated registry finds its root; by the domain, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_registry: Option<RootRegistrySection>,
    /// A file with the network's join token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_token_file: Option<String>,
    /// The database of an integrated registry; `registry-replica.db` in the node's folder, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The administrator's Ed25519 key, 32 bytes in Base64, whose writes an integrated registry hands on to the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator_key: Option<String>,
    /// A file with the certificates, PEM, of the authorities that vouch for the network's registries: these speak TLS
    /// then. Without it registries are called by plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// Whose process a node's registry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeRegistryType {
    /// The node's own. It is a secondary, and follows the root of the domain.
    Integrated,
    /// Another one.
    External,
}

/// Carried: there is no consensus engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsensusSection {
    /// The engine's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_time: Option<u32>,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators: Option<u32>,
}

/// Carried: there is no transaction pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionPoolSection {
    /// How many transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u32>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

/// How a node hears of its peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GossipSection {
    /// Whether nodes tell one another of their peers; true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How many peers are asked at a time, at most 64 of them, and how many a registry is asked for, at most 100; 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers_per_batch: Option<u32>,
    /// How often, in seconds; 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
    /// The UDP port; that of the node, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// How a node is heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeHeartbeatSection {
    /// How often it sends a heartbeat to its registry, in seconds; 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_interval: Option<u32>,
    /// How long it waits for an answer, in seconds; 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}
