//! Registration, and peers.

use std::net::Ipv6Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ENDPOINT, NODE_ID, whole};

/// A domain. Its whole length is bounded apart.
const DOMAIN: &str = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$";
/// IPv6 addresses at which no node answers: multicast, and the unspecified one.
const NOWHERE: &str = r"^([fF]{2}[0-9a-fA-F]{2}:|[0:.]*$)";

/// A node makes itself known. Signed by the key it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// The node's name: lower-case letters, digits, `-` and `_`, at most 63.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$"))]
    pub node_name: String,
    /// Where the node answers: neither the unspecified nor a multicast address.
    #[schemars(with = "Ipv6Addr", extend("not" = json!({ "pattern": NOWHERE })))]
    pub ipv6_address: String,
    /// The port that the node answers at.
    #[serde(deserialize_with = "whole::number")]
    #[schemars(range(min = 1, max = u16::MAX))]
    pub port: u16,
    /// The network's domain: labels of letters, digits and `-`, with dots between.
    #[schemars(length(min = 1, max = 253), regex(pattern = DOMAIN))]
    pub domain: String,
    /// The registry nearest to the node: `[address]:port` with an IPv6 address, `address:port` with an IPv4 one.
    #[schemars(regex(pattern = ENDPOINT), extend("format" = "endpoint"))]
    pub registry_address: String,
    /// The node's Ed25519 key, 32 bytes in Base64 (RFC 4648, section 4).
    #[schemars(regex(pattern = r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"))]
    pub public_key: String,
}

/// The node is in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegisterAnswer {
    /// `success`.
    pub status: RegisterStatus,
    /// The node's id, made from its key.
    #[schemars(regex(pattern = NODE_ID))]
    pub node_id: String,
    /// Some active peers.
    pub peers: Vec<Peer>,
    /// How often a heartbeat is awaited, in seconds.
    pub heartbeat_interval: u64,
}

/// The word of a [`RegisterAnswer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegisterStatus {
    /// It is done, and durable.
    Success,
}

/// A node, as another one needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// The node's id.
    #[schemars(regex(pattern = NODE_ID))]
    pub node_id: String,
    /// The node's name.
    pub node_name: String,
    /// Where the node answers.
    pub ipv6_address: Ipv6Addr,
    /// The port that the node answers at.
    pub port: u16,
    /// The registry nearest to the node, as `[address]:port`.
    pub registry_address: String,
}

/// Nodes that another one may talk to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Peers {
    /// The nodes.
    pub peers: Vec<Peer>,
}
