//! Many writes, one commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use trustnet_api::network::ChangeType;

use super::{Directory, LogEntry, Node, NodeId, Now, Refusal, Signed, Write};

/// Writes that are made durable together and then taken into the directory together. Every write is decided on
/// the directory as it stands, so a batch holds one write of a node, and one of a name, at most.
#[derive(Debug)]
pub struct Batch {
    from: u64,
    ids: BTreeSet<NodeId>,
    names: BTreeSet<Box<str>>,
    entries: Vec<LogEntry>,
    noted: Vec<(NodeId, Signed)>,
}

/// What becomes of a write that is offered to a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    /// It is in the batch, as this change: it is done when the batch is durable.
    Taken(LogEntry),
    /// Nothing changes but what the administrator signed last of the node, which is in the batch: it is done when the batch
    /// is durable.
    Noted,
    /// Nothing changes.
    Unchanged,
    /// It touches what is in the batch already: commit, and offer it again.
    Later,
    /// It is refused.
    Refused(Refusal),
}

impl Batch {
    /// An empty batch on top of a directory.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self {
            from: directory.version(),
            ids: BTreeSet::new(),
            names: BTreeSet::new(),
            entries: Vec::new(),
            noted: Vec::new(),
        }
    }

    /// Offers a write. `directory` is the one that the batch was made on, with nothing but heartbeats taken in since.
    pub fn offer(&mut self, directory: &Directory, write: &Write, now: &Now) -> Offer {
        if self.touches(write) {
            return Offer::Later;
        }
        let (change, node) = match directory.decide(write, now) {
            Ok(Some(decided)) => decided,
            Ok(None) => return self.note(directory, write, now),
            Err(refusal) => return Offer::Refused(refusal),
        };
        // A node that left is called by a name that was free before the batch.
        if self.names.contains(&node.name) {
            return Offer::Later;
        }
        let entry = self.enter(change, node, directory.administered_with(write));
        Offer::Taken(entry)
    }

    fn note(&mut self, directory: &Directory, write: &Write, now: &Now) -> Offer {
        match directory.noted(write, now) {
            Some(signed) => {
                self.ids.insert(write.id());
                self.noted.push((write.id(), signed));
                Offer::Noted
            }
            None => Offer::Unchanged,
        }
    }

    fn touches(&self, write: &Write) -> bool {
        let name = match write {
            Write::Register { registration, .. } => Some(registration.name()),
            _ => None,
        };
        self.ids.contains(&write.id()) || name.is_some_and(|name| self.names.contains(name))
    }

    fn enter(&mut self, change: ChangeType, node: Node, administered: Option<Signed>) -> LogEntry {
        self.ids.insert(node.id);
        self.names.insert(node.name.clone());
        let last = self.entries.last().map_or(self.from, |entry| entry.version);
        let entry = LogEntry {
            version: last + 1,
            change,
            node: Arc::new(node),
            administered,
        };
        self.entries.push(entry.clone());
        entry
    }

    /// The version that the batch begins at.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The changes, in order.
    #[must_use]
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// What the administrator signed last of nodes that it changed nothing of, for [`Directory::remember_administered`] once it
    /// is durable.
    #[must_use]
    pub fn noted(&self) -> &[(NodeId, Signed)] {
        &self.noted
    }

    /// The changes, for [`Directory::apply`] once they are durable.
    #[must_use]
    pub fn into_entries(self) -> Vec<LogEntry> {
        self.entries
    }
}
