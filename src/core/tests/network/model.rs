//! A directory so simple that it is right by sight.

use std::collections::BTreeMap;

use trustnet_api::network::{ChangeType, NodeState};
use trustnet_core::network::{NodeId, Write};

/// A node of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub name: String,
    pub port: u16,
    pub state: NodeState,
    pub signed: u64,
}

/// The model: who is known, and what those who left had signed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    pub known: BTreeMap<NodeId, Known>,
    pub left: BTreeMap<NodeId, u64>,
    /// What they were.
    pub gone: BTreeMap<NodeId, Known>,
    /// What the administrator signed last of a node.
    pub administered: BTreeMap<NodeId, u64>,
}

impl Model {
    /// What a write does; nothing, if it changes nothing. Every signature of these tests has a second of its own.
    pub fn write(
        &mut self,
        write: &Write,
        beat_at: impl Fn(NodeId) -> u64,
    ) -> Result<Option<ChangeType>, ()> {
        let id = write.id();
        let known = self.known.get(&id).cloned();
        let banned = known
            .as_ref()
            .is_some_and(|known| known.state == NodeState::Banned);
        let last = known
            .as_ref()
            .map(|known| known.signed)
            .or(self.left.get(&id).copied());
        let fresh = |created: u64| last.is_none_or(|last| created > last);
        let decided = self.administered.get(&id).copied();
        let newest = |created: u64| decided.is_none_or(|last| created > last);
        match write {
            Write::Register {
                registration,
                proof,
                admitted,
            } => {
                let name = registration.name();
                let taken = self
                    .known
                    .iter()
                    .any(|(other, known)| *other != id && known.name == name);
                let stranger = known.is_none() && (!admitted || !newest(proof.created));
                if taken || banned || !fresh(proof.created) || stranger {
                    return Err(());
                }
                self.left.remove(&id);
                self.gone.remove(&id);
                let node = Known {
                    name: name.to_owned(),
                    port: registration.port(),
                    state: NodeState::Active,
                    signed: proof.created,
                };
                let before = self.known.insert(id, node);
                Ok(Some(before.map_or(ChangeType::NodeRegistered, |_| {
                    ChangeType::NodeUpdated
                })))
            }
            Write::Remove {
                proof,
                by_administrator,
                ..
            } => {
                let known = known.filter(|_| !banned).ok_or(())?;
                if *by_administrator && newest(proof.created) {
                    self.administered.insert(id, proof.created);
                    self.left.insert(id, known.signed);
                } else if !by_administrator && fresh(proof.created) {
                    self.left.insert(id, proof.created);
                } else {
                    return Err(());
                }
                self.known.remove(&id);
                self.gone.insert(id, known);
                Ok(Some(ChangeType::NodeRemoved))
            }
            Write::Ban {
                banned: to, proof, ..
            } => {
                if known.is_some() && banned == *to {
                    if newest(proof.created) {
                        self.administered.insert(id, proof.created);
                    }
                    return Ok(None);
                }
                if !newest(proof.created) {
                    return Err(());
                }
                if known.is_none() {
                    let mut gone = self.gone.remove(&id).filter(|_| *to).ok_or(())?;
                    gone.name = id.to_string();
                    gone.signed = self.left.remove(&id).ok_or(())?;
                    self.known.insert(id, gone);
                }
                self.administered.insert(id, proof.created);
                self.turn(
                    id,
                    if *to {
                        NodeState::Banned
                    } else {
                        NodeState::Offline
                    },
                )
            }
            Write::Revive { .. } => match known.ok_or(())?.state {
                NodeState::Banned => Err(()),
                NodeState::Active => Ok(None),
                _ => self.turn(id, NodeState::Active),
            },
            Write::Decline {
                beat_at: seen, to, ..
            } => match (known, to) {
                (Some(known), _) if banned || beat_at(id) != *seen || *to == Some(known.state) => {
                    Ok(None)
                }
                (None, _) => Ok(None),
                (_, Some(to)) => self.turn(id, *to),
                (Some(known), None) => {
                    self.known.remove(&id);
                    self.left.insert(id, known.signed);
                    self.gone.insert(id, known);
                    Ok(Some(ChangeType::NodeRemoved))
                }
            },
        }
    }

    fn turn(&mut self, id: NodeId, to: NodeState) -> Result<Option<ChangeType>, ()> {
        self.known.get_mut(&id).ok_or(())?.state = to;
        Ok(Some(ChangeType::NodeState))
    }
}
