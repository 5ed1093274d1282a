//! What changed in a directory.

use std::sync::Arc;

use trustnet_api::network::{Change, ChangeType};

use super::{Node, Now, Signed};

/// A change of the directory.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// The directory's version with this change in it.
    pub version: u64,
    /// What happened.
    pub change: ChangeType,
    /// The node after the change; before it, if it was removed.
    pub node: Arc<Node>,
    /// What the administrator signed last of the node, with this change; nothing, if the change is not the administrator's,
    /// or was told by another registry.
    pub administered: Option<Signed>,
}

impl LogEntry {
    /// The change as registries tell of it.
    #[must_use]
    pub fn wire(&self, now: &Now) -> Change {
        Change {
            version: self.version,
            change: self.change,
            node: self.node.record(now),
        }
    }
}

/// Changes that do not begin where the directory ends, or leave a version out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the changes begin at version {from}, the directory is at {version}")]
pub struct Gap {
    /// The version that they begin at.
    pub from: u64,
    /// The directory's version.
    pub version: u64,
}
