//! Heartbeats.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NODE_ID, NodeState, whole};

/// A node says that it lives. Signed by the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The node's id.
    #[schemars(regex(pattern = NODE_ID))]
    pub node_id: String,
    /// Above that of the last heartbeat; at least 1 after a registration.
    #[serde(deserialize_with = "whole::number")]
    #[schemars(range(max = u64::MAX))]
    pub sequence: u64,
    /// How many peers the node knows.
    #[serde(deserialize_with = "whole::number")]
    #[schemars(range(max = u32::MAX))]
    pub peers_known: u32,
    /// How long the node has been up, in seconds.
    #[serde(deserialize_with = "whole::number")]
    #[schemars(range(max = u64::MAX))]
    pub uptime_seconds: u64,
}

/// The heartbeat was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatAnswer {
    /// `ack`.
    pub status: HeartbeatStatus,
    /// The node's state now.
    pub node_state: NodeState,
    /// When the next one is awaited.
    pub next_heartbeat_expected: Timestamp,
}

/// The word of a [`HeartbeatAnswer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeartbeatStatus {
    /// It was taken.
    Ack,
}
