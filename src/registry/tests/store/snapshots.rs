//! Snapshots that a registry writes every so often.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::nodes::register;
use tempfile::tempdir;
use tokio::task::JoinHandle;
use trustnet_api::network::Snapshot;
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions};
use trustnet_registry::snapshots::keep_writing;

const HOUR: Duration = Duration::from_secs(3600);

/// The snapshots of a folder, the oldest first.
fn found(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let ours: BTreeSet<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    ours.into_iter().collect()
}

/// How many nodes each of them has.
fn nodes(folder: &Path) -> Vec<usize> {
    let read = |path: &PathBuf| -> usize {
        // It may be pruned just now.
        let bytes = fs::read(path).unwrap_or_default();
        serde_json::from_slice::<Snapshot>(&bytes).map_or(0, |snapshot| snapshot.nodes.len())
    };
    found(folder).iter().map(read).collect()
}

/// Waits until it is so, for a minute at most.
async fn until(so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    came.expect("it comes");
}

fn keep(registrar: &Registrar, folder: &Path, every: Duration, keep: usize) -> JoinHandle<()> {
    tokio::spawn(keep_writing(
        registrar.clone(),
        folder.to_owned(),
        every,
        keep,
    ))
}

async fn registrar(folder: &Path) -> Registrar {
    let path = folder.join("registry.db");
    Registrar::open(&path, StoreOptions::default(), Clock::system()).expect("a new database")
}

#[tokio::test]
async fn snapshots_are_written_every_so_often_and_the_oldest_are_pruned() {
    let folder = tempdir().expect("a folder");
    let registrar = registrar(folder.path()).await;
    let folder = folder.path().join("snapshots");
    let writing = keep(&registrar, &folder, Duration::from_millis(20), 3);
    for number in 1..=6 {
        let written = registrar.write(register(number, 9000, 1)).await;
        written.expect("there is room");
        let count = usize::try_from(number).expect("few");
        until(|| nodes(&folder).last() == Some(&count)).await;
    }
    until(|| found(&folder).len() == 3).await;
    // The latest three, whichever they are: each was there when the next node came.
    let kept = nodes(&folder);
    assert!(kept.iter().all(|nodes| *nodes >= 4), "{kept:?}");
    assert_eq!(kept.last(), Some(&6));
    writing.abort();
    registrar.close().await;
}

#[tokio::test]
async fn a_registry_that_starts_again_waits_until_its_last_snapshot_is_old_enough() {
    let folder = tempdir().expect("a folder");
    let registrar = registrar(folder.path()).await;
    let folder = folder.path().join("snapshots");
    let writing = keep(&registrar, &folder, HOUR, 3);
    until(|| nodes(&folder) == [0]).await;
    writing.abort();
    registrar
        .write(register(1, 9000, 1))
        .await
        .expect("there is room");
    let writing = keep(&registrar, &folder, HOUR, 3);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(nodes(&folder), [0]);
    writing.abort();
    let file = File::options().write(true).open(&found(&folder)[0]);
    let before = SystemTime::now() - 2 * HOUR;
    file.and_then(|file| file.set_modified(before))
        .expect("set back");
    let writing = keep(&registrar, &folder, HOUR, 3);
    until(|| nodes(&folder).len() == 2).await;
    writing.abort();
    registrar.close().await;
}
