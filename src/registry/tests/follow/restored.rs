//! A damaged database under the program: it does not start, says what to do, and that helps.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use trustnet_api::network::Snapshot;

use super::node::Node;
use super::registry::Registry;

/// A snapshot with so many nodes, as soon as the registry has written one.
async fn snapshot(folder: &PathBuf, nodes: usize) -> PathBuf {
    loop {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|end| end == "json") {
                let text = fs::read(&path).expect("a file");
                let snapshot: Snapshot = serde_json::from_slice(&text).expect("a whole snapshot");
                if snapshot.nodes.len() == nodes {
                    return path;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_refused_and_a_snapshot_put_in_its_place_by_a_command() {
    let mut root = Registry::new(None, &json!({}));
    let folder = root.folder().join("snapshots");
    root.configure(
        None,
        &json!({ "persistence": { "snapshot_interval": 1, "snapshot_path": folder } }),
    );
    root.start().await;
    for number in 1..=3 {
        let port = 9000 + u16::try_from(number).expect("few");
        assert_eq!(Node::new(number).register(&root, port).await.status(), 201);
    }
    let snapshot = snapshot(&folder, 3).await;
    let before = root.list().await;
    root.kill();

    let database = root.database();
    let mut bytes = fs::read(&database).expect("a database");
    bytes[..100].fill(0);
    fs::write(&database, &bytes).expect("damaged");
    let (succeeded, said) = root.run(&[]);
    let expected = format!(
        "trustnet-registry: the database `{}` is damaged (it is no SQLite database): restore a snapshot in its place, \
         with `trustnet-registry --config FILE --restore SNAPSHOT`; the damaged one is kept beside it\n",
        database.display()
    );
    assert!(!succeeded && said.ends_with(&expected), "{said}");
    assert_eq!(fs::read(&database).expect("a database"), bytes);

    let (succeeded, said) = root.run(&["--restore", snapshot.to_str().expect("text")]);
    assert!(succeeded, "{said}");
    assert!(
        said.starts_with("the snapshot's 3 nodes are in the database, at version 10000"),
        "{said}"
    );
    let (_, aside) = said
        .split_once("the database that was there is `")
        .expect("where it is");
    let aside = aside.trim_end().trim_end_matches('`');
    assert_eq!(fs::read(aside).expect("the damaged one"), bytes);

    root.start().await;
    let after = root.list().await;
    assert!(
        after.version > before.version + 500_000,
        "{}",
        after.version
    );
    let told = |list: &trustnet_api::network::NodeList| -> Vec<_> {
        let nodes = list.nodes.iter();
        nodes
            .map(|node| (node.node_id.clone(), node.node_name.clone(), node.port))
            .collect()
    };
    assert_eq!(told(&after), told(&before));
    // They are known there: what they register anew is a change.
    assert_eq!(Node::new(2).register(&root, 9100).await.status(), 200);
    assert_eq!(Node::new(4).register(&root, 9000).await.status(), 201);
}
