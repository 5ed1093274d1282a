//! What was promised, what was done, and whether the two agree.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use trustnet_api::network::SIGNATURE_LIFE;
use trustnet_core::network::{Directory, NodeId, Proof};

#[derive(Default)]
pub struct Ledger {
    /// What the root made durable, in order: nothing of it is ever taken back.
    done: Vec<(NodeId, Proof)>,
    /// What the root said is done.
    promised: Vec<(NodeId, Proof)>,
    /// What a secondary took, in order, and said it would bring to the root.
    queued: BTreeMap<usize, Vec<(NodeId, Proof)>>,
    /// Signatures that were sent to the root other than out of a queue, or in a place of it that nobody was told of.
    direct: BTreeSet<u64>,
    /// Nodes that signed by a clock so far ahead that nobody can tell any more what of theirs was seen.
    ahead: BTreeSet<NodeId>,
    /// Signatures for which newer ones stand in a queue, and those.
    replaced: BTreeMap<u64, u64>,
    /// Signatures that a secondary took by a clock that was ahead, or a day off.
    given_up: BTreeSet<u64>,
    /// What the directory was at each version.
    versions: BTreeMap<u64, u64>,
    /// The highest version that was seen of each registry.
    seen: BTreeMap<usize, u64>,
    /// What of that the root has answered for.
    delivered: BTreeSet<(usize, u64)>,
    /// What was seen to be lost.
    lost: Option<String>,
}

impl Ledger {
    /// `now`: seconds since 1970 by a right clock.
    pub fn done(&mut self, id: NodeId, proof: Proof, now: u64) {
        if proof.created > now + SIGNATURE_LIFE {
            self.ahead.insert(id);
        }
        self.done.push((id, proof));
    }

    pub fn promise(&mut self, id: NodeId, proof: Proof) {
        self.promised.push((id, proof));
    }

    pub fn queue(&mut self, registry: usize, id: NodeId, proof: Proof) {
        let queued = self.queued.entry(registry).or_default();
        if !queued.contains(&(id, proof)) {
            queued.push((id, proof));
        }
    }

    pub fn delivered(&mut self, registry: usize, proof: Proof) {
        self.delivered.insert((registry, proof.signature));
    }

    pub fn delivered_len(&self) -> usize {
        self.delivered.len() - self.replaced.len()
    }

    /// What a secondary finds in its queue when it starts: everything that it took and has not delivered.
    pub fn finds(&mut self, registry: usize, found: &BTreeSet<u64>) {
        let queued = self.queued.get(&registry).into_iter().flatten();
        for (id, proof) in queued {
            let signature = proof.signature;
            if !found.contains(&signature) && !self.delivered.contains(&(registry, signature)) {
                self.lost = Some(format!(
                    "a write of {id} that registry {registry} acknowledged is not in its queue"
                ));
            }
        }
    }

    /// A node's newer registration stands for one that a secondary took; `keeps`: in its place, since it says the same.
    pub fn replaced(&mut self, registry: usize, old: Proof, by: (NodeId, Proof), keeps: bool) {
        self.delivered(registry, old);
        self.replaced.insert(old.signature, by.1.signature);
        if !keeps {
            return;
        }
        let queued = self.queued.entry(registry).or_default();
        let place = queued.iter_mut().find(|(_, proof)| *proof == old);
        // Where a crash came before anybody was told of the first, nobody but the disk knows its place.
        if place.is_none() || self.direct.contains(&old.signature) {
            self.direct.insert(by.1.signature);
        }
        if let Some(place) = place {
            *place = by;
        }
    }

    pub fn replaced_len(&self) -> usize {
        self.replaced.len()
    }

    pub fn give_up(&mut self, proof: Proof) {
        self.given_up.insert(proof.signature);
    }

    /// Whether a write, or the last one that stands for it, was signed by a clock that was off.
    fn is_given_up(&self, mut signature: u64) -> bool {
        while let Some(newer) = self.replaced.get(&signature) {
            signature = *newer;
        }
        self.given_up.contains(&signature)
    }

    pub fn direct(&mut self, proof: Proof) {
        self.direct.insert(proof.signature);
    }

    pub fn queued_len(&self) -> usize {
        self.queued.values().map(Vec::len).sum()
    }

    pub fn done_len(&self) -> usize {
        self.done.len()
    }

    pub fn root_at(&mut self, directory: &Directory) {
        self.versions.insert(directory.version(), digest(directory));
    }

    /// A registry's directory is what the root's was at that version, and no version comes after a later one.
    pub fn look(&mut self, registry: usize, directory: &Directory) -> Result<(), String> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let version = directory.version();
        let seen = self.seen.entry(registry).or_default();
        if version < *seen {
            return Err(format!(
                "registry {registry} went back from version {seen} to {version}"
            ));
        }
        if version == *seen {
            return Ok(());
        }
        *seen = version;
        match self.versions.get(&version) {
            Some(known) if *known == digest(directory) => Ok(()),
            Some(_) => Err(format!(
                "registry {registry} is not what the root was at version {version}"
            )),
            None => Err(format!(
                "registry {registry} is at version {version}, where the root never was"
            )),
        }
    }

    /// All that was promised was done, once, and in order.
    pub fn settle(&self, root: &Directory) -> Result<(), String> {
        let mut places = BTreeMap::new();
        for (place, (id, proof)) in self.done.iter().enumerate() {
            let first = *places.entry(proof.signature).or_insert(place);
            if first != place && !self.ahead.contains(id) {
                return Err(format!(
                    "a write of {id}, signed at {}, was done twice",
                    proof.created
                ));
            }
        }
        for (id, proof) in &self.promised {
            if !places.contains_key(&proof.signature) {
                return Err(format!(
                    "a write of {id} that the root acknowledged is lost"
                ));
            }
        }
        let later = |id: &NodeId, proof: &Proof| {
            let mut done = self.done.iter();
            done.any(|(other, done)| other == id && done.created >= proof.created)
        };
        for (registry, queued) in &self.queued {
            let mut last = 0;
            for (id, proof) in queued {
                if self.ahead.contains(id) || self.is_given_up(proof.signature) {
                    continue;
                }
                match places.get(&proof.signature) {
                    None if later(id, proof) || root.get(*id).is_none() => {}
                    None => {
                        return Err(format!(
                            "a write of {id}, signed at {}, that registry {registry} acknowledged is lost",
                            proof.created
                        ));
                    }
                    Some(_) if self.direct.contains(&proof.signature) => {}
                    Some(place) if *place < last => {
                        return Err(format!(
                            "a write of {id} overtook another one in the queue of registry {registry}"
                        ));
                    }
                    Some(place) => last = *place,
                }
            }
        }
        Ok(())
    }
}

fn digest(directory: &Directory) -> u64 {
    let mut hasher = DefaultHasher::new();
    for node in directory.after(None) {
        (node.id, &node.name, node.address, node.port, node.state).hash(&mut hasher);
    }
    hasher.finish()
}
