//! A full disk: what cannot be stored is answered so, and forgotten; what can be read is; and with room, all goes on.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::nodes::{id, proof, register};
use tempfile::tempdir;
use trustnet_api::network::NodeState;
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions, WriteError};
use trustnet_registry::sqlite::StoreError;

const DISK: &str = "TRUSTNET_REGISTRY_TEST_DISK";

#[test]
fn a_registry_outlives_a_full_disk() {
    let folder = tempdir().expect("a folder");
    let script = r#"mount -t tmpfs -o size=3m tmpfs "$1" && shift && exec "$@""#;
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-ec",
            script,
            "sh",
        ])
        .arg(folder.path())
        .arg(env::current_exe().expect("this program"))
        .args([
            "--exact",
            "full_disk::the_process_with_the_full_disk",
            "--nocapture",
        ])
        .env(DISK, folder.path())
        .output()
        .expect("unshare starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("1 passed"), "{said}\n{complained}");
}

/// Not a test of its own: what the one above starts, on a disk of 3 MiB.
#[test]
fn the_process_with_the_full_disk() {
    if let Some(disk) = env::var_os(DISK).map(PathBuf::from) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(fill_and_free(disk));
    }
}

async fn fill_and_free(disk: PathBuf) {
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 1024 * 1024]).expect("room");
    let last = disk.join("last");
    fs::write(&last, vec![1; 64 * 1024]).expect("room");
    let database = disk.join("registry.db");
    let open = || Registrar::open(&database, StoreOptions::default(), Clock::system());
    let registrar = open().expect("a new database");
    let full = fill(&registrar, 0).await;
    assert!(full > 100, "{full}");
    let seen = || {
        registrar.read(|directory| {
            (
                directory.version(),
                directory.len() as u64,
                directory.log().count() as u64,
            )
        })
    };
    assert_eq!(seen(), (full, full, full));
    assert!(registrar.read(|directory| directory.get(id(full)).is_none()));

    // Heartbeats are taken, also while they cannot be stored.
    for sequence in 1..=3 {
        let state = registrar.beat(id(0), sequence, proof(2)).await;
        assert!(matches!(state, Ok(NodeState::Active)), "{state:?}");
    }
    // It is no better for asking again; nor is anything lost.
    assert_eq!(fill(&registrar, full).await, full);
    assert_eq!(seen(), (full, full, full));
    let snapshot = registrar.snapshot_file(&disk.join("snapshots")).await;
    assert!(
        matches!(snapshot, Err(StoreError::File { .. })),
        "{snapshot:?}"
    );

    fs::remove_file(&ballast).expect("more room");
    let more = fill(&registrar, full).await;
    assert!(more > full, "it goes on with more room");
    assert_eq!(seen(), (more, more, more));
    // The heartbeats have waited for this.
    fs::remove_file(&last).expect("a little room");
    registrar.close().await;
    let registrar = open().expect("the database");
    registrar.read(|directory| {
        assert_eq!((directory.version(), directory.len() as u64), (more, more));
        assert_eq!(directory.get(id(0)).map(|node| node.sequence), Some(3));
    });
    registrar.close().await;
}

/// Registers nodes until the disk takes none; the number of the first that it did not take.
async fn fill(registrar: &Registrar, from: u64) -> u64 {
    for number in from.. {
        match registrar.write(register(number, 9000, 1)).await {
            Ok(_) => {}
            Err(WriteError::Store(error)) => {
                assert!(matches!(*error, StoreError::Sql { .. }), "{error}");
                assert!(error.to_string().contains("full"), "{error}");
                return number;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no disk holds them all");
}
