//! Registries as real processes on loopback: a root that is killed, and secondaries that follow one through a network
//! that fails.

#[path = "../certificates/mod.rs"]
mod certificates;
mod ended;
mod full_disk;
mod heir;
mod killed;
mod node;
mod proxy;
mod registry;
mod restored;
mod unfound;

use std::time::Duration;

use serde_json::json;
use trustnet_api::network::ChangeType;

use certificates::Authority;
use node::Node;
use proxy::{Network, Proxy};
use registry::Registry;

/// A root, a way to it, and a secondary behind that; the root runs.
async fn pair(more: &serde_json::Value) -> (Registry, Proxy, Registry) {
    let mut root = Registry::new(None, &json!({}));
    root.start().await;
    let proxy = Proxy::start(root.address, Network::Well).await;
    let secondary = Registry::new(Some(proxy.address), more);
    (root, proxy, secondary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_starts_before_its_root_and_then_has_what_the_root_has() {
    let mut root = Registry::new(None, &json!({}));
    let mut one = Registry::new(Some(root.address), &json!({}));
    let mut two = Registry::new(Some(root.address), &json!({}));
    one.start().await;
    let health = one.health().await.expect("it answers");
    assert!(!health.replication.connected);
    root.start().await;
    for number in 1..=20 {
        assert_eq!(Node::new(number).register(&root, 9000).await.status(), 201);
    }
    two.start().await;
    assert_eq!(one.catches_up(&root).await.len(), 20);
    assert_eq!(two.catches_up(&root).await.len(), 20);
    // What changes after the snapshot comes, too: new, changed, gone.
    Node::new(21).register(&root, 9000).await;
    Node::new(1).register(&root, 9001).await;
    Node::new(2).leave(&root).await;
    assert_eq!(one.catches_up(&root).await.len(), 20);
    assert_eq!(two.catches_up(&root).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_root_answers_a_secondary_passes_its_answers_on() {
    let (root, _proxy, mut secondary) = pair(&json!({})).await;
    secondary.start().await;
    secondary
        .until("it is connected", |health| health.replication.connected)
        .await;
    let node = Node::new(1);
    assert_eq!(node.register(&secondary, 9000).await.status(), 201);
    assert_eq!(secondary.catches_up(&root).await.len(), 1);
    assert_eq!(node.beat(&secondary).await.status(), 200);
    assert_eq!(node.register(&secondary, 9001).await.status(), 200);
    secondary.catches_up(&root).await;
    assert_eq!(node.leave(&secondary).await.status(), 200);
    assert_eq!(secondary.catches_up(&root).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_during_a_partition_reaches_the_root_once_and_in_order_even_after_a_kill() {
    let (root, proxy, mut secondary) = pair(&json!({})).await;
    secondary.start().await;
    let known = Node::new(1);
    assert_eq!(known.register(&root, 9000).await.status(), 201);
    secondary.catches_up(&root).await;
    proxy.set(Network::Cut);
    secondary
        .until("the root is lost", |health| !health.replication.connected)
        .await;
    for number in 10..30 {
        assert_eq!(
            Node::new(number).register(&secondary, 9000).await.status(),
            202
        );
    }
    assert_eq!(known.beat(&secondary).await.status(), 202);
    secondary.kill();
    secondary.start().await;
    let health = secondary
        .until("the queue is there", |health| {
            health.replication.queued_writes == 20
        })
        .await;
    assert!(!health.replication.connected);
    for number in 30..50 {
        assert_eq!(
            Node::new(number).register(&secondary, 9000).await.status(),
            202
        );
    }
    assert_eq!(
        Node::new(10).leave(&secondary).await.status(),
        404,
        "it is not in the directory here yet"
    );
    secondary.kill();
    secondary.start().await;
    // Reads go on all the while.
    assert_eq!(secondary.nodes().await.len(), 1);
    proxy.set(Network::Well);
    secondary
        .until("the queue is empty", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    assert_eq!(secondary.catches_up(&root).await.len(), 41);
    let came: Vec<String> = root
        .changes()
        .await
        .changes
        .into_iter()
        .filter(|change| {
            matches!(
                change.change,
                ChangeType::NodeRegistered | ChangeType::NodeUpdated
            )
        })
        .map(|change| change.node.node_name)
        .collect();
    let wanted = std::iter::once(1)
        .chain(10..50)
        .map(|number| format!("node-{number}"));
    assert_eq!(came, wanted.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_registers_again_and_again_takes_one_place_of_the_queue_even_after_a_kill() {
    let limit = json!({ "replication": { "max_queued_writes": 3 } });
    let (root, proxy, mut secondary) = pair(&limit).await;
    proxy.set(Network::Cut);
    secondary.start().await;
    let node = Node::new(1);
    assert_eq!(node.register(&secondary, 9000).await.status(), 202);
    assert_eq!(Node::new(2).register(&secondary, 9000).await.status(), 202);
    for port in 9001..9012 {
        if port == 9006 {
            secondary.kill();
            secondary.start().await;
        }
        // Replaced is what was signed in a second before.
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert_eq!(node.register(&secondary, port).await.status(), 202);
    }
    secondary.kill();
    secondary.start().await;
    let two =
        |health: &trustnet_api::network::RegistryHealth| health.replication.queued_writes == 2;
    secondary.until("the queue is there", two).await;
    proxy.set(Network::Well);
    secondary
        .until("the queue is empty", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    assert_eq!(secondary.catches_up(&root).await.len(), 2);
    let nodes = root.nodes().await;
    let node = nodes.iter().find(|node| node.node_name == "node-1");
    assert_eq!(node.map(|node| node.port), Some(9011));
    assert_eq!(root.changes().await.changes.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_how_far_behind_and_what_waits_is_measured() {
    let (root, proxy, mut one) = pair(&json!({})).await;
    let mut two = Registry::new(Some(root.address), &json!({}));
    assert_eq!(root.metric("followers").await, Some(0.0));
    one.start().await;
    two.start().await;
    root.counts("followers", 2.0).await;
    one.counts("root_connected", 1.0).await;
    proxy.set(Network::Cut);
    root.counts("followers", 1.0).await;
    one.counts("root_connected", 0.0).await;
    for number in 1..=2 {
        assert_eq!(Node::new(number).register(&one, 9000).await.status(), 202);
    }
    one.counts("queued_writes", 2.0).await;
    let lag = one.metric("replica_lag_seconds").await;
    assert!(lag.is_some_and(|lag| lag > 0.0), "{lag:?}");
    proxy.set(Network::Well);
    one.counts("queued_writes", 0.0).await;
    one.counts("replica_events_total{event=\"delivered\"}", 2.0)
        .await;
    root.counts("followers", 2.0).await;
    one.counts("replica_lag_seconds", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_lost_is_done_once() {
    let (root, proxy, mut secondary) = pair(&json!({})).await;
    secondary.start().await;
    secondary
        .until("it is connected", |health| health.replication.connected)
        .await;
    // The root hears it, and its answer comes after the secondary's patience.
    proxy.set(Network::Silent);
    assert_eq!(Node::new(1).register(&secondary, 9000).await.status(), 202);
    proxy.set(Network::Cut);
    proxy.set(Network::Slow(Duration::from_millis(50)));
    secondary
        .until("the queue is empty", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    secondary.catches_up(&root).await;
    assert_eq!(root.changes().await.changes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_when_to_come_again() {
    let limit = json!({ "replication": { "max_queued_writes": 3 } });
    let (root, proxy, mut secondary) = pair(&limit).await;
    proxy.set(Network::Cut);
    secondary.start().await;
    for number in 1..=3 {
        assert_eq!(
            Node::new(number).register(&secondary, 9000).await.status(),
            202
        );
    }
    let answer = Node::new(4).register(&secondary, 9000).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let body = answer.bytes().await.expect("a body");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["code"], "unavailable");
    assert_eq!(
        body["message"],
        "the root takes no writes now, and this registry can keep no more for it"
    );
    // The same write once more, as after a lost answer, would be no new one; and beats need no room.
    proxy.set(Network::Well);
    secondary
        .until("the queue is empty", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    assert_eq!(Node::new(4).register(&secondary, 9000).await.status(), 201);
    assert_eq!(secondary.catches_up(&root).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_lost_what_it_had_is_followed_all_the_same() {
    let (mut root, _proxy, mut secondary) = pair(&json!({})).await;
    Node::new(1).register(&root, 9000).await;
    root.kill();
    let (database, copy) = (root.database(), root.folder().join("copy.db"));
    std::fs::copy(&database, &copy).expect("copied");
    let wal = |path: &std::path::Path| path.with_extension("db-wal");
    std::fs::copy(wal(&database), wal(&copy)).expect("copied");
    root.start().await;
    for number in 2..=9 {
        Node::new(number).register(&root, 9000).await;
    }
    secondary.start().await;
    assert_eq!(secondary.catches_up(&root).await.len(), 9);
    root.kill();
    std::fs::copy(&copy, &database).expect("put back");
    std::fs::copy(wal(&copy), wal(&database)).expect("put back");
    root.start().await;
    assert_eq!(root.nodes().await.len(), 1);
    assert_eq!(secondary.catches_up(&root).await.len(), 1);
    Node::new(3).register(&root, 9000).await;
    assert_eq!(secondary.catches_up(&root).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_with_the_join_token_brings_more_than_one_address_may_and_writes_the_token_nowhere()
 {
    let token = "0123456789abcdef0123456789abcdef";
    let mut root = Registry::new(None, &json!({}));
    let file = root.secret("token", token);
    let limits = json!({ "registration_burst": 10, "registrations_per_second": 0.01 });
    let admits = json!({ "registry": { "join_token_file": file } });
    root.configure(
        None,
        &json!({ "registry": { "join_token_file": file }, "limits": limits }),
    );
    let mut secondary = Registry::new(Some(root.address), &admits);
    secondary.start().await;
    assert_eq!(Node::new(1).register(&secondary, 9000).await.status(), 401);
    for number in 1..=40 {
        let node = Node::new(number).with_token(token);
        assert_eq!(node.register(&secondary, 9000).await.status(), 202);
    }
    secondary.kill();
    for entry in std::fs::read_dir(secondary.folder().join("data")).expect("a folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(
            !bytes
                .windows(token.len())
                .any(|window| window == token.as_bytes())
        );
    }
    secondary.start().await;
    root.start().await;
    secondary
        .until("the queue is empty", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    assert_eq!(secondary.catches_up(&root).await.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_follows_a_root_over_tls_and_no_one_else_who_answers_there() {
    let authority = Authority::new();
    let mut root = Registry::secured(None, &authority);
    root.start().await;
    let proxy = Proxy::start(root.address, Network::Well).await;
    let mut secondary = Registry::secured(Some(proxy.address), &authority);
    secondary.start().await;
    for number in 1..=5 {
        let at = if number % 2 == 0 { &root } else { &secondary };
        assert!(
            Node::new(number)
                .register(at, 9000)
                .await
                .status()
                .is_success()
        );
    }
    secondary
        .until("the queue is empty", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    assert_eq!(secondary.catches_up(&root).await.len(), 5);
    // Another one, for whom another authority vouches, and one that speaks plainly: neither hears a write.
    let mut impostor = Registry::secured(None, &Authority::new());
    impostor.start().await;
    let mut plain = Registry::new(None, &json!({}));
    plain.start().await;
    let reasons = ["invalid peer certificate", "corrupt message"];
    for ((number, other), why) in [(10, &impostor), (11, &plain)].into_iter().zip(reasons) {
        proxy.lead(other.address);
        secondary
            .until("the root is lost", |health| !health.replication.connected)
            .await;
        assert_eq!(
            Node::new(number).register(&secondary, 9000).await.status(),
            202
        );
        secondary.told(why).await;
        assert_eq!(other.nodes().await.len(), 0);
    }
    secondary.kill();
    secondary.start().await;
    proxy.lead(root.address);
    secondary
        .until("the queue is empty", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    assert_eq!(secondary.catches_up(&root).await.len(), 7);
    assert_eq!(
        (impostor.nodes().await.len(), plain.nodes().await.len()),
        (0, 0)
    );
}
