//! kill -9 of a root under load, in a loop: what clients were told over HTTP is there when it has started again.
//!
//! `TRUSTNET_REGISTRY_TEST_PROGRAM_KILLS` sets how often (40 if it is not said).

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand_core::{OsRng, RngCore as _};
use serde_json::json;
use tokio::task::JoinSet;

use super::node::Node;
use super::registry::Registry;

const KILLS: &str = "TRUSTNET_REGISTRY_TEST_PROGRAM_KILLS";
/// How many write at once; each keeps to its own nodes.
const CLIENTS: usize = 8;
/// So many nodes has each: all are on one page of the list.
const NODES: usize = 120;

/// A client: it registers its nodes one after the other, each time at another port.
struct Client {
    nodes: Vec<(Node, Known)>,
    next: usize,
    port: u16,
}

/// The port that a node may be found at; 0, while it is in no directory.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    told: u16,
    /// What was asked, and not answered before the kill.
    asked: Option<u16>,
}

impl Client {
    fn new(number: usize) -> Self {
        let first = u32::try_from(number * NODES).expect("few");
        let numbers = first..first + u32::try_from(NODES).expect("few");
        Self {
            nodes: numbers
                .map(|number| (Node::new(number), Known::default()))
                .collect(),
            next: 0,
            port: 9000,
        }
    }

    /// Writes until an answer does not come. Whoever has the last one of all that are to come kills the root at once:
    /// what is done after an answer is not done then.
    async fn write(&mut self, root: &Registry, told: &AtomicU64, last: u64) {
        loop {
            self.next = (self.next + 1) % NODES;
            self.port = self.port % 60_000 + 1;
            let (node, known) = &mut self.nodes[self.next];
            known.asked = Some(self.port);
            let Ok(answer) = node.try_register(root, self.port).await else {
                return;
            };
            if told.fetch_add(1, Ordering::Relaxed) + 1 == last {
                root.kill_9();
            }
            let expected = if known.told == 0 { 201 } else { 200 };
            assert_eq!(answer.status(), expected, "{known:?}");
            known.told = self.port;
            known.asked = None;
        }
    }

    /// Looks whether its nodes are as it was told.
    fn compare(&mut self, found: &BTreeMap<String, u16>) {
        for (node, known) in &mut self.nodes {
            let port = found.get(&node.id().to_string()).copied().unwrap_or(0);
            assert!(
                port == known.told || Some(port) == known.asked,
                "{} is at {port}, and was to be {known:?}",
                node.id()
            );
            *known = Known {
                told: port,
                asked: None,
            };
        }
    }
}

/// Compares what there is with what was told; the version.
async fn compare(root: &Registry, clients: &mut [Client], version: u64) -> u64 {
    let list = root.list().await;
    assert!(list.version >= version, "{} < {version}", list.version);
    let ports = list
        .nodes
        .iter()
        .map(|node| (node.node_id.clone(), node.port));
    let found = ports.collect();
    for client in clients {
        client.compare(&found);
    }
    list.version
}

/// Lets all clients write at once, until the root is killed, after so many answers or that time; how many came.
async fn write_and_kill(
    root: &mut Arc<Registry>,
    clients: &mut Vec<Client>,
    last: u64,
    life: Duration,
) -> u64 {
    let told = Arc::new(AtomicU64::new(0));
    let mut writing = JoinSet::new();
    for mut client in std::mem::take(clients) {
        let (root, told) = (Arc::clone(root), Arc::clone(&told));
        writing.spawn(async move {
            client.write(&root, &told, last).await;
            client
        });
    }
    tokio::time::sleep(life).await;
    root.kill_9();
    clients.extend(writing.join_all().await);
    alone(root).kill();
    told.load(Ordering::Relaxed)
}

/// The root, while no client has it.
fn alone(root: &mut Arc<Registry>) -> &mut Registry {
    Arc::get_mut(root).expect("no client writes")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_root_told_before_kills_under_load_is_there_after_them() {
    let kills: u64 = env::var(KILLS).map_or(40, |kills| kills.parse().expect("a number"));
    let mut root = Arc::new(Registry::new(None, &json!({})));
    let mut clients: Vec<Client> = (0..CLIENTS).map(Client::new).collect();
    let (mut version, mut told) = (0, 0);
    let below = |end: u64| OsRng.next_u64() % end;
    for _ in 0..kills {
        if below(5) == 0 {
            // Some are killed while they open the database.
            alone(&mut root).launch();
            tokio::time::sleep(Duration::from_micros(below(30_000))).await;
            alone(&mut root).kill();
            continue;
        }
        alone(&mut root).start().await;
        version = compare(&root, &mut clients, version).await;
        let life = Duration::from_micros(below(150_000));
        told += write_and_kill(&mut root, &mut clients, 1 + below(8), life).await;
    }
    alone(&mut root).start().await;
    compare(&root, &mut clients, version).await;
    assert!(
        told >= kills / 4,
        "{told} writes were answered in {kills} lives: too few to show anything"
    );
    let line = format!("{kills} kills, {told} writes told\n");
    io::stderr().write_all(line.as_bytes()).expect("stderr");
}
