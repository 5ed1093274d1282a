//! What registries tell one another: the directory at a version, and what changed since.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NodeRecord;

/// The whole directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The version of the directory that this is.
    pub version: u64,
    /// The records, in the order of `node_id`.
    pub nodes: Vec<NodeRecord>,
}

/// One change of the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The directory's version with this change in it.
    pub version: u64,
    /// What happened.
    #[serde(rename = "type")]
    pub change: ChangeType,
    /// The node after the change; before it, if it was removed.
    pub node: NodeRecord,
}

/// What happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeType {
    /// It is new.
    NodeRegistered,
    /// It registered again, with something changed.
    NodeUpdated,
    /// Its state changed.
    NodeState,
    /// It is gone.
    NodeRemoved,
}

/// What changed between two versions, in order and without a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// The version that was asked from.
    pub from_version: u64,
    /// The version that these changes lead to.
    pub to_version: u64,
    /// The changes.
    pub changes: Vec<Change>,
}
