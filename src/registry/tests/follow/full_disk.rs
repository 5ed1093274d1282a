//! A full disk under the program: what cannot be stored is answered so, what can be read is, and with room all goes on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use reqwest::Response;
use serde_json::{Value, json};
use trustnet_api::network::HealthStatus;

use super::node::Node;
use super::registry::Registry;

const DISK: &str = "TRUSTNET_REGISTRY_TEST_DISK";
const FULL: &str = "what is written cannot be stored: see the log, and the disk";

#[test]
fn a_root_and_a_secondary_outlive_a_full_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = r#"mount -t tmpfs -o size=3m tmpfs "$1" && shift && exec "$@""#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec", script])
        .arg("sh")
        .arg(folder.path())
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture"])
        .arg("full_disk::the_process_whose_registries_have_the_full_disk")
        .env(DISK, folder.path())
        // Registries have their folders there.
        .env("TMPDIR", folder.path())
        .output()
        .expect("unshare starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("1 passed"), "{said}\n{complained}");
}

/// Not a test of its own: what the one above starts, with a disk of 3 MiB.
#[test]
fn the_process_whose_registries_have_the_full_disk() {
    if let Some(disk) = env::var_os(DISK).map(PathBuf::from) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(root(&disk));
        runtime.block_on(secondary(&disk));
    }
}

async fn root(disk: &Path) {
    let mut root = Registry::new(None, &json!({}));
    let ballast = ballast(disk);
    root.start().await;
    let full = fill(&root, 0, 201).await;
    assert!(full > 20, "{full}");
    assert_eq!(root.nodes().await.len(), full as usize);
    assert_eq!(get(&root, "/api/nodes?limit=1").await.status(), 200);
    let record = format!("/api/nodes/{}", Node::new(0).id());
    assert_eq!(get(&root, &record).await.status(), 200);
    let answer = get(&root, "/api/health").await;
    assert_eq!(answer.status(), 503);
    let health = root.health().await.expect("it answers");
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(health.problems, [FULL]);
    // What is refused says nothing of the disk.
    let taken = Node::new(9999).called("node-0");
    assert_eq!(taken.register(&root, 9000).await.status(), 409);
    assert_eq!(get(&root, "/api/health").await.status(), 503);
    // Heartbeats are taken, also while they cannot be stored.
    assert_eq!(Node::new(0).beat(&root).await.status(), 200);

    fs::remove_file(&ballast).expect("more room");
    assert_eq!(Node::new(full).register(&root, 9000).await.status(), 201);
    assert_eq!(get(&root, "/api/health").await.status(), 200);
    root.kill();
    root.start().await;
    assert_eq!(root.nodes().await.len(), full as usize + 1);
}

async fn secondary(disk: &Path) {
    // Nobody answers there.
    let root = Registry::new(None, &json!({}));
    let mut secondary = Registry::new(Some(root.address), &json!({}));
    let ballast = ballast(disk);
    secondary.start().await;
    let full = fill(&secondary, 0, 202).await;
    assert!(full > 20, "{full}");
    let health = secondary.health().await.expect("it answers");
    assert!(health.problems.contains(&FULL.to_owned()), "{health:?}");
    assert_eq!(health.replication.queued_writes, u64::from(full));
    assert_eq!(get(&secondary, "/api/nodes").await.status(), 200);
    // Nor does what a newer one of the queue stands for.
    let old = Node::new(0).late(60);
    assert_eq!(old.register(&secondary, 9000).await.status(), 202);
    let health = secondary.health().await.expect("it answers");
    assert!(health.problems.contains(&FULL.to_owned()), "{health:?}");

    fs::remove_file(&ballast).expect("more room");
    let answer = Node::new(full).register(&secondary, 9000).await;
    assert_eq!(answer.status(), 202);
    let health = secondary.health().await.expect("it answers");
    assert!(!health.problems.contains(&FULL.to_owned()), "{health:?}");
    secondary.kill();
    secondary.start().await;
    let health = secondary.health().await.expect("it answers");
    assert_eq!(health.replication.queued_writes, u64::from(full) + 1);
}

/// What takes room, and can be removed.
fn ballast(disk: &Path) -> PathBuf {
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 1024 * 1024]).expect("room");
    ballast
}

async fn get(at: &Registry, path: &str) -> Response {
    let asked = at.http().get(at.url(path)).send().await;
    asked.expect("an answer")
}

/// Registers nodes until the disk takes none; the number of the first that it did not take.
async fn fill(at: &Registry, from: u32, taken: u16) -> u32 {
    for number in from..1000 {
        let answer = Node::new(number).register(at, 9000).await;
        if answer.status() == taken {
            continue;
        }
        assert_eq!(answer.status(), 503, "{number}");
        assert!(answer.headers().contains_key("retry-after"));
        let body = answer.bytes().await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["code"], "unavailable");
        assert_eq!(
            body["message"],
            "the registry cannot store this now; nothing was changed"
        );
        return number;
    }
    panic!("no disk holds them all");
}
