//! What was acknowledged is there when the database is opened again.

use crate::ban;
use crate::nodes::{id, proof, register};
use crate::remove;
use tempfile::tempdir;
use trustnet_api::network::{ChangeType, NodeState, RegistryRole};
use trustnet_core::network::{Directory, Refusal};
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions, WriteError, Written};
use trustnet_registry::snapshots;

#[tokio::test]
async fn a_closed_directory_opens_as_it_was() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("data/registry.db");
    let options = StoreOptions::default();
    let registrar = Registrar::open(&path, options, Clock::system()).expect("a new database");
    let now = registrar.now().seconds();
    for number in 0..20 {
        let written = registrar.write(register(number, 9000, now)).await;
        assert!(
            matches!(written, Ok(Written::Changed(entry)) if entry.change == ChangeType::NodeRegistered)
        );
    }
    let written = registrar.write(register(3, 9003, now + 1)).await;
    assert!(
        matches!(written, Ok(Written::Changed(entry)) if entry.change == ChangeType::NodeUpdated)
    );
    registrar
        .write(remove(4, now + 1))
        .await
        .expect("it is there");
    registrar
        .write(ban(5, true, now + 1))
        .await
        .expect("it is there");
    registrar
        .beat(id(6), 17, proof(now + 2))
        .await
        .expect("it is there");
    let before = registrar.read(Clone::clone);
    registrar.close().await;

    let registrar = Registrar::open(&path, options, Clock::system()).expect("the database");
    let after = registrar.read(Clone::clone);
    assert_eq!(after.version(), 23);
    assert_eq!(after.counts(), before.counts());
    let told = |directory: &Directory| -> Vec<_> {
        let nodes = directory.after(None);
        nodes
            .map(|node| {
                (
                    node.id,
                    node.port,
                    node.state,
                    node.sequence,
                    node.last_heartbeat,
                    node.signed.clone(),
                )
            })
            .collect()
    };
    assert_eq!(told(&after), told(&before));
    assert_eq!(
        after.get(id(5)).map(|node| node.state),
        Some(NodeState::Banned)
    );
    assert_eq!(after.get(id(6)).map(|node| node.sequence), Some(17));
    let log = |directory: &Directory| -> Vec<_> {
        let entries = directory.log();
        entries
            .map(|entry| (entry.version, entry.change, entry.node.id))
            .collect()
    };
    assert_eq!(log(&after), log(&before));
    let replayed = registrar.write(register(4, 9000, now)).await;
    assert!(matches!(
        replayed,
        Err(WriteError::Refused(Refusal::Replayed))
    ));
    registrar.close().await;
}

#[tokio::test]
async fn what_the_administrator_signed_is_known_after_a_start() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("registry.db");
    let open = || Registrar::open(&path, StoreOptions::default(), Clock::system());
    let registrar = open().expect("a new database");
    let now = registrar.now().seconds();
    registrar
        .write(register(1, 9000, now))
        .await
        .expect("it is new");
    for write in [
        ban(1, true, now + 1),
        ban(1, false, now + 2),
        remove(1, now + 3),
    ] {
        registrar.write(write).await.expect("it is there");
    }
    registrar.close().await;
    let registrar = open().expect("the database");
    registrar
        .write(register(1, 9000, now + 4))
        .await
        .expect("it comes back");
    let replayed = registrar.write(ban(1, true, now + 1)).await;
    assert!(
        matches!(replayed, Err(WriteError::Refused(Refusal::Replayed))),
        "{replayed:?}"
    );
    registrar.close().await;
}

#[tokio::test]
async fn a_decision_that_changed_nothing_is_known_after_a_start() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("registry.db");
    let open = || Registrar::open(&path, StoreOptions::default(), Clock::system());
    let registrar = open().expect("a new database");
    let now = registrar.now().seconds();
    registrar
        .write(register(1, 9000, now))
        .await
        .expect("it is new");
    let unchanged = registrar.write(ban(1, false, now + 2)).await;
    assert!(matches!(unchanged, Ok(Written::Unchanged)), "{unchanged:?}");
    registrar.close().await;
    let registrar = open().expect("the database");
    let older = registrar.write(ban(1, true, now + 1)).await;
    assert!(
        matches!(older, Err(WriteError::Refused(Refusal::Replayed))),
        "{older:?}"
    );
    assert_eq!(registrar.read(Directory::version), 1);
    registrar.close().await;
}

#[tokio::test]
async fn a_root_from_a_promotion_or_a_snapshot_knows_since_when_it_is_one() {
    let folder = tempdir().expect("a folder");
    let [promoted, restored] = ["promoted.db", "restored.db"].map(|file| folder.path().join(file));
    let open = |path, role| {
        let options = StoreOptions {
            role,
            ..StoreOptions::default()
        };
        Registrar::open(path, options, Clock::system()).expect("a database")
    };
    let registrar = open(&restored, RegistryRole::Root);
    let now = registrar.now();
    let start = now.seconds();
    for write in [register(1, 9000, 1), ban(1, true, start - 60)] {
        registrar.write(write).await.expect("it is there");
    }
    let snapshot = registrar
        .snapshot_file(folder.path())
        .await
        .expect("a file");
    registrar.close().await;
    snapshots::restore(&restored, &snapshot, &now).expect("it is restored");
    let registrar = open(&promoted, RegistryRole::Secondary);
    let told = std::fs::read(&snapshot).expect("a snapshot");
    let told = serde_json::from_slice(&told).expect("a snapshot");
    registrar.replace(told, id(99)).await.expect("it is told");
    registrar.close().await;
    Registrar::promote(&promoted, &now).expect("it is a root's");
    for path in [&promoted, &restored] {
        // It is known after each start.
        for _ in 0..2 {
            let registrar = open(path, RegistryRole::Root);
            let old = registrar.write(ban(1, false, start - 30)).await;
            assert!(
                matches!(old, Err(WriteError::Refused(Refusal::BeforeRoot(_)))),
                "{old:?}"
            );
            registrar.close().await;
        }
        let registrar = open(path, RegistryRole::Root);
        let anew = registrar.write(ban(1, false, start + 1)).await;
        assert!(matches!(anew, Ok(Written::Changed(_))), "{anew:?}");
        registrar.close().await;
        // It is a secondary again, and not the root.
        let registrar = open(path, RegistryRole::Secondary);
        registrar.close().await;
        let registrar = open(path, RegistryRole::Secondary);
        assert_eq!(registrar.read(Directory::root_since), 0);
        registrar.close().await;
    }
}

#[tokio::test]
async fn a_node_that_left_can_be_banned_after_a_start_and_stays_so() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("registry.db");
    let open = || Registrar::open(&path, StoreOptions::default(), Clock::system());
    let registrar = open().expect("a new database");
    let now = registrar.now().seconds();
    for write in [register(1, 9000, now), remove(1, now + 1)] {
        registrar.write(write).await.expect("it is there");
    }
    registrar.close().await;
    let registrar = open().expect("the database");
    registrar
        .write(ban(1, true, now))
        .await
        .expect("it is remembered");
    registrar.close().await;
    let registrar = open().expect("the database");
    let state = registrar.read(|directory| directory.get(id(1)).map(|node| node.state));
    assert_eq!(state, Some(NodeState::Banned));
    registrar.close().await;
}
