//! What a write makes of a directory.

use std::sync::Arc;

use trustnet_api::network::{ChangeType, NodeState};

use super::Directory;
use crate::network::{Node, NodeId, Now, Proof, Refusal, Registration, Signed, Write};

impl Directory {
    /// What a write makes of the directory: a change, or nothing.
    ///
    /// # Errors
    /// The write is refused.
    pub(in crate::network) fn decide(
        &self,
        write: &Write,
        now: &Now,
    ) -> Result<Option<(ChangeType, Node)>, Refusal> {
        let known = |id: NodeId| self.nodes.get(&id).ok_or(Refusal::Unknown(id));
        match write {
            Write::Register {
                registration,
                proof,
                admitted,
            } => self.register(registration, proof, *admitted, now).map(Some),
            Write::Remove {
                id,
                proof,
                by_administrator,
            } => {
                let node = known(*id)?;
                // Else it would leave, and come back as if it were new.
                if node.state == NodeState::Banned {
                    return Err(Refusal::Banned(*id));
                }
                if *by_administrator {
                    self.administered_of(*id).admits(proof, now)?;
                    return Ok(Some((ChangeType::NodeRemoved, Node::clone(node))));
                }
                node.signed.admits(proof, now)?;
                let mut node = Node::clone(node);
                node.signed = node.signed.with(proof);
                Ok(Some((ChangeType::NodeRemoved, node)))
            }
            Write::Ban {
                id,
                banned,
                proof,
                inherited,
            } => {
                let node = match self.nodes.get(id).cloned() {
                    None if *banned => self.expelled(*id),
                    known => known,
                };
                let node = node.ok_or(Refusal::Unknown(*id))?;
                let to = match (node.state, banned) {
                    (NodeState::Banned, false) => NodeState::Offline,
                    (NodeState::Banned, true) | (_, false) => return Ok(None),
                    (_, true) => NodeState::Banned,
                };
                // Sent again, it must not undo what was decided since.
                self.administered_of(*id).admits(proof, now)?;
                let decided = *inherited || self.administered.contains_key(id);
                if !banned && !decided && self.is_before_root(proof, now) {
                    return Err(Refusal::BeforeRoot(*id));
                }
                let mut node = node.in_state(to, now);
                // Nobody listened to it: its silence counts from when it is let in.
                node.beat_at = now.steady;
                Ok(Some((ChangeType::NodeState, node)))
            }
            Write::Revive { id } => {
                let node = known(*id)?;
                Ok(match node.state {
                    NodeState::Banned => return Err(Refusal::Banned(*id)),
                    NodeState::Active => None,
                    NodeState::Offline | NodeState::Inactive => {
                        Some((ChangeType::NodeState, node.in_state(NodeState::Active, now)))
                    }
                })
            }
            Write::Decline { id, beat_at, to } => {
                let still = |node: &&Arc<Node>| {
                    node.beat_at == *beat_at
                        && node.state != NodeState::Banned
                        && *to != Some(node.state)
                };
                Ok(self.nodes.get(id).filter(still).map(|node| match to {
                    Some(state) => (ChangeType::NodeState, node.in_state(*state, now)),
                    None => (ChangeType::NodeRemoved, Node::clone(node)),
                }))
            }
        }
    }

    /// What the administrator signed last of a node, with a write of the administrator's that [`Self::decide`] took.
    pub(in crate::network) fn administered_with(&self, write: &Write) -> Option<Signed> {
        match write {
            Write::Remove {
                id,
                proof,
                by_administrator: true,
            }
            | Write::Ban { id, proof, .. } => Some(self.administered_of(*id).with(proof)),
            _ => None,
        }
    }

    /// What the administrator signed last of a node, with a decision that [`Self::decide`] found to change nothing: an older
    /// one may still come, and must not undo it.
    pub(in crate::network) fn noted(&self, write: &Write, now: &Now) -> Option<Signed> {
        let Write::Ban {
            id,
            banned,
            proof,
            inherited,
        } = write
        else {
            return None;
        };
        self.administered_of(*id).admits(proof, now).ok()?;
        // It may have been undone before this registry was the root: then that is not to be done again after it.
        if *banned && !inherited && self.is_before_root(proof, now) {
            return None;
        }
        self.administered_with(write)
    }

    /// Whether something was signed before this registry was the root. A clock that was wrong then is no measure.
    fn is_before_root(&self, proof: &Proof, now: &Now) -> bool {
        let since = Signed {
            at: self.root_since,
            seen: Vec::new(),
        };
        since.is_after(proof, now)
    }

    /// A node that left, as it is kept out: it is still everybody's peer in gossip. Its name may be another's by now, so it
    /// is told of by its id.
    fn expelled(&self, id: NodeId) -> Option<Arc<Node>> {
        let mut node = self.departed.get(&id)?.node.clone()?;
        let own = id.to_string();
        let more = (1_u64..).map(|number| format!("{own}-{number}"));
        let mut names = std::iter::once(own.clone()).chain(more);
        let free = names.find(|name| !self.names.contains_key(name.as_str()))?;
        Arc::make_mut(&mut node).name = free.into();
        Some(node)
    }

    fn administered_of(&self, id: NodeId) -> Signed {
        self.administered.get(&id).cloned().unwrap_or_default()
    }

    fn register(
        &self,
        registration: &Registration,
        proof: &Proof,
        admitted: bool,
        now: &Now,
    ) -> Result<(ChangeType, Node), Refusal> {
        let id = registration.id();
        let taken = || Refusal::NameTaken(registration.name().to_owned());
        if self
            .names
            .get(registration.name())
            .is_some_and(|holder| *holder != id)
        {
            return Err(taken());
        }
        let domain = self.domain(registration.domain());
        let Some(node) = self.nodes.get(&id) else {
            let signed = self.departed.get(&id);
            let signed =
                signed.map_or_else(Signed::default, |departed| departed.left.signed.clone());
            signed.admits(proof, now)?;
            // What it had signed before the administrator took it out may come only now.
            if self.administered_of(id).is_after(proof, now) {
                return Err(Refusal::Replayed);
            }
            if !admitted {
                return Err(Refusal::JoinToken);
            }
            let node = Node::new(registration, domain, signed.with(proof), now);
            return Ok((ChangeType::NodeRegistered, node));
        };
        if node.key != *registration.key() {
            return Err(taken());
        }
        if node.state == NodeState::Banned {
            return Err(Refusal::Banned(id));
        }
        node.signed.admits(proof, now)?;
        let node = node.registered(registration, domain, proof, now);
        Ok((ChangeType::NodeUpdated, node))
    }
}
