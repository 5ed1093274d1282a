//! Many nodes on a network that is made of memory: seeded, with a clock of its own.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod bans;
mod cards;

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

use trustnet_core::network::NodeId;
use trustnet_core::network::signature::SigningKey;

use super::{Claim, Dropped, Gossip, GossipSettings, Seal};

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
