//! The directory: the nodes, and what changed.

mod decide;
mod past;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use trustnet_api::network::{ChangeType, NodeCounts, NodeState};

use super::{Gap, Liveness, LogEntry, Node, NodeId, Now, Proof, Refusal, Signed, Write};

use past::Departed;
pub use past::Left;

/// A heartbeat that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beaten {
    /// Whether the node was not active: [`Write::Revive`] is due before it is told so.
    pub revive: bool,
}

/// The nodes of a network, and the last changes.
#[derive(Debug, Clone)]
pub struct Directory {
    nodes: BTreeMap<NodeId, Arc<Node>>,
    names: BTreeMap<Box<str>, NodeId>,
    /// Those whom the administrator keeps out: every node asks for them again and again.
    banned: BTreeSet<NodeId>,
    domains: BTreeMap<Arc<str>, ()>,
    departed: BTreeMap<NodeId, Departed>,
    /// What the administrator signed last of a node, in the directory or not: apart from what the node signs, so that
    /// neither makes the other's writes old.
    administered: BTreeMap<NodeId, Signed>,
    /// Since when this is a root's directory that was another registry's before, in seconds since 1970; 0, if it was not.
    root_since: u64,
    counts: NodeCounts,
    version: u64,
    /// The version before the first change of the log.
    log_from: u64,
    log: VecDeque<LogEntry>,
    log_capacity: usize,
}

impl Directory {
    /// An empty directory that remembers so many changes.
    #[must_use]
    pub fn new(log_capacity: usize) -> Self {
        Self {
            nodes: BTreeMap::new(),
            names: BTreeMap::new(),
            banned: BTreeSet::new(),
            domains: BTreeMap::new(),
            departed: BTreeMap::new(),
            administered: BTreeMap::new(),
            root_since: 0,
            counts: NodeCounts::default(),
            version: 0,
            log_from: 0,
            log: VecDeque::new(),
            log_capacity,
        }
    }

    /// Puts other nodes in place of all: what was stored, or a snapshot of the root. No change is known after that,
    /// so followers of this directory take a snapshot too.
    pub fn replace(&mut self, version: u64, nodes: impl IntoIterator<Item = Node>) {
        *self = Self {
            version,
            log_from: version,
            ..Self::new(self.log_capacity)
        };
        for node in nodes {
            self.put(Arc::new(node));
        }
    }

    /// Puts changes back that were stored, after [`Self::replace`]: those that lead from a version to that of the
    /// directory.
    pub fn remember(&mut self, from: u64, log: impl IntoIterator<Item = LogEntry>) {
        self.log_from = from;
        self.log.extend(log);
        self.forget();
    }

    /// The domain as the directory's nodes share it.
    #[must_use]
    pub fn domain(&self, name: &str) -> Arc<str> {
        self.domains
            .get_key_value(name)
            .map_or_else(|| name.into(), |(known, ())| Arc::clone(known))
    }

    /// The version before the first change that will be known when these have been taken in.
    #[must_use]
    pub fn log_from(&self, more: &[LogEntry]) -> u64 {
        let gone = (self.log.len() + more.len()).saturating_sub(self.log_capacity);
        let last = gone.checked_sub(1).and_then(|last| {
            let entry = self.log.get(last);
            entry.or_else(|| more.get(last - self.log.len()))
        });
        last.map_or(self.log_from, |entry| entry.version)
    }

    /// The changes that are known.
    pub fn log(&self) -> impl Iterator<Item = &LogEntry> {
        self.log.iter()
    }

    /// The directory's version: that of the last change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many nodes are in which state.
    #[must_use]
    pub fn counts(&self) -> NodeCounts {
        self.counts
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    /// The node of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Node>> {
        self.names.get(name).and_then(|id| self.nodes.get(id))
    }

    /// The nodes after an id, or all, in order.
    pub fn after(&self, id: Option<NodeId>) -> impl Iterator<Item = &Arc<Node>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = id.map_or(Unbounded, Excluded);
        self.nodes.range((from, Unbounded)).map(|(_, node)| node)
    }

    /// The banned nodes after an id, or all, in order; none of the others is looked at.
    pub fn banned_after(&self, id: Option<NodeId>) -> impl Iterator<Item = &Arc<Node>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = id.map_or(Unbounded, Excluded);
        let banned = self.banned.range((from, Unbounded));
        banned.filter_map(|id| self.nodes.get(id))
    }

    /// Some active nodes, never the asker: those after a drawn place in the ring of ids, which are digests and so lie evenly.
    #[must_use]
    pub fn peers(&self, asker: NodeId, count: usize, drawn: u64) -> Vec<&Arc<Node>> {
        let start = NodeId::new(drawn.to_be_bytes());
        self.nodes
            .range(start..)
            .chain(self.nodes.range(..start))
            .map(|(_, node)| node)
            .filter(|node| node.id != asker && node.state == NodeState::Active)
            .take(count)
            .collect()
    }

    /// What changed since a version, at most so much; `None`, if that is no longer known.
    #[must_use]
    pub fn changes(&self, since: u64, limit: usize) -> Option<Vec<&LogEntry>> {
        if since > self.version || since < self.log_from {
            return None;
        }
        let start = self.log.partition_point(|entry| entry.version <= since);
        Some(self.log.range(start..).take(limit).collect())
    }

    /// A heartbeat, which is no change; unless the node was not active, when [`Write::Revive`] is due.
    ///
    /// # Errors
    /// The node is unknown or banned; the sequence is not above the last; the signature is from before the node's
    /// registration.
    pub fn beat(
        &mut self,
        id: NodeId,
        sequence: u64,
        proof: &Proof,
        now: &Now,
    ) -> Result<Beaten, Refusal> {
        let node = self.nodes.get_mut(&id).ok_or(Refusal::Unknown(id))?;
        if node.state == NodeState::Banned {
            return Err(Refusal::Banned(id));
        }
        if node.signed.is_after(proof, now) {
            return Err(Refusal::Replayed);
        }
        if sequence <= node.sequence {
            return Err(Refusal::StaleSequence {
                last: node.sequence,
            });
        }
        let node = Arc::make_mut(node);
        node.sequence = sequence;
        node.heard(now);
        Ok(Beaten {
            revive: node.state != NodeState::Active,
        })
    }

    /// Who was not heard of for too long.
    #[must_use]
    pub fn sweep(&self, liveness: &Liveness, now: &Now) -> Vec<Write> {
        let due = |node: &Node| {
            let silent = now.steady.saturating_sub(node.beat_at);
            match node.state {
                NodeState::Banned => None,
                _ if silent > liveness.removed_after => Some(None),
                NodeState::Active | NodeState::Offline if silent > liveness.inactive_after => {
                    Some(Some(NodeState::Inactive))
                }
                NodeState::Active if silent > liveness.offline_after => {
                    Some(Some(NodeState::Offline))
                }
                _ => None,
            }
        };
        let writes = self.nodes.values().filter_map(|node| {
            due(node).map(|to| Write::Decline {
                id: node.id,
                beat_at: node.beat_at,
                to,
            })
        });
        writes.collect()
    }

    /// Whether changes follow the directory's version, one by one.
    ///
    /// # Errors
    /// They do not.
    pub fn follows(&self, from: u64, entries: &[LogEntry]) -> Result<(), Gap> {
        let mut versions = (from + 1..).zip(entries);
        if from == self.version && versions.all(|(version, entry)| entry.version == version) {
            return Ok(());
        }
        Err(Gap {
            from,
            version: self.version,
        })
    }

    /// Takes changes in that were written durably, or told by the root. `now`: when that was.
    ///
    /// # Errors
    /// They do not follow the directory's version one by one; nothing of them is taken in then.
    pub fn apply(&mut self, from: u64, entries: Vec<LogEntry>, now: &Now) -> Result<(), Gap> {
        self.follows(from, &entries)?;
        for mut entry in entries {
            if let Some(signed) = entry.administered.take() {
                self.administered.insert(entry.node.id, signed);
            }
            if entry.change == ChangeType::NodeRemoved {
                self.take(entry.node.id);
                let left = Departed::new(&entry.node, now);
                self.departed.insert(entry.node.id, left);
            } else {
                self.put(Arc::clone(&entry.node));
                self.departed.remove(&entry.node.id);
            }
            self.version = entry.version;
            self.log.push_back(entry);
        }
        self.forget();
        Ok(())
    }

    fn forget(&mut self) {
        let more = self.log.len().saturating_sub(self.log_capacity);
        if let Some(last) = self.log.drain(..more).next_back() {
            self.log_from = last.version;
        }
    }

    fn put(&mut self, mut node: Arc<Node>) {
        let before = self.take(node.id);
        // Beats that came while the change was written are newer than it.
        if let Some(before) = before
            && before.beat_at > node.beat_at
        {
            let node = Arc::make_mut(&mut node);
            node.beat_at = before.beat_at;
            node.last_heartbeat = before.last_heartbeat;
            node.sequence = node.sequence.max(before.sequence);
        }
        if !self.domains.contains_key(&node.domain) {
            if self.domains.len() > self.nodes.len() {
                self.domains
                    .retain(|domain, ()| Arc::strong_count(domain) > 1);
            }
            self.domains.insert(Arc::clone(&node.domain), ());
        }
        self.names.insert(node.name.clone(), node.id);
        if node.state == NodeState::Banned {
            self.banned.insert(node.id);
        }
        *counted(&mut self.counts, node.state) += 1;
        self.nodes.insert(node.id, node);
    }

    fn take(&mut self, id: NodeId) -> Option<Arc<Node>> {
        let node = self.nodes.remove(&id)?;
        self.names.remove(&node.name);
        self.banned.remove(&id);
        *counted(&mut self.counts, node.state) -= 1;
        Some(node)
    }
}

fn counted(counts: &mut NodeCounts, state: NodeState) -> &mut u64 {
    match state {
        NodeState::Active => &mut counts.active,
        NodeState::Offline => &mut counts.offline,
        NodeState::Inactive => &mut counts.inactive,
        NodeState::Banned => &mut counts.banned,
    }
}
