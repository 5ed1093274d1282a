//! How fast a secondary is: `cargo bench -p trustnet-registry --bench follow [-- FOLDER]`.
//!
//! A root and a secondary in one process, over loopback; the folder is where their databases are made.

#[path = "../tests/store/nodes.rs"]
mod nodes;
mod report;

use std::env;
use std::path::Path;
use std::time::{Duration, Instant};

use nodes::{id, register, register_all};
use report::{ms, resident, say};
use serde_json::json;
use trustnet_api::network::RegistryConfig;
use trustnet_core::network::{Directory, RegistrySettings};
use trustnet_registry::clock::Clock;
use trustnet_registry::service::RegistryService;

/// How many nodes there are.
const NODES: u64 = 100_000;
/// How many changes are waited for, one after the other.
const CHANGES: u64 = 500;

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
    let root = start(&folder.join("root/registry.db"), None).await;
    let written = root.registry().registrar().clone();
    for first in (0..NODES).step_by(10_000) {
        register_all(&written, first..first + 10_000).await;
    }
    say("resident, root of 100,000 alone", resident(), "MiB");
    let began = Instant::now();
    let secondary = start(
        &folder.join("secondary/registry.db"),
        Some(root.address().to_string()),
    )
    .await;
    let followed = secondary.registry().registrar().clone();
    let mut versions = followed.versions();
    let loaded = versions.wait_for(|version| *version == NODES).await;
    loaded.expect("it follows");
    let length = followed.read(Directory::len);
    assert!(followed.read(|directory| directory.get(id(NODES - 1)).is_some()));
    say("snapshot streamed and loaded, durable", ms(began), "ms");
    say("  nodes", count(length), "");
    say("resident, both", resident(), "MiB");

    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut times = Vec::new();
    for number in 0..CHANGES {
        let began = Instant::now();
        let write = register(NODES + number, 9000, 1);
        written.write(write).await.expect("room");
        let seen = versions.wait_for(|version| *version == NODES + number + 1);
        seen.await.expect("it follows");
        times.push(ms(began));
    }
    times.sort_by(f64::total_cmp);
    say("change seen, median", times[times.len() / 2], "ms");
    say("change seen, p99", times[times.len() * 99 / 100], "ms");
    secondary.stop().await;
    root.stop().await;
}

async fn start(database: &Path, root: Option<String>) -> RegistryService {
    let role = if root.is_some() { "secondary" } else { "root" };
    let mut config = json!({
        "registry": { "role": role, "ipv6_address": "::1", "port": 18_000 },
        "database": { "path": database },
    });
    if let Some(root) = root {
        config["registry"]["root_registry"] = json!({ "address": root });
    }
    let config: RegistryConfig = serde_json::from_value(config).expect("a configuration");
    let settings = RegistrySettings::resolve(&config).expect("settings");
    let service = RegistryService::start(&settings, Clock::system()).await;
    service.expect("it starts")
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn count(number: usize) -> f64 {
    number as f64
}
