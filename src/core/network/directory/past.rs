//! What a directory remembers of nodes that left, and of what the administrator decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Directory;
use crate::network::{Node, NodeId, Now, Signed};

/// That a node left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// When, in seconds since 1970.
    pub at: u64,
    /// What it had signed last.
    pub signed: Signed,
}

/// A node that left, for as long as what it signed could come again, and as it could be somebody's peer.
#[derive(Debug, Clone)]
pub(super) struct Departed {
    pub(super) left: Left,
    /// What it was; nothing, if the log did not go back to that when the registry started.
    pub(super) node: Option<Arc<Node>>,
}

impl Departed {
    pub(super) fn new(node: &Arc<Node>, now: &Now) -> Self {
        Self {
            left: Left {
                at: now.seconds(),
                signed: node.signed.clone(),
            },
            node: Some(Arc::clone(node)),
        }
    }
}

impl Directory {
    /// Puts back which nodes had left, after [`Self::remember`].
    pub fn remember_departed(&mut self, departed: impl IntoIterator<Item = (NodeId, Left)>) {
        // The last one of a node counts.
        let entries = self.log.iter().map(|entry| (entry.node.id, &entry.node));
        let known: BTreeMap<NodeId, &Arc<Node>> = entries.collect();
        let departed = departed.into_iter().map(|(id, left)| {
            let node = known.get(&id).copied().cloned();
            (id, Departed { left, node })
        });
        self.departed = departed.collect();
    }

    /// Puts back what the administrator had signed last of a node.
    pub fn remember_administered(&mut self, id: NodeId, signed: Signed) {
        self.administered.insert(id, signed);
    }

    /// Puts back since when this is a root's directory, in seconds since 1970: what was signed of its nodes before is not
    /// known.
    pub fn remember_root_since(&mut self, at: u64) {
        self.root_since = at;
    }

    /// Forgets the nodes that left, and what the administrator had signed, before a moment, in seconds since 1970: no
    /// write that old is taken.
    pub fn forget_signed(&mut self, before: u64) {
        let lately = |left: &Left| left.at.max(left.signed.at) >= before;
        self.departed.retain(|_, departed| lately(&departed.left));
        self.administered.retain(|_, signed| signed.at >= before);
    }

    /// The nodes that left.
    pub fn departed(&self) -> impl Iterator<Item = (NodeId, &Left)> {
        let departed = self.departed.iter();
        departed.map(|(id, departed)| (*id, &departed.left))
    }

    /// Since when this is a root's directory that was another registry's before, in seconds since 1970; 0, if it was not.
    #[must_use]
    pub fn root_since(&self) -> u64 {
        self.root_since
    }

    /// What the administrator had signed last of nodes.
    pub fn administered(&self) -> impl Iterator<Item = (NodeId, &Signed)> {
        self.administered.iter().map(|(id, signed)| (*id, signed))
    }
}
