//! The peers that a node knows of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, SocketAddrV6};

use serde::{Deserialize, Serialize};
use trustnet_api::network::{Peer, PeerCounts};
use trustnet_core::network::{Endpoint, NodeId};

use crate::gossip::Card;

/// The most peers that are known.
const MAX_PEERS: usize = 10_000;
/// So long after it was last told of, a peer is forgotten. Milliseconds.
const MEMORY: u64 = 24 * 60 * 60 * 1000;

/// A peer, as it is remembered for the next run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The peer.
    pub peer: Peer,
    /// The UDP port that it gossips at.
    pub gossip_port: u16,
}

/// What is known of a peer's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Gossip says that it lives.
    Alive,
    /// A registry told of it, or an earlier run did.
    Told,
    /// Gossip says that it is gone.
    Gone,
}

#[derive(Debug, Clone)]
struct Known {
    peer: Peer,
    gossip_port: u16,
    life: Life,
    told_at: u64,
}

/// The peers that a node knows of, from registries, from gossip and from earlier runs. Times are steady milliseconds.
#[derive(Debug)]
pub struct PeerBook {
    own: NodeId,
    known: BTreeMap<NodeId, Known>,
    /// Whom the administrator keeps out: they are known, and no peers.
    banned: BTreeSet<NodeId>,
    edition: u64,
}

impl PeerBook {
    /// A book of a node that knows nobody.
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self {
            own,
            known: BTreeMap::new(),
            banned: BTreeSet::new(),
            edition: 0,
        }
    }

    /// Another number after each change.
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// Takes in what a registry told, or an earlier run. What gossip says of a peer is its own word, and newer.
    pub fn told(&mut self, peers: impl IntoIterator<Item = Remembered>, now: u64) {
        for Remembered { peer, gossip_port } in peers {
            let Ok(id) = peer.node_id.parse::<NodeId>() else {
                continue;
            };
            if let Some(known) = self.known.get_mut(&id)
                && known.life != Life::Told
            {
                known.told_at = now;
                continue;
            }
            self.put(
                id,
                Known {
                    peer,
                    gossip_port,
                    life: Life::Told,
                    told_at: now,
                },
            );
        }
    }

    /// Gossip says that a peer lives.
    pub fn up(&mut self, card: &Card, now: u64) {
        self.put(
            card.id(),
            Known {
                peer: card.peer(),
                gossip_port: card.claim().gossip_port,
                life: Life::Alive,
                told_at: now,
            },
        );
    }

    /// Gossip says that a peer is gone.
    pub fn down(&mut self, id: NodeId) {
        if let Some(known) = self.known.get_mut(&id) {
            known.life = Life::Gone;
            self.edition += 1;
        }
    }

    fn put(&mut self, id: NodeId, known: Known) {
        let room = self.known.len() < MAX_PEERS || self.known.contains_key(&id);
        if id != self.own && room {
            self.known.insert(id, known);
            self.edition += 1;
        }
    }

    /// Forgets those of whom nobody told for a day.
    pub fn forget(&mut self, now: u64) {
        let before = self.known.len();
        self.known.retain(|_, known| {
            known.life == Life::Alive || now.saturating_sub(known.told_at) < MEMORY
        });
        if self.known.len() != before {
            self.edition += 1;
        }
    }

    /// Keeps these out, and no others: they are no peers for as long as that is so.
    pub fn keep_out(&mut self, banned: &BTreeSet<NodeId>) {
        if self.banned != *banned {
            self.banned.clone_from(banned);
            self.edition += 1;
        }
    }

    /// A registry does not have a node that it, or another one, told of.
    pub fn absent(&mut self, id: NodeId) {
        if self
            .known
            .get(&id)
            .is_some_and(|known| known.life == Life::Told)
        {
            self.known.remove(&id);
            self.edition += 1;
        }
    }

    fn peers(&self) -> impl Iterator<Item = &Known> {
        let known = self.known.iter();
        known
            .filter(|(id, _)| !self.banned.contains(id))
            .map(|(_, known)| known)
    }

    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> PeerCounts {
        let alive = self.peers().filter(|known| known.life == Life::Alive);
        PeerCounts {
            known: self.peers().count() as u64,
            alive: alive.count() as u64,
        }
    }

    /// Those who live or may live: first those of whom gossip says so, then those of whom a registry did.
    #[must_use]
    pub fn list(&self) -> Vec<Peer> {
        let of = |life| move |known: &&Known| known.life == life;
        let alive = self.peers().filter(of(Life::Alive));
        let told = self.peers().filter(of(Life::Told));
        alive.chain(told).map(|known| known.peer.clone()).collect()
    }

    /// Some of whom gossip does not say that they live, to be called: those after a drawn place in the ring of ids.
    #[must_use]
    pub fn silent(&self, count: usize, drawn: u64) -> Vec<(NodeId, SocketAddr)> {
        let silent = self.ring(drawn, |life| life != Life::Alive);
        let silent = silent.map(|(id, known)| (*id, known.socket()));
        silent.take(count).collect()
    }

    /// Some of whom only a registry told, or an earlier run: whether they are in the directory yet is to be looked at.
    #[must_use]
    pub fn unheard(&self, count: usize, drawn: u64) -> Vec<NodeId> {
        let unheard = self.ring(drawn, |life| life == Life::Told);
        unheard.map(|(id, _)| *id).take(count).collect()
    }

    /// Those of such a life who are not kept out, after a drawn place in the ring of ids.
    fn ring(
        &self,
        drawn: u64,
        of: impl Fn(Life) -> bool,
    ) -> impl Iterator<Item = (&NodeId, &Known)> {
        let start = NodeId::new(drawn.to_be_bytes());
        let ring = self.known.range(start..).chain(self.known.range(..start));
        ring.filter(move |(id, known)| of(known.life) && !self.banned.contains(id))
    }

    /// What to remember for the next run.
    #[must_use]
    pub fn remember(&self) -> Vec<Remembered> {
        let known = self.known.values().map(|known| Remembered {
            peer: known.peer.clone(),
            gossip_port: known.gossip_port,
        });
        known.collect()
    }
}

impl Known {
    fn socket(&self) -> SocketAddr {
        SocketAddrV6::new(self.peer.ipv6_address, self.gossip_port, 0, 0).into()
    }
}

impl Remembered {
    /// A peer as a registry tells of it: it gossips at its port.
    #[must_use]
    pub fn of(peer: Peer) -> Self {
        Self {
            gossip_port: peer.port,
            peer,
        }
    }

    /// The peer's registry, unless nobody but itself could reach it there.
    #[must_use]
    pub fn registry(&self) -> Option<Endpoint> {
        let registry: Endpoint = self.peer.registry_address.parse().ok()?;
        let loopback = registry.socket().ip().is_loopback();
        (!loopback || self.peer.ipv6_address.is_loopback()).then_some(registry)
    }
}

#[cfg(test)]
mod tests {
    use trustnet_api::network::Peer;
    use trustnet_core::network::NodeId;

    use super::{PeerBook, Remembered};

    fn peer(number: u8) -> Remembered {
        Remembered::of(Peer {
            node_id: NodeId::new([number; 8]).to_string(),
            node_name: format!("node-{number}"),
            ipv6_address: "2001:db8::1".parse().expect("an address"),
            port: 9000,
            registry_address: "[2001:db8::2]:8000".to_owned(),
        })
    }

    #[test]
    fn a_node_is_no_peer_of_its_own_and_those_who_have_no_id_are_none() {
        let mut book = PeerBook::new(NodeId::new([1; 8]));
        let mut nobody = peer(3);
        nobody.peer.node_id = "0x1".to_owned();
        book.told([peer(1), peer(2), nobody], 0);
        assert_eq!(book.list(), [peer(2).peer]);
        assert_eq!(book.counts().known, 1);
    }

    #[test]
    fn those_of_whom_nobody_tells_for_a_day_are_forgotten() {
        let mut book = PeerBook::new(NodeId::new([1; 8]));
        book.told([peer(2), peer(3)], 0);
        book.told([peer(3)], 80_000_000);
        book.forget(90_000_000);
        assert_eq!(book.list(), [peer(3).peer]);
    }

    #[test]
    fn those_who_are_kept_out_are_neither_told_nor_called_until_they_are_let_in() {
        let mut book = PeerBook::new(NodeId::new([1; 8]));
        book.told([peer(2), peer(3)], 0);
        let edition = book.edition();
        book.keep_out(&[NodeId::new([2; 8])].into());
        assert_ne!(book.edition(), edition);
        // Whatever another registry tells.
        book.told([peer(2)], 1);
        assert_eq!(book.list(), [peer(3).peer]);
        assert_eq!(book.counts().known, 1);
        assert_eq!(book.unheard(5, 0), [NodeId::new([3; 8])]);
        assert_eq!(book.silent(5, 0).len(), 1);
        let mut again = PeerBook::new(NodeId::new([1; 8]));
        again.told(book.remember(), 0);
        again.keep_out(&[NodeId::new([3; 8])].into());
        assert_eq!(again.list(), [peer(2).peer]);
        again.keep_out(&[].into());
        assert_eq!(again.list(), [peer(2).peer, peer(3).peer]);
    }

    #[test]
    fn who_is_removed_from_the_directory_and_silent_is_forgotten() {
        let mut book = PeerBook::new(NodeId::new([1; 8]));
        book.told([peer(2), peer(3)], 0);
        book.down(NodeId::new([3; 8]));
        book.absent(NodeId::new([2; 8]));
        book.absent(NodeId::new([3; 8]));
        assert_eq!(book.list(), []);
        assert_eq!(book.counts().known, 1, "of the other one gossip has told");
    }

    #[test]
    fn those_who_are_gone_are_not_told_but_called() {
        let mut book = PeerBook::new(NodeId::new([1; 8]));
        book.told([peer(2), peer(3)], 0);
        book.down(NodeId::new([2; 8]));
        book.told([peer(2)], 1);
        assert_eq!(book.list(), [peer(3).peer]);
        assert_eq!(book.counts().known, 2);
        let called = book.silent(5, 0x0300_0000_0000_0000);
        let called: Vec<NodeId> = called.into_iter().map(|(id, _)| id).collect();
        assert_eq!(called, [NodeId::new([3; 8]), NodeId::new([2; 8])]);
    }
}
