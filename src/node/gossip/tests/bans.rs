//! Whom the administrator keeps out, and who is gone.

use std::collections::BTreeSet;

use trustnet_core::network::NodeId;

use super::super::Notice;
use super::{Network, chain, id};

impl Network {
    /// Registries tell a node that these, and no others, are banned.
    fn ban(&mut self, number: u8, banned: &[u8]) {
        let banned: BTreeSet<NodeId> = banned.iter().map(|number| id(*number)).collect();
        let now = self.now;
        self.nodes.get_mut(&number).unwrap().keep_out(&banned, now);
        self.send(number);
    }
}

#[test]
fn a_banned_node_is_out_for_whoever_knows_of_it_and_comes_back_when_it_is_let_in() {
    for seed in 10..13 {
        let mut network = chain(10, seed, 0);
        network.run(60_000);
        assert!(network.converged());
        // Half of them have heard of it; the others go on telling of the banned one.
        let (aware, others): (Vec<u8>, Vec<u8>) = [1, 2, 4, 5, 6, 7, 8, 9, 10]
            .into_iter()
            .partition(|number| *number <= 5);
        for number in &aware {
            network.ban(*number, &[3]);
            let told = network.nodes.get_mut(number).unwrap().notices();
            assert!(matches!(told.last(), Some(Notice::Down(card)) if card.id() == id(3)));
        }
        for second in 0..60 {
            if second == 20 {
                // It starts again, and those who have not heard tell of its new card.
                network.start(3, 2);
                network.introduce(3, others[0]);
            }
            network.run(1000);
            for number in &aware {
                assert!(!network.alive(*number).contains(&3), "seed {seed}");
            }
        }
        for number in aware.iter().chain(&others) {
            // Nobody else is lost over it.
            let alive: BTreeSet<u8> = network.alive(*number).into_iter().collect();
            let all = (1..=10).filter(|other| other != number && *other != 3);
            assert!(alive.is_superset(&all.collect()), "seed {seed}: {number}");
        }
        assert!(network.alive(others[0]).contains(&3), "it is told of");
        for number in &others {
            network.ban(*number, &[3]);
        }
        network.run(1000);
        let heard = network.nodes[&3].counts().received;
        network.run(60_000);
        assert_eq!(
            network.nodes[&3].counts().received,
            heard,
            "nobody calls it"
        );
        for (number, node) in network.nodes.iter_mut().filter(|(number, _)| **number != 3) {
            let alive = node
                .members()
                .any(|(card, alive)| alive && card.id() == id(3));
            assert!(!alive, "seed {seed}: {number}");
            let up = |notice: &Notice| matches!(notice, Notice::Up(card) if card.id() == id(3));
            assert!(!node.notices().iter().rev().take(1).any(up));
        }
        // It calls whom it knows, and nobody hears.
        let before = network.nodes[&1].counts().banned;
        network.introduce(3, 1);
        network.run(1000);
        assert!(network.nodes[&1].counts().banned > before);
        assert!(!network.alive(1).contains(&3));

        for number in aware.into_iter().chain(others) {
            network.ban(number, &[]);
        }
        network.run(300_000);
        assert!(network.converged(), "seed {seed}");
    }
}

#[test]
fn who_has_come_and_gone_unseen_is_not_told_of_as_if_it_lived() {
    let mut network = chain(6, 13, 0);
    network.run(60_000);
    network.nodes.remove(&3);
    network.run(60_000);
    network.nodes.get_mut(&1).unwrap().notices();
    // The first node does not hear that it comes again, only that it goes.
    network.sides.insert(1, 1);
    network.start(3, 2);
    network.introduce(3, 4);
    network.run(3000);
    assert!(network.alive(5).contains(&3));
    let now = network.now;
    network.nodes.get_mut(&3).unwrap().leave(now);
    network.send(3);
    network.nodes.remove(&3);
    network.run(500);
    network.sides.clear();
    network.run(10_000);
    let notices = network.nodes.get_mut(&1).unwrap().notices();
    let of_it = |notice: &Notice| match notice {
        Notice::Up(card) => (card.id() == id(3)).then_some(true),
        Notice::Down(card) => (card.id() == id(3)).then_some(false),
        Notice::Refuted => None,
    };
    let told: Vec<bool> = notices.iter().filter_map(of_it).collect();
    assert_eq!(told.last(), Some(&false), "{notices:?}");
}
