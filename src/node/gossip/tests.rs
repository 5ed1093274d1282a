//! Many nodes on a network that is made of memory: seeded, with a clock of its own.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod bans;

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

use proptest::prelude::*;
use trustnet_core::network::signature::SigningKey;
use trustnet_core::network::{NodeId, PublicKey};

use super::{Card, CardError, Claim, Dropped, Gossip, GossipSettings, Seal};

const DOMAIN: &str = "example.net";
const SETTINGS: GossipSettings = GossipSettings {
    interval: 30_000,
    peers_per_batch: 5,
};

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32])
}

fn id(number: u8) -> NodeId {
    key(number).public().node_id()
}

fn address(number: u8) -> SocketAddr {
    let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number));
    SocketAddr::new(ip.into(), 9000)
}

fn claim(number: u8, edition: u64) -> Claim {
    let SocketAddr::V6(at) = address(number) else {
        unreachable!("addresses here are IPv6")
    };
    Claim {
        key: *key(number).public().as_bytes(),
        name: format!("node-{number}"),
        address: *at.ip(),
        port: 9000,
        gossip_port: 9000,
        registry: Some("[2001:db8::ffff]:8000".parse().unwrap()),
        edition,
    }
}

/// A network of nodes. Datagrams take 1 to 40 ms, and some are lost.
struct Network {
    nodes: BTreeMap<u8, Gossip>,
    /// By when they arrive.
    flying: BTreeMap<(u64, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    /// Nodes of different sides do not hear one another.
    sides: BTreeMap<u8, u8>,
    loss: u64,
    now: u64,
    drawn: u64,
    seal: Seal,
    longest: usize,
}

impl Network {
    fn new(seed: u64) -> Self {
        Self {
            nodes: BTreeMap::new(),
            flying: BTreeMap::new(),
            sides: BTreeMap::new(),
            loss: 0,
            now: 0,
            drawn: seed,
            seal: Seal::of_token(b"a token", DOMAIN),
            longest: 0,
        }
    }

    fn draw(&mut self) -> u64 {
        self.drawn = self
            .drawn
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(1);
        self.drawn >> 33
    }

    fn start(&mut self, number: u8, edition: u64) {
        let seed = self.draw();
        let seal = self.seal.clone();
        let gossip = Gossip::new(
            &SETTINGS,
            claim(number, edition),
            key(number),
            DOMAIN,
            seal,
            seed,
        );
        self.nodes.insert(number, gossip.unwrap());
    }

    fn introduce(&mut self, number: u8, to: u8) {
        let now = self.now;
        let node = self.nodes.get_mut(&number).unwrap();
        node.introduce(id(to), address(to), now);
        self.send(number);
    }

    fn send(&mut self, number: u8) {
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        for (to, bytes) in node.outgoing() {
            self.longest = self.longest.max(bytes.len());
            let lost = self.draw() % 100 < self.loss;
            let arrives = self.now + 1 + self.draw() % 40;
            let order = self.draw();
            if !lost {
                let datagram = (address(number), to, bytes);
                self.flying.insert((arrives, order), datagram);
            }
        }
    }

    /// Lets so many milliseconds pass.
    fn run(&mut self, time: u64) {
        let end = self.now + time;
        loop {
            let timers = self.nodes.iter();
            let timers = timers.filter_map(|(number, node)| Some((node.wake_at()?, *number)));
            let timer = timers.min();
            let flight = self.flying.first_key_value().map(|(at, _)| *at);
            let next = timer
                .map(|(at, _)| at)
                .into_iter()
                .chain(flight.map(|at| at.0));
            let Some(next) = next.min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if let Some(key) = flight.filter(|at| at.0 <= next) {
                let (from, to, bytes) = self.flying.remove(&key).unwrap();
                self.deliver(from, to, &bytes);
            } else if let Some((_, number)) = timer {
                self.nodes.get_mut(&number).unwrap().tick(self.now);
                self.send(number);
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let number = |at: SocketAddr| (1..=250).find(|number| address(*number) == at).unwrap();
        let (from_number, to_number) = (number(from), number(to));
        if self.sides.get(&from_number) != self.sides.get(&to_number) {
            return;
        }
        if let Some(node) = self.nodes.get_mut(&to_number) {
            match node.receive(from, bytes, self.now) {
                Ok(()) | Err(Dropped::Banned) => {}
                Err(dropped) => panic!("{dropped:?}"),
            }
            self.send(to_number);
        }
    }

    /// Whom a node takes for alive.
    fn alive(&self, number: u8) -> Vec<u8> {
        let members = self.nodes[&number].members();
        let alive = members.filter(|(_, alive)| *alive);
        let numbers = alive.map(|(card, _)| card.claim().address.segments()[7] as u8);
        let mut numbers: Vec<u8> = numbers.collect();
        numbers.sort_unstable();
        numbers
    }

    fn knows_all(&self, number: u8) -> bool {
        let all: Vec<u8> = self.nodes.keys().copied().collect();
        let others: Vec<u8> = all.into_iter().filter(|other| *other != number).collect();
        self.alive(number) == others
    }

    fn converged(&self) -> bool {
        self.nodes.keys().all(|number| self.knows_all(*number))
    }
}

/// A network of so many nodes, each of which knew one other.
fn chain(count: u8, seed: u64, loss: u64) -> Network {
    let mut network = Network::new(seed);
    network.loss = loss;
    for number in 1..=count {
        network.start(number, 1);
    }
    for number in 2..=count {
        network.introduce(number, number - 1);
    }
    network
}

#[test]
fn thirty_nodes_that_know_one_other_each_come_to_know_all() {
    for (seed, loss) in [(1, 0), (2, 0), (3, 10)] {
        let mut network = chain(30, seed, loss);
        if loss > 0 {
            // What was lost of the first calls is called again, as the node does for those who do not answer.
            for number in 2..=30 {
                network.introduce(number, number - 1);
                network.introduce(number, number - 1);
            }
        }
        network.run(120_000);
        assert!(network.converged(), "seed {seed}");
        assert!(network.longest <= 1200, "{}", network.longest);
    }
}

#[test]
fn a_node_that_dies_is_seen_dead_by_all_and_one_that_says_goodbye_at_once() {
    let mut network = chain(20, 4, 0);
    network.run(60_000);
    assert!(network.converged());
    network.nodes.remove(&7);
    network.run(180_000);
    assert!(network.converged());
    let known = network.nodes[&1].members().count();
    assert_eq!(known, 19, "the dead one is still known");

    let now = network.now;
    network.nodes.get_mut(&9).unwrap().leave(now);
    network.send(9);
    network.nodes.remove(&9);
    network.run(8000);
    assert!(network.converged());
}

#[test]
fn a_node_that_comes_again_is_alive_again() {
    let mut network = chain(10, 5, 0);
    network.run(30_000);
    network.nodes.remove(&3);
    network.run(120_000);
    assert!(!network.alive(1).contains(&3));
    network.start(3, 2);
    network.introduce(3, 8);
    network.run(60_000);
    assert!(network.converged());
}

#[test]
fn two_halves_that_lost_one_another_become_one_network_again() {
    let mut network = chain(20, 6, 0);
    network.run(60_000);
    for number in 1..=10 {
        network.sides.insert(number, 1);
    }
    network.run(300_000);
    for number in 1..=20_u8 {
        let half: Vec<u8> = if number <= 10 {
            (1..=10).collect()
        } else {
            (11..=20).collect()
        };
        let others: Vec<u8> = half.into_iter().filter(|other| *other != number).collect();
        assert_eq!(network.alive(number), others);
    }
    network.sides.clear();
    network.run(300_000);
    assert!(network.converged());
}

#[test]
fn a_new_registry_of_a_node_is_told_to_all() {
    let mut network = chain(10, 7, 0);
    network.run(60_000);
    let registry = "[2001:db8::abcd]:8001".parse().unwrap();
    let now = network.now;
    network
        .nodes
        .get_mut(&4)
        .unwrap()
        .tell_registry(registry, now);
    network.send(4);
    network.run(60_000);
    assert!(network.converged());
    for (number, node) in network.nodes.iter().filter(|(number, _)| **number != 4) {
        let told = node
            .members()
            .find(|(card, _)| card.id() == id(4))
            .unwrap()
            .0;
        assert_eq!(told.registry(), Some(registry), "node {number}");
    }
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let counts = |seed| {
        let mut network = chain(12, seed, 5);
        network.run(60_000);
        let nodes = network.nodes.values();
        nodes.map(Gossip::counts).collect::<Vec<_>>()
    };
    assert_eq!(counts(8), counts(8));
    assert_ne!(counts(8), counts(9));
}

/// What the first node sends to the second one.
fn announcement(domain: &str, seal: &Seal) -> Vec<u8> {
    let gossip = Gossip::new(&SETTINGS, claim(1, 1), key(1), domain, seal.clone(), 1);
    let mut gossip = gossip.unwrap();
    gossip.introduce(id(2), address(2), 0);
    gossip.outgoing().remove(0).1
}

fn second(seal: &Seal) -> Gossip {
    Gossip::new(&SETTINGS, claim(2, 1), key(2), DOMAIN, seal.clone(), 2).unwrap()
}

#[test]
fn forged_cards_and_those_of_other_networks_are_refused() {
    let open = Seal::open_network();
    let right = announcement(DOMAIN, &open);
    assert_eq!(second(&open).receive(address(1), &right, 0), Ok(()));

    let other = announcement("example.org", &open);
    assert_eq!(
        second(&open).receive(address(1), &other, 0),
        Err(Dropped::Forged)
    );
    // The name in the card is changed by who carries it.
    let place = right
        .windows(6)
        .position(|bytes| bytes == b"node-1")
        .unwrap();
    let mut forged = right.clone();
    forged[place] = b'm';
    let mut node = second(&open);
    assert_eq!(node.receive(address(1), &forged, 0), Err(Dropped::Forged));
    assert_eq!(node.members().count(), 0);
    assert!(node.outgoing().is_empty(), "who forges gets no answer");

    let token = Seal::of_token(b"a token", DOMAIN);
    assert_eq!(
        second(&token).receive(address(1), &right, 0),
        Err(Dropped::Sealed)
    );
}

#[test]
fn a_card_holds_what_its_own_key_says_and_only_that() {
    let card = Card::sign(claim(1, 1), &key(1), DOMAIN).unwrap();
    let signature = *card.signature();
    assert!(Card::check(claim(1, 1), signature, DOMAIN).is_ok());
    let changes: [fn(&mut Claim); 7] = [
        |claim| claim.key = *key(2).public().as_bytes(),
        |claim| claim.name = "other".to_owned(),
        |claim| claim.address = Ipv6Addr::LOCALHOST,
        |claim| claim.port = 1,
        |claim| claim.gossip_port = 1,
        |claim| claim.registry = None,
        |claim| claim.edition = 2,
    ];
    for change in changes {
        let mut other = claim(1, 1);
        change(&mut other);
        assert_eq!(
            Card::check(other, signature, DOMAIN),
            Err(CardError::Forged)
        );
    }
    let taken = Card::sign(claim(1, 1), &key(2), DOMAIN);
    assert_eq!(taken, Err(CardError::Field("key")));
    assert_eq!(card.id(), PublicKey::new(claim(1, 1).key).node_id());
}

#[test]
fn a_registry_that_only_its_node_can_reach_is_told_to_nobody() {
    let registry = |address: Ipv6Addr, registry: &str| {
        let mut claim = claim(1, 1);
        claim.address = address;
        claim.registry = Some(registry.parse().unwrap());
        Card::sign(claim, &key(1), DOMAIN).unwrap().registry()
    };
    let global = "2001:db8::1".parse().unwrap();
    assert_eq!(registry(global, "127.0.0.1:8000"), None);
    assert_eq!(registry(global, "[::1]:8000"), None);
    assert_eq!(registry(global, "[::]:8000"), None);
    assert!(registry(global, "[2001:db8::1]:8000").is_some());
    assert!(registry(Ipv6Addr::LOCALHOST, "[::1]:8000").is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nothing that comes makes a node panic, whoever closed the envelope.
    #[test]
    fn any_bytes_are_taken_or_dropped(bytes in proptest::collection::vec(any::<u8>(), 0..1300)) {
        let token = Seal::of_token(b"a token", DOMAIN);
        let mut node = second(&token);
        let _ = node.receive(address(1), &bytes, 0);
        let _ = node.receive(address(1), &token.close(&bytes), 0);
        let mut open = second(&Seal::open_network());
        let _ = open.receive(address(1), &Seal::open_network().close(&bytes), 0);
    }

    /// Nor does a datagram that was right before some of its bytes were changed.
    #[test]
    fn broken_datagrams_are_taken_or_dropped(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<proptest::sample::Index>(),
    ) {
        let open = Seal::open_network();
        let mut bytes = announcement(DOMAIN, &open);
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let mut node = second(&open);
        let _ = node.receive(address(1), &bytes, 0);
        node.tick(60_000);
    }
}
