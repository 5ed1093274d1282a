//! A secondary that is promoted.

use serde_json::{Value, json};
use trustnet_api::network::{NodeRecord, NodeState};

use super::node::Node;
use super::proxy::{Network, Proxy};
use super::registry::Registry;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn ports(nodes: &[NodeRecord]) -> Vec<(&str, u16, NodeState)> {
    let told = nodes
        .iter()
        .map(|node| (node.node_name.as_str(), node.port, node.state));
    let mut told: Vec<_> = told.collect();
    told.sort_unstable_by_key(|(name, ..)| *name);
    told
}

/// The files of a registry's queue.
fn queue(registry: &Registry) -> [std::path::PathBuf; 2] {
    ["queue.db", "queue.db-wal"].map(|file| registry.folder().join("data").join(file))
}

/// A secondary that has followed a root with three nodes, and whose root is dead.
async fn orphan(more: &Value) -> Registry {
    let mut root = Registry::new(None, more);
    root.start().await;
    let mut heir = Registry::new(Some(root.address), more);
    heir.start().await;
    for number in 1..=3 {
        let node = Node::new(number).with_token(TOKEN);
        assert_eq!(node.register(&root, 9000).await.status(), 201);
    }
    heir.catches_up(&root).await;
    root.kill();
    heir.until("the root is lost", |health| !health.replication.connected)
        .await;
    heir
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_secondary_acknowledged_holds_when_it_is_promoted_and_once_even_after_a_kill() {
    let administrator = Node::new(200);
    let secrets = tempfile::tempdir().expect("a folder");
    let token = super::registry::secret(secrets.path(), "token", TOKEN);
    let more = json!({
        "registry": { "join_token_file": token, "administrator_key": administrator.public() },
        // Nobody falls silent meanwhile.
        "heartbeat": { "interval": 300 },
    });
    let mut heir = orphan(&more).await;
    let (gone, banned, stranger) = (Node::new(1), Node::new(2), Node::new(77));
    let statuses = [
        Node::new(4).with_token(TOKEN).register(&heir, 9004).await,
        gone.leave(&heir).await,
        administrator.ban(&heir, &banned).await,
        // This one comes to nothing: it is to be dropped, and to hold nothing up.
        administrator.ban(&heir, &stranger).await,
        Node::new(5).with_token(TOKEN).register(&heir, 9005).await,
    ]
    .map(|answer| answer.status().as_u16());
    assert_eq!(statuses, [202; 5]);
    heir.kill();
    let copies = queue(&heir).map(|file| std::fs::read(file).expect("a queue"));
    heir.promote(&more);
    heir.start().await;
    let wanted = [
        ("node-2", 9000, NodeState::Banned),
        ("node-3", 9000, NodeState::Active),
        ("node-4", 9004, NodeState::Active),
        ("node-5", 9005, NodeState::Active),
    ];
    assert_eq!(ports(&heir.nodes().await), wanted);
    const DROPPED: &str = "the root refuses a write that had waited";
    heir.told(DROPPED).await;
    let version = heir.health().await.expect("it answers").replication.version;
    // Killed before the queue knew of it: all of it is tried again, and nothing is done twice.
    heir.kill();
    for (file, copy) in queue(&heir).iter().zip(copies) {
        std::fs::write(file, copy).expect("put back");
    }
    heir.start().await;
    assert_eq!(ports(&heir.nodes().await), wanted);
    let health = heir.health().await.expect("it answers");
    assert_eq!(health.replication.version, version);
    // Both times it was the stranger's ban, and nothing that was done.
    assert_eq!(heir.log().matches(DROPPED).count(), 2);
    assert_eq!(Node::new(5).leave(&heir).await.status(), 200);
    // And then it is out of the queue.
    heir.kill();
    heir.start().await;
    assert_eq!(ports(&heir.nodes().await), wanted[..3]);
    let begun = heir
        .log()
        .matches("writes from before the promotion are done first")
        .count();
    assert_eq!(begun, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_secondary_acknowledged_reaches_the_promoted_one_and_lets_in_nobody_who_was_kept_out()
 {
    // It signs before the second of the promotion.
    let administrator = Node::new(200).late(20);
    let more = json!({
        "registry": { "administrator_key": administrator.public() },
        "heartbeat": { "interval": 300 },
    });
    let mut root = Registry::new(None, &more);
    root.start().await;
    let proxy = Proxy::start(root.address, Network::Well).await;
    let mut heir = Registry::new(Some(root.address), &more);
    let mut other = Registry::new(Some(proxy.address), &more);
    for number in 1..=3 {
        Node::new(number).register(&root, 9000).await;
    }
    for number in [1, 2] {
        let banned = administrator.ban(&root, &Node::new(number)).await;
        assert_eq!(banned.status(), 200);
    }
    for secondary in [&mut heir, &mut other] {
        secondary.start().await;
        secondary.catches_up(&root).await;
    }
    root.kill();
    for secondary in [&heir, &other] {
        secondary
            .until("the root is lost", |health| !health.replication.connected)
            .await;
    }
    let statuses = [
        administrator.unban(&heir, &Node::new(1)).await,
        administrator.unban(&other, &Node::new(2)).await,
        administrator.ban(&other, &Node::new(3)).await,
        Node::new(4).register(&other, 9004).await,
    ]
    .map(|answer| answer.status().as_u16());
    assert_eq!(statuses, [202; 4]);
    heir.kill();
    heir.promote(&more);
    heir.start().await;
    proxy.lead(heir.address);
    other
        .until("its queue is empty", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    let wanted = [
        ("node-1", 9000, NodeState::Offline),
        ("node-2", 9000, NodeState::Banned),
        ("node-3", 9000, NodeState::Banned),
        ("node-4", 9004, NodeState::Active),
    ];
    assert_eq!(ports(&heir.nodes().await), wanted);
    other
        .told("signed before this registry became the root")
        .await;
    let anew = Node::new(200).unban(&other, &Node::new(2)).await;
    assert_eq!(anew.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_of_an_address_holds_up_what_was_acknowledged() {
    let mut heir = orphan(&json!({})).await;
    for number in 4..=9 {
        assert_eq!(Node::new(number).register(&heir, 9000).await.status(), 202);
    }
    heir.kill();
    let limits = json!({ "registration_burst": 1, "registrations_per_second": 0.01 });
    heir.promote(&json!({ "limits": limits }));
    heir.start().await;
    assert_eq!(heir.nodes().await.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_secondary_is_followed_and_the_root_of_before_is_not() {
    let (root, proxy, mut other) = super::pair(&json!({})).await;
    let mut heir = Registry::new(Some(root.address), &json!({}));
    for number in 1..=3 {
        Node::new(number).register(&root, 9000).await;
    }
    heir.start().await;
    other.start().await;
    heir.catches_up(&root).await;
    other.catches_up(&root).await;
    heir.kill();
    heir.promote(&json!({}));
    heir.start().await;
    assert_eq!(Node::new(4).register(&heir, 9000).await.status(), 201);
    proxy.lead(heir.address);
    assert_eq!(other.catches_up(&heir).await.len(), 4);
    let version = other
        .health()
        .await
        .expect("it answers")
        .replication
        .version;
    assert!(version > 1_000_000, "{version}");
    // The old root is there again, and knows nothing of all that.
    proxy.lead(root.address);
    other
        .until("it is not followed", |health| !health.replication.connected)
        .await;
    assert_eq!(Node::new(5).register(&other, 9000).await.status(), 202);
    assert_eq!(other.nodes().await.len(), 4);
    proxy.lead(heir.address);
    other
        .until("the write is where it belongs", |health| {
            health.replication.queued_writes == 0 && health.replication.connected
        })
        .await;
    assert_eq!(other.catches_up(&heir).await.len(), 5);
    assert_eq!(root.nodes().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_made_anew_is_another_one_whatever_its_version_and_that_is_known_after_a_kill() {
    let (mut root, proxy, mut secondary) = super::pair(&json!({})).await;
    for number in 1..=3 {
        Node::new(number).register(&root, 9000).await;
    }
    secondary.start().await;
    secondary.catches_up(&root).await;
    let loaded = "replica_events_total{event=\"loaded\"}";
    secondary.counts(loaded, 1.0).await;
    secondary.kill();
    secondary.start().await;
    Node::new(4).register(&root, 9000).await;
    assert_eq!(secondary.catches_up(&root).await.len(), 4);
    secondary.counts(loaded, 0.0).await;
    secondary.kill();
    root.kill();
    let mut anew = Registry::new(None, &json!({}));
    anew.start().await;
    for number in 11..=16 {
        Node::new(number).register(&anew, 9000).await;
    }
    proxy.lead(anew.address);
    secondary.start().await;
    // Nobody whom only the dead root knew is left.
    assert_eq!(secondary.catches_up(&anew).await.len(), 6);
    secondary.counts(loaded, 1.0).await;
}
