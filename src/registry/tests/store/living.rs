//! A directory that lives: who falls silent, who follows, what is forgotten.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::tempdir;
use trustnet_api::network::{Changes, NodeState, RegistryRole, Snapshot};
use trustnet_core::network::{Gap, Liveness, NodeId, Now, Refusal, Write};
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions, WriteError, Written};

use crate::nodes::{id, proof, register, register_all};
use crate::{ban, remove};

/// When the tests play: milliseconds since 1970.
const WALL: u64 = 1_800_000_000_000;
const LIVENESS: Liveness = Liveness {
    interval: 30,
    offline_after: 90,
    inactive_after: 3600,
    removed_after: 86_400,
};

/// A clock that is set by hand.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn set(&self, steady: u64) {
        self.0.store(steady, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let hand = self.clone();
        Clock::new(move || {
            let steady = hand.0.load(Ordering::SeqCst);
            let wall = i64::try_from(WALL + steady).expect("a short test");
            Now { wall, steady }
        })
    }
}

fn open(path: &Path, role: RegistryRole, clock: Clock) -> Registrar {
    let options = StoreOptions {
        role,
        liveness: LIVENESS,
        log_capacity: 100,
        max_pages: None,
    };
    Registrar::open(path, options, clock).expect("a database")
}

fn state(registrar: &Registrar, number: u64) -> Option<NodeState> {
    registrar.read(|directory| directory.get(id(number)).map(|node| node.state))
}

/// Waits for the writing thread to have found a node as it is to be.
async fn until(registrar: &Registrar, number: u64, expected: Option<NodeState>) {
    let mut versions = registrar.versions();
    while state(registrar, number) != expected {
        versions.changed().await.expect("a change");
    }
}

#[tokio::test]
async fn a_root_finds_who_is_silent_and_a_beat_brings_them_back_durably() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("registry.db");
    let hand = Hand::default();
    let registrar = open(&path, RegistryRole::Root, hand.clock());
    register_all(&registrar, 0..3).await;
    hand.set(91);
    until(&registrar, 0, Some(NodeState::Offline)).await;
    let beaten = registrar.beat(id(1), 1, proof(2)).await;
    assert!(matches!(beaten, Ok(NodeState::Active)), "{beaten:?}");
    assert_eq!(state(&registrar, 1), Some(NodeState::Active));
    until(&registrar, 2, Some(NodeState::Offline)).await;
    registrar.close().await;

    // A restart is no silence, however long it took.
    hand.set(100_000);
    let registrar = open(&path, RegistryRole::Root, hand.clock());
    assert_eq!(state(&registrar, 0), Some(NodeState::Offline));
    assert_eq!(state(&registrar, 1), Some(NodeState::Active));
    hand.set(100_000 + 86_401);
    until(&registrar, 0, None).await;
    until(&registrar, 1, None).await;
    let unknown = registrar.beat(id(0), 9, proof(9)).await;
    assert!(
        matches!(unknown, Err(WriteError::Refused(Refusal::Unknown(_)))),
        "{unknown:?}"
    );
    registrar.close().await;
}

#[tokio::test]
async fn a_secondary_takes_a_snapshot_and_follows_and_opens_where_it_was() {
    let folder = tempdir().expect("a folder");
    let clock = Hand::default().clock();
    let root = open(
        &folder.path().join("root.db"),
        RegistryRole::Root,
        clock.clone(),
    );
    let path = folder.path().join("secondary.db");
    let secondary = open(&path, RegistryRole::Secondary, clock.clone());
    register_all(&root, 0..20).await;
    let file = root.snapshot_file(folder.path()).await.expect("a snapshot");
    let text = std::fs::read_to_string(file).expect("the snapshot");
    let snapshot: Snapshot = serde_json::from_str(&text).expect("a snapshot");
    secondary.replace(snapshot, id(99)).await.expect("room");
    assert_eq!(told(&secondary), told(&root));

    root.write(register(3, 9003, 2)).await.expect("known");
    root.write(remove(4, 2)).await.expect("known");
    root.write(register(20, 9000, 2)).await.expect("new");
    let changes = changes(&root, 20);
    let mut versions = secondary.versions();
    secondary
        .follow(changes.clone())
        .await
        .expect("they follow");
    assert_eq!(*versions.borrow_and_update(), 23);
    assert_eq!(told(&secondary), told(&root));
    let again = secondary.follow(changes.clone()).await;
    let gap = Gap {
        from: 20,
        version: 23,
    };
    assert!(
        matches!(again, Err(WriteError::Gap(found)) if found == gap),
        "{again:?}"
    );
    let mut odd = changes;
    odd.from_version = 23;
    odd.changes[0].version = 24;
    odd.changes.truncate(1);
    odd.changes[0].node.node_id = id(77).to_string();
    let refused = secondary.follow(odd).await;
    assert!(
        matches!(refused, Err(WriteError::Refused(Refusal::Invalid { .. }))),
        "{refused:?}"
    );
    assert_eq!(told(&secondary), told(&root));

    secondary.close().await;
    let secondary = open(&path, RegistryRole::Secondary, clock);
    assert_eq!(told(&secondary), told(&root));
    assert!(
        secondary.read(|directory| directory.changes(20, 10).is_some_and(|log| log.len() == 3))
    );
    secondary.close().await;
    root.close().await;
}

/// What the root tells of since a version.
fn changes(root: &Registrar, since: u64) -> Changes {
    let now = root.now();
    root.read(|directory| Changes {
        from_version: since,
        to_version: directory.version(),
        changes: directory
            .changes(since, 1000)
            .expect("they are known")
            .into_iter()
            .map(|entry| entry.wire(&now))
            .collect(),
    })
}

/// What is told of a directory.
fn told(registrar: &Registrar) -> (u64, Vec<(NodeId, u16, NodeState, String)>) {
    let now = registrar.now();
    registrar.read(|directory| {
        let nodes = directory.after(None);
        let told = nodes.map(|node| {
            (
                node.id,
                node.port,
                node.state,
                format!("{:?}", node.record(&now)),
            )
        });
        (directory.version(), told.collect())
    })
}

#[tokio::test]
async fn what_removed_nodes_signed_is_kept_as_long_as_it_could_come_again() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("registry.db");
    let hand = Hand::default();
    let signed = WALL / 1000;
    let registrar = open(&path, RegistryRole::Root, hand.clock());
    registrar
        .write(register(1, 9000, signed))
        .await
        .expect("new");
    registrar.write(remove(1, signed + 1)).await.expect("known");
    registrar.close().await;
    // A day and five minutes is what a secondary's queue may take, and a signature be old.
    for (later, kept) in [(86_400 + 300, 1), (86_400 + 302, 0)] {
        hand.set(later * 1000);
        open(&path, RegistryRole::Root, hand.clock()).close().await;
        let registrar = open(&path, RegistryRole::Root, hand.clock());
        assert_eq!(
            registrar.read(|directory| directory.departed().count()),
            kept,
            "{later}"
        );
        registrar.close().await;
    }
}

#[tokio::test]
async fn a_node_can_be_banned_for_a_day_after_it_left_whenever_it_signed_last() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("registry.db");
    let hand = Hand::default();
    let day = 86_400;
    let registrar = open(&path, RegistryRole::Root, hand.clock());
    let write = register(1, 9000, WALL / 1000 - 7 * day);
    registrar.write(write).await.expect("new");
    let write = Write::Remove {
        id: id(1),
        proof: proof(WALL / 1000),
        by_administrator: true,
    };
    registrar.write(write).await.expect("known");
    registrar.close().await;
    hand.set(day * 1000);
    // What is too old is forgotten as soon as there is a writer.
    open(&path, RegistryRole::Root, hand.clock()).close().await;
    let registrar = open(&path, RegistryRole::Root, hand.clock());
    let banned = registrar.write(ban(1, true, WALL / 1000 + day)).await;
    assert!(matches!(banned, Ok(Written::Changed(_))), "{banned:?}");
    registrar.close().await;
}

#[tokio::test]
async fn who_asks_after_the_end_is_told_so() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("registry.db");
    let registrar = open(&path, RegistryRole::Root, Hand::default().clock());
    register_all(&registrar, 0..3).await;
    registrar.clone().close().await;
    let late = registrar
        .write(register(4, 9000, 1))
        .await
        .expect_err("it is closed");
    assert_eq!(late.to_string(), "the registry is shutting down");
    assert_eq!(
        registrar.read(|directory| directory.len()),
        3,
        "what it knows can be read"
    );
}
