//! How fast a directory is: `cargo bench -p trustnet-registry --bench directory [-- FOLDER]`.
//!
//! The folder is where the databases are made: one on the disk that is to be measured.

#[path = "../tests/store/nodes.rs"]
mod nodes;
mod report;

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use nodes::{id, proof, register, register_all};
use report::{ms, resident, say};
use rusqlite::params;
use trustnet_api::network::{NodeState, RegistryRole, Snapshot};
use trustnet_core::network::Liveness;
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions};

/// How many nodes there are.
const NODES: u64 = 100_000;
/// How many clients wait for their registrations at once.
const WRITERS: u64 = 64;
/// How long a rate is measured.
const SPAN: Duration = Duration::from_secs(4);

fn main() {
    let folder = env::args().skip(1).find(|word| !word.starts_with('-'));
    let parent = folder.map_or_else(env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(folder.path()));
}

async fn measure(folder: &Path) {
    let floor = sqlite_rate(&folder.join("floor.db"), 1);
    say("SQLite, one row a commit", floor, "rows/s");
    let floor = sqlite_rate(&folder.join("floor.db"), WRITERS);
    say("SQLite, 64 rows a commit", floor, "rows/s");
    let rate = registrations(&folder.join("rate.db")).await;
    say("durable registrations, 64 clients", rate, "/s");
    say("  of SQLite's batched rate", rate / floor * 100.0, "%");

    let database = folder.join("many.db");
    let registrar = open(&database);
    for first in (0..NODES).step_by(10_000) {
        register_all(&registrar, first..first + 10_000).await;
    }
    let mut sequence = 0;
    say(
        "heartbeats, one client",
        beats(&registrar, &mut sequence).await,
        "/s",
    );
    registrar.read(|directory| {
        let now = registrar.now();
        say(
            "sweep of 100,000, nobody silent",
            timed(|| directory.sweep(&Liveness::default(), &now)),
            "ms",
        );
        let mut late = now;
        late.steady += 100_000;
        say(
            "sweep of 100,000, all silent",
            timed(|| directory.sweep(&Liveness::default(), &late)),
            "ms",
        );
    });
    let start = Instant::now();
    let file = registrar
        .snapshot_file(&folder.join("snapshots"))
        .await
        .expect("a snapshot");
    say("snapshot file of 100,000 written", ms(start), "ms");
    registrar.close().await;

    let start = Instant::now();
    let registrar = open(&database);
    say("open with 100,000", ms(start), "ms");
    say("resident after open", resident(), "MiB");
    beats(&registrar, &mut sequence).await;
    say("resident after heartbeats", resident(), "MiB");
    registrar.close().await;
    say(
        "all silent at once, written",
        decline(&folder.join("many.db")).await,
        "ms",
    );

    let text = fs::read_to_string(&file).expect("the snapshot");
    say("size of the snapshot", text.len() as f64 / 1e6, "MB");
    let start = Instant::now();
    let snapshot: Snapshot = serde_json::from_str(&text).expect("a snapshot");
    drop(text);
    say("snapshot parsed", ms(start), "ms");
    let secondary = open(&folder.join("secondary.db"));
    let start = Instant::now();
    secondary
        .replace(snapshot, id(1))
        .await
        .expect("a snapshot");
    say("snapshot loaded, durable", ms(start), "ms");
    say("resident after that", resident(), "MiB");
    secondary.close().await;
}

fn open(path: &Path) -> Registrar {
    Registrar::open(path, StoreOptions::default(), Clock::system()).expect("a database")
}

/// Rows of a registration's size, so many a commit, by SQLite alone and as durable.
fn sqlite_rate(path: &Path, rows: u64) -> f64 {
    let schema = ["CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB NOT NULL)"];
    let mut connection = trustnet_registry::sqlite::open(path, &schema).expect("a database");
    let start = Instant::now();
    let mut written = 0;
    while start.elapsed() < SPAN {
        let step = connection.transaction().expect("a transaction");
        for _ in 0..rows {
            written += 1;
            let key = i64::from_be_bytes(*id(written + rows * 1_000_000_000).as_bytes());
            step.prepare_cached("INSERT INTO t VALUES (?1, ?2)")
                .expect("it is SQL")
                .execute(params![key, [7_u8; 250]])
                .expect("room");
        }
        step.commit().expect("room");
    }
    written as f64 / start.elapsed().as_secs_f64()
}

async fn registrations(path: &Path) -> f64 {
    let registrar = open(path);
    let start = Instant::now();
    let clients: Vec<_> = (0..WRITERS)
        .map(|client| {
            let registrar = registrar.clone();
            tokio::spawn(async move {
                let mut written = 0;
                while start.elapsed() < SPAN {
                    let number = client * 1_000_000 + written;
                    registrar
                        .write(register(number, 9000, 1))
                        .await
                        .expect("room");
                    written += 1;
                }
                written
            })
        })
        .collect();
    let mut written = 0;
    for client in clients {
        written += client.await.expect("no panic");
    }
    let rate = written as f64 / start.elapsed().as_secs_f64();
    registrar.close().await;
    rate
}

/// Beats of all nodes in turn, while the writer stores them.
async fn beats(registrar: &Registrar, sequence: &mut u64) -> f64 {
    let ids: Vec<_> = (0..NODES).map(id).collect();
    let start = Instant::now();
    let mut taken = 0;
    while start.elapsed() < SPAN {
        *sequence += 1;
        for node in &ids {
            let state = registrar.beat(*node, *sequence, proof(2)).await;
            assert!(matches!(state, Ok(NodeState::Active)), "{state:?}");
        }
        taken += NODES;
    }
    taken as f64 / start.elapsed().as_secs_f64()
}

/// From when all are silent to when that is written of all.
async fn decline(path: &Path) -> f64 {
    let options = StoreOptions {
        role: RegistryRole::Root,
        liveness: Liveness {
            interval: 300,
            offline_after: 900,
            ..Liveness::default()
        },
        ..StoreOptions::default()
    };
    let registrar = Registrar::open(path, options, Clock::system()).expect("a database");
    let mut versions = registrar.versions();
    versions.changed().await.expect("a change");
    let start = Instant::now();
    while registrar.read(|directory| directory.counts().active) > 0 {
        versions.changed().await.expect("a change");
    }
    let took = ms(start);
    registrar.close().await;
    took
}

fn timed<T>(work: impl Fn() -> T) -> f64 {
    let best = (0..5).map(|_| {
        let start = Instant::now();
        std::hint::black_box(work());
        ms(start)
    });
    best.fold(f64::INFINITY, f64::min)
}
