//! There is no consensus engine, and a node says so wherever it could be thought.

use std::fs;

use serde_json::Value;

use crate::programs::{get, node, text};

#[test]
fn a_node_says_everywhere_that_consensus_is_not_included() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let config = format!(
        "node: {{name: first, domain: example.net, ipv6_address: '::1', data: {}}}\nconsensus: {{engine: tendermint, validators: 1}}\ntransaction_pool: {{max_size: 10000}}\n",
        folder.join("first").display()
    );
    fs::write(folder.join("first.yml"), &config).expect("written");
    let mut first = node(folder, "first", &Value::Null);
    let said = first.line("have no effect");
    assert_eq!(said["level"], "INFO");
    assert_eq!(said["sections"], "consensus, transaction_pool");
    let (_, health) = get(&first.address, "/api/health");
    assert_eq!(health["consensus"], "not included");
    assert_eq!(health["transaction_pool"], "not included");
    let metrics = text(&first.address, "/metrics");
    let who = metrics
        .lines()
        .find(|line| line.starts_with("trustnet_node_info{"));
    let none = "consensus=\"not included\",transaction_pool=\"not included\"} 1";
    assert!(who.is_some_and(|line| line.ends_with(none)), "{metrics}");
}
