//! A damaged database is found when it is opened, left as it is, and a snapshot restored in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::ban;
use crate::nodes::{id, register, register_all};
use crate::remove;
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};
use trustnet_api::network::RegistryRole;
use trustnet_core::network::Directory;
use trustnet_registry::clock::Clock;
use trustnet_registry::queue::Queue;
use trustnet_registry::registrar::{Registrar, StoreOptions};
use trustnet_registry::snapshots::{self, Restored};
use trustnet_registry::sqlite::StoreError;

const NODES: u64 = 300;

/// A root's database that was closed, and a snapshot of it.
struct Made {
    folder: TempDir,
    database: PathBuf,
    snapshot: PathBuf,
}

async fn made() -> Made {
    let folder = tempdir().expect("a folder");
    let database = folder.path().join("registry.db");
    let registrar = open(&database).expect("a new database");
    register_all(&registrar, 0..NODES).await;
    registrar
        .write(remove(7, 4_000_000_000))
        .await
        .expect("it is there");
    registrar
        .write(ban(8, true, 4_000_000_000))
        .await
        .expect("it is there");
    let snapshot = registrar
        .snapshot_file(&folder.path().join("snapshots"))
        .await
        .expect("a snapshot");
    registrar.close().await;
    Made {
        folder,
        database,
        snapshot,
    }
}

fn open(database: &Path) -> Result<Registrar, StoreError> {
    Registrar::open(database, StoreOptions::default(), Clock::system())
}

fn restore(made: &Made) -> Restored {
    snapshots::restore(&made.database, &made.snapshot, &Clock::system().now())
        .expect("it is restored")
}

/// What of a directory is not lost with the database: what is told of it.
fn told(directory: &Directory) -> Vec<(String, String, u16)> {
    let nodes = directory.after(None);
    nodes
        .map(|node| (node.id.to_string(), node.name.to_string(), node.port))
        .collect()
}

#[tokio::test]
async fn each_damage_is_refused_with_what_to_do_and_a_snapshot_restored() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 9] = [
        ("empty", Vec::clear),
        ("shorter than a header", |bytes| bytes.truncate(70)),
        ("its header alone", |bytes| bytes.truncate(100)),
        ("cut in the middle", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut by a page", |bytes| bytes.truncate(bytes.len() - 4096)),
        ("a header of zeros", |bytes| bytes[..100].fill(0)),
        ("a page of zeros", |bytes| bytes[5 * 4096..6 * 4096].fill(0)),
        ("another text", |bytes| {
            *bytes = b"registry:\n  port: 8000\n".repeat(100)
        }),
        ("noise in the middle", |bytes| {
            let middle = bytes.len() / 2;
            for (place, byte) in bytes[middle..middle + 64].iter_mut().enumerate() {
                *byte ^= u8::try_from(place * 37 % 251).expect("a byte") | 1;
            }
        }),
    ];
    for (name, damage) in damages {
        let made = made().await;
        let mut bytes = fs::read(&made.database).expect("the database");
        damage(&mut bytes);
        fs::write(&made.database, &bytes).expect("a damage");
        let refused = open(&made.database).expect_err(name).to_string();
        let words = format!("the database `{}` is damaged (", made.database.display());
        assert!(refused.starts_with(&words), "{name}: {refused}");
        assert!(refused.contains("--restore SNAPSHOT"), "{name}: {refused}");
        assert!(
            fs::read(&made.database).expect("the database") == bytes,
            "{name}: it was left as it is"
        );

        let restored = restore(&made);
        let aside = restored.set_aside.expect("the damaged one is kept");
        assert!(
            fs::read(aside).expect("the damaged one") == bytes,
            "{name}: it is kept as it is"
        );
        let registrar = open(&made.database).expect("the restored one");
        registrar.read(|directory| {
            assert_eq!(directory.len() as u64, NODES - 1);
            assert!(
                directory.version() > 1_000_000 + NODES,
                "{name}: versions go on"
            );
            assert_eq!(
                directory.changes(directory.version() - 1, 1),
                None,
                "followers take a snapshot"
            );
        });
        registrar
            .write(register(7, 9000, 5_000_000_000))
            .await
            .expect("it serves on");
        registrar.close().await;
    }
}

#[tokio::test]
async fn a_restored_directory_is_the_one_that_was_written() {
    let made = made().await;
    let before = open(&made.database).expect("the database");
    let nodes = before.read(told);
    before.close().await;
    fs::remove_file(&made.database).expect("a lost database");
    let restored = restore(&made);
    assert_eq!(restored.set_aside, None);
    assert_eq!(restored.nodes as u64, NODES - 1);
    let after = open(&made.database).expect("the restored one");
    assert_eq!(after.read(told), nodes);
    after.close().await;
    // A database that is well is set aside just so, with all that was in it.
    let aside = restore(&made).set_aside.expect("it is kept");
    let kept = open(&aside).expect("the one before");
    assert_eq!(kept.read(told), nodes);
    kept.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_snapshot_restores_nothing() {
    let made = made().await;
    let before = fs::read(&made.database).expect("the database");
    let text = fs::read_to_string(&made.snapshot).expect("the snapshot");
    for bad in [
        &text[..text.len() / 2],
        "",
        "{}",
        &text.replacen("0x", "0y", 1),
    ] {
        let path = made.folder.path().join("bad.json");
        fs::write(&path, bad).expect("a file");
        let refused = snapshots::restore(&made.database, &path, &Clock::system().now());
        assert!(
            matches!(refused, Err(StoreError::Snapshot { .. })),
            "{refused:?}"
        );
        assert!(fs::read(&made.database).expect("the database") == before);
    }
}

#[tokio::test]
async fn a_database_in_use_is_neither_opened_nor_restored_nor_promoted() {
    let made = made().await;
    let registrar = open(&made.database).expect("the database");
    let others: Vec<_> = std::thread::scope(|scope| {
        let others = [
            scope.spawn(|| open(&made.database).map(drop)),
            scope.spawn(|| Registrar::promote(&made.database, &Clock::system().now()).map(drop)),
            scope.spawn(|| {
                let now = Clock::system().now();
                snapshots::restore(&made.database, &made.snapshot, &now).map(drop)
            }),
        ];
        others.map(|other| other.join().expect("no panic")).into()
    });
    for other in others {
        assert!(matches!(other, Err(StoreError::InUse { .. })), "{other:?}");
    }
    registrar
        .write(register(7, 9000, 5_000_000_000))
        .await
        .expect("it serves on");
    registrar.close().await;
}

#[tokio::test]
async fn a_secondary_becomes_a_root_by_a_command_only() {
    let folder = tempdir().expect("a folder");
    let database = folder.path().join("registry.db");
    let options = StoreOptions {
        role: RegistryRole::Secondary,
        ..StoreOptions::default()
    };
    let secondary = || Registrar::open(&database, options, Clock::system());
    let missing = Registrar::promote(&database, &Clock::system().now());
    assert!(
        matches!(missing, Err(StoreError::File { .. })),
        "{missing:?}"
    );
    let registrar = secondary().expect("a new database");
    registrar.write(register(1, 9000, 1)).await.expect("room");
    registrar.close().await;
    let refused = open(&database)
        .expect_err("it is a secondary's")
        .to_string();
    assert!(refused.contains("--promote"), "{refused}");
    assert_eq!(
        Registrar::promote(&database, &Clock::system().now()).expect("it is made a root's"),
        1_000_001
    );
    let registrar = open(&database).expect("a root's database");
    registrar.read(|directory| {
        assert!(directory.get(id(1)).is_some());
        assert_eq!(directory.changes(1, 10), None, "followers take a snapshot");
    });
    registrar.close().await;
    // The old root comes back as a secondary, and stays one.
    secondary().expect("a root's database").close().await;
    assert!(matches!(open(&database), Err(StoreError::Secondary { .. })));
}

#[tokio::test]
async fn databases_of_newer_or_other_programs_are_refused_and_left() {
    let made = made().await;
    let change = |path: &Path, sql: &str| {
        let connection = rusqlite::Connection::open(path).expect("it opens");
        connection.execute_batch(sql).expect("it is SQL");
    };
    change(&made.database, "PRAGMA user_version = 99");
    let refused = open(&made.database);
    assert!(
        matches!(
            refused,
            Err(StoreError::Newer {
                found: 99,
                known: 1,
                ..
            })
        ),
        "{refused:?}"
    );
    let other = made.folder.path().join("other.db");
    change(&other, "CREATE TABLE photos (name TEXT)");
    let refused = open(&other);
    assert!(
        matches!(refused, Err(StoreError::Foreign { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn nobody_else_may_read_what_is_stored() {
    let folder = tempdir().expect("a folder");
    let data = folder.path().join("deep/data");
    let database = data.join("registry.db");
    let registrar = open(&database).expect("a new database");
    registrar.write(register(1, 9000, 1)).await.expect("room");
    let snapshot = registrar
        .snapshot_file(&data.join("snapshots"))
        .await
        .expect("a snapshot");
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&database), 0o600);
    assert_eq!(mode(&data.join("registry.db-wal")), 0o600);
    assert_eq!(mode(&data.join("snapshots")), 0o700);
    assert_eq!(mode(&snapshot), 0o600);
    registrar.close().await;
}

#[tokio::test]
async fn the_latest_snapshots_are_kept() {
    let folder = tempdir().expect("a folder");
    let snapshots = folder.path().join("snapshots");
    let registrar = open(&folder.path().join("registry.db")).expect("a new database");
    let mut written = Vec::new();
    for number in 0..5 {
        registrar
            .write(register(number, 9000, 1))
            .await
            .expect("room");
        written.push(
            registrar
                .snapshot_file(&snapshots)
                .await
                .expect("a snapshot"),
        );
    }
    fs::write(snapshots.join("notes.txt"), "mine").expect("a file");
    let there = || -> Vec<bool> { written.iter().map(|path| path.exists()).collect() };
    snapshots::prune(&snapshots, 3, &written[4]).expect("old ones go");
    assert_eq!(there(), [false, false, true, true, true]);
    // One that was just written stays, whatever its version is.
    snapshots::prune(&snapshots, 2, &written[2]).expect("an old one goes");
    assert_eq!(there(), [false, false, true, false, true]);
    assert!(snapshots.join("notes.txt").exists());
    registrar.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Wherever bytes change, either the database is refused, or nothing that matters was there.
    #[test]
    fn no_changed_byte_is_taken_for_what_was_written(
        place in any::<prop::sample::Index>(),
        noise in prop::collection::vec(1_u8.., 1..9),
    ) {
        static MADE: std::sync::OnceLock<(Vec<u8>, Vec<String>)> = std::sync::OnceLock::new();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (bytes, before) = MADE.get_or_init(|| runtime.block_on(async {
            let made = made().await;
            let bytes = fs::read(&made.database).expect("the database");
            let registrar = open(&made.database).expect("the database");
            let all = registrar.read(everything);
            registrar.close().await;
            (bytes, all)
        }));
        let folder = tempdir().expect("a folder");
        let database = folder.path().join("registry.db");
        let mut changed = bytes.clone();
        let place = place.index(bytes.len() - noise.len());
        for (byte, noise) in changed[place..].iter_mut().zip(&noise) {
            *byte ^= noise;
        }
        fs::write(&database, changed).expect("a file");
        match open(&database) {
            Ok(registrar) => {
                prop_assert_eq!(&registrar.read(everything), before);
                runtime.block_on(registrar.close());
            }
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Foreign { .. }
                | StoreError::Sql { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

/// All of a directory that is stored.
fn everything(directory: &Directory) -> Vec<String> {
    let nodes = directory.after(None).map(|node| {
        format!(
            "{:?} {:?} {:?}",
            node.record(&trustnet_core::network::Now { wall: 0, steady: 0 }),
            node.signed,
            node.sequence
        )
    });
    let log = directory
        .log()
        .map(|entry| format!("{} {:?} {}", entry.version, entry.change, entry.node.name));
    let departed = directory.departed().map(|departed| format!("{departed:?}"));
    let administered = directory.administered().map(|one| format!("{one:?}"));
    nodes
        .chain(log)
        .chain(departed)
        .chain(administered)
        .collect()
}

#[test]
fn a_damaged_queue_is_refused_with_what_to_do() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("queue.db");
    fs::write(&path, "").expect("a damage");
    let refused = Queue::open(&path).expect_err("it is empty").to_string();
    let words = format!(
        "the queue `{}` is damaged (it is empty): move it away",
        path.display()
    );
    assert!(refused.starts_with(&words), "{refused}");
}
