//! The directory against a model so simple that it is right by sight, over drawn histories.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trustnet_api::network::NodeState;
use trustnet_core::network::{Batch, Directory, Liveness, Node, NodeId, Offer, Refusal, Write};

use crate::model::{Known, Model};
use crate::nodes::{at, ban, id, proof, registration};

const NAMES: [&str; 4] = ["ada", "bob", "eve", "joe"];
const LOG: usize = 7;
const LIVENESS: Liveness = Liveness {
    interval: 10,
    offline_after: 30,
    inactive_after: 60,
    removed_after: 100,
};

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    Register {
        node: u8,
        name: usize,
        port: u16,
        admitted: bool,
    },
    Remove {
        node: u8,
        by_administrator: bool,
    },
    Ban {
        node: u8,
        banned: bool,
    },
    Revive {
        node: u8,
    },
    /// Something that was offered before comes again.
    Again {
        which: prop::sample::Index,
    },
    Beat {
        node: u8,
        ahead: u64,
    },
    Time {
        passes: u64,
    },
    Sweep,
    Commit,
}

fn event() -> impl Strategy<Value = Event> {
    let node = 0..6_u8;
    prop_oneof![
        6 => (node.clone(), 0..NAMES.len(), 1..4_u16, prop::bool::weighted(0.9))
            .prop_map(|(node, name, port, admitted)| Event::Register { node, name, port, admitted }),
        2 => (node.clone(), any::<bool>())
            .prop_map(|(node, by_administrator)| Event::Remove { node, by_administrator }),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, banned)| Event::Ban { node, banned }),
        1 => node.clone().prop_map(|node| Event::Revive { node }),
        2 => any::<prop::sample::Index>().prop_map(|which| Event::Again { which }),
        3 => (node, 0..3_u64).prop_map(|(node, ahead)| Event::Beat { node, ahead }),
        2 => (1..40_u64).prop_map(|passes| Event::Time { passes }),
        1 => Just(Event::Sweep),
        4 => Just(Event::Commit),
    ]
}

/// A directory beside its model, and a follower that is told of changes only.
struct Play {
    directory: Directory,
    follower: Directory,
    batch: Batch,
    /// The model with what is committed, and with what is in the batch besides.
    committed: Model,
    current: Model,
    offered: Vec<Write>,
    now: u64,
    /// Directories at versions before.
    past: Vec<Directory>,
}

impl Play {
    fn new() -> Self {
        let directory = Directory::new(LOG);
        Self {
            batch: Batch::new(&directory),
            follower: directory.clone(),
            past: vec![directory.clone()],
            directory,
            committed: Model::default(),
            current: Model::default(),
            offered: Vec::new(),
            now: 0,
        }
    }

    fn happen(&mut self, event: &Event) {
        // A second of its own for each signature.
        let created = self.offered.len() as u64 + 1;
        let signed = proof(created, created);
        match event {
            Event::Register {
                node,
                name,
                port,
                admitted,
            } => self.offer(Write::Register {
                registration: registration(*node, NAMES[*name], *port),
                proof: signed,
                admitted: *admitted,
            }),
            Event::Remove {
                node,
                by_administrator,
            } => self.offer(Write::Remove {
                id: id(*node),
                proof: signed,
                by_administrator: *by_administrator,
            }),
            Event::Ban { node, banned } => self.offer(ban(*node, *banned, created)),
            Event::Revive { node } => self.offer(Write::Revive { id: id(*node) }),
            Event::Again { which } if !self.offered.is_empty() => {
                self.offer(which.get(&self.offered).clone());
            }
            Event::Again { .. } => {}
            Event::Beat { node, ahead } => self.beat(id(*node), *ahead),
            Event::Time { passes } => self.now += passes,
            Event::Sweep => {
                for write in self.directory.sweep(&LIVENESS, &at(self.now)) {
                    self.offer(write);
                }
            }
            Event::Commit => self.commit(),
        }
    }

    fn offer(&mut self, write: Write) {
        self.offered.push(write.clone());
        let offer = self.batch.offer(&self.directory, &write, &at(self.now));
        if offer == Offer::Later {
            let entries = self.batch.entries();
            assert!(
                !entries.is_empty() || !self.batch.noted().is_empty(),
                "there is nothing to wait for"
            );
            self.commit();
            self.offered.pop();
            return self.offer(write);
        }
        let directory = self.directory.clone();
        let beat_at = |id| directory.get(id).map_or(0, |node| node.beat_at);
        let expected = self.committed.clone().write(&write, beat_at);
        match offer {
            Offer::Taken(entry) => {
                assert_eq!(expected, Ok(Some(entry.change)), "{write:?}");
                // What was right before the batch is right after those that are in it.
                assert_eq!(self.current.write(&write, beat_at), expected, "{write:?}");
            }
            Offer::Noted => {
                assert_eq!(expected, Ok(None), "{write:?}");
                assert_eq!(self.current.write(&write, beat_at), expected, "{write:?}");
            }
            Offer::Unchanged => assert_eq!(expected, Ok(None), "{write:?}"),
            Offer::Refused(refusal) => assert_eq!(expected, Err(()), "{write:?}: {refusal}"),
            Offer::Later => panic!("asked above"),
        }
    }

    fn beat(&mut self, id: NodeId, ahead: u64) {
        let last = self
            .directory
            .get(id)
            .map(|node| (node.sequence, node.signed.at));
        let (sequence, signed) = last.unwrap_or_default();
        let version = self.directory.version();
        let beaten = self
            .directory
            .beat(id, sequence + ahead, &proof(signed, 0), &at(self.now));
        let known = self.committed.known.get(&id);
        match beaten {
            Ok(beaten) => {
                let known = known.expect("it is known");
                assert!(ahead > 0 && known.state != NodeState::Banned);
                assert_eq!(beaten.revive, known.state != NodeState::Active);
                let node = self.directory.get(id).expect("it is there");
                assert_eq!((node.sequence, node.beat_at), (sequence + ahead, self.now));
            }
            Err(Refusal::Unknown(_)) => assert_eq!(known, None),
            Err(Refusal::Banned(_)) => {
                assert_eq!(known.map(|known| known.state), Some(NodeState::Banned))
            }
            Err(Refusal::StaleSequence { last }) => assert!(ahead == 0 && last == sequence),
            Err(refusal) => panic!("{refusal}"),
        }
        assert_eq!(self.directory.version(), version);
    }

    fn commit(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Batch::new(&self.directory));
        for (id, signed) in batch.noted() {
            self.directory.remember_administered(*id, signed.clone());
        }
        let (from, entries) = (batch.from(), batch.into_entries());
        assert_eq!(from, self.directory.version());
        for (version, entry) in (from + 1..).zip(&entries) {
            assert_eq!(entry.version, version);
        }
        let log_from = self.directory.log_from(&entries);
        self.directory
            .apply(from, entries, &at(self.now))
            .expect("it follows");
        self.committed = self.current.clone();
        self.batch = Batch::new(&self.directory);
        assert_eq!(
            self.directory.changes(log_from, 0),
            Some(vec![]),
            "the oldest that is known"
        );
        if let Some(before) = log_from.checked_sub(1) {
            assert_eq!(self.directory.changes(before, 0), None);
        }
        self.compare();
        self.past.push(self.directory.clone());
    }

    fn compare(&mut self) {
        let directory = &self.directory;
        let known: BTreeMap<NodeId, Known> = directory
            .after(None)
            .map(|node| {
                let known = Known {
                    name: node.name.to_string(),
                    port: node.port,
                    state: node.state,
                    signed: node.signed.at,
                };
                (node.id, known)
            })
            .collect();
        assert_eq!(known, self.committed.known);
        let left: BTreeMap<NodeId, u64> = directory
            .departed()
            .map(|(id, left)| (id, left.signed.at))
            .collect();
        assert_eq!(left, self.committed.left);
        let administered: BTreeMap<NodeId, u64> = directory
            .administered()
            .map(|(id, signed)| (id, signed.at))
            .collect();
        assert_eq!(administered, self.committed.administered);
        for name in NAMES {
            let holder = known.iter().find(|(_, known)| known.name == name);
            assert_eq!(
                directory.named(name).map(|node| node.id),
                holder.map(|(id, _)| *id)
            );
        }
        let count = |state| known.values().filter(|known| known.state == state).count() as u64;
        let counts = directory.counts();
        assert_eq!(
            (
                counts.active,
                counts.offline,
                counts.inactive,
                counts.banned
            ),
            (
                count(NodeState::Active),
                count(NodeState::Offline),
                count(NodeState::Inactive),
                count(NodeState::Banned)
            )
        );
        let banned = known
            .iter()
            .filter(|(_, known)| known.state == NodeState::Banned);
        let banned: Vec<NodeId> = banned.map(|(id, _)| *id).collect();
        for after in std::iter::once(None).chain(known.keys().copied().map(Some)) {
            let listed = directory.banned_after(after).map(|node| node.id);
            let wanted = banned.iter().copied().filter(|id| Some(*id) > after);
            assert!(listed.eq(wanted), "after {after:?}");
        }
        for before in &self.past {
            catch_up(&mut before.clone(), directory);
        }
        if !catch_up(&mut self.follower, directory) {
            let nodes: Vec<Node> = directory
                .after(None)
                .map(|node| Node::clone(node))
                .collect();
            self.follower.replace(directory.version(), nodes);
            assert_eq!(told(&self.follower), told(directory));
        }
    }
}

/// Lets a follower take in the changes since its version, a few at a time; whether they were still known.
fn catch_up(follower: &mut Directory, directory: &Directory) -> bool {
    while follower.version() != directory.version() {
        let Some(changes) = directory.changes(follower.version(), 3) else {
            return false;
        };
        let changes = changes.into_iter().cloned().collect();
        let before = follower.version();
        follower
            .apply(before, changes, &at(0))
            .expect("they follow");
        assert!(follower.version() > before, "versions ascend");
    }
    assert_eq!(told(follower), told(directory));
    assert_eq!(follower.counts(), directory.counts());
    true
}

/// What a follower is told of; beats are not.
fn told(directory: &Directory) -> Vec<(NodeId, String, u16, NodeState, i64)> {
    let nodes = directory.after(None);
    nodes
        .map(|node| {
            (
                node.id,
                node.name.to_string(),
                node.port,
                node.state,
                node.first_seen,
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_history_ends_as_the_model_says_and_followers_see_the_same(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut play = Play::new();
        for event in &events {
            play.happen(event);
        }
        play.commit();
    }
}
