//! What was acknowledged is there when the database is opened again.

use crate::nodes::{id, proof, register};
use crate::remove;
use tempfile::tempdir;
use trustnet_api::network::{ChangeType, NodeState};
use trustnet_core::network::{Refusal, Write};
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions, WriteError, Written};

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
    let ban = Write::Ban {
        id: id(5),
        banned: true,
        proof: proof(now + 1),
    };
    registrar.write(ban).await.expect("it is there");
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
    let told = |directory: &trustnet_core::network::Directory| -> Vec<_> {
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
    let log = |directory: &trustnet_core::network::Directory| -> Vec<_> {
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
