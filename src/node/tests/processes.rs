//! Nodes and registries as they run in guests: processes, on loopback.

mod programs;

use std::fs;
use std::path::Path;

use programs::{free_port, get, node, peers, registry, wait_for, wait_for_peers, write};
use serde_json::{Value, json};

fn external(address: &str) -> Value {
    json!({"type": "external", "address": address})
}

fn is_well(status: u16, body: &Value) -> bool {
    status == 200 && body["status"] == "ok"
}

fn node_id(address: &str) -> String {
    let (_, health) = get(address, "/api/health");
    health["node_id"].as_str().expect("an id").to_owned()
}

#[test]
fn nodes_register_know_one_another_and_go_on_when_every_registry_is_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let root = registry(folder, free_port());
    let place = external(&root.address);
    let first = node(folder, "first", &place);
    let second = node(folder, "second", &place);
    for one in [&first, &second] {
        let health = wait_for(&one.address, "/api/health", is_well);
        assert_eq!(health["registry"]["address"], root.address.as_str());
        assert_eq!(health["consensus"], "not included");
        assert_eq!(health["transaction_pool"], "not included");
    }
    let record = get(
        &root.address,
        &format!("/api/nodes/{}", node_id(&first.address)),
    )
    .1;
    assert_eq!(record["node_name"], "first");
    assert_eq!(record["state"], "active");
    wait_for_peers(&first, &["second"]);
    wait_for_peers(&second, &["first"]);

    root.kill();
    // A third node knows one peer from an earlier run, and no registry that answers.
    remember(folder, "third", &first.address);
    let third = node(folder, "third", &json!({}));
    wait_for_peers(&third, &["first", "second"]);
    wait_for_peers(&first, &["second", "third"]);
    wait_for_peers(&second, &["first", "third"]);
    let health = wait_for(&third.address, "/api/health", |status, body| {
        status == 503 && body["status"] == "degraded"
    });
    assert_eq!(health["registry"]["registered"], false);
    let problems = health["problems"].as_array().expect("words");
    assert_eq!(problems[0], "the node is not registered");

    // Who says goodbye is gone at once.
    second.stop();
    wait_for_peers(&first, &["third"]);
    wait_for_peers(&third, &["first"]);

    // The registry comes back where it was: the third node has heard of it from its peers.
    let port = place["address"]
        .as_str()
        .and_then(|at| at.rsplit(':').next());
    let port = port.and_then(|port| port.parse().ok()).expect("a port");
    let root = registry(folder, port);
    assert_eq!(place["address"], root.address.as_str());
    wait_for(&third.address, "/api/health", is_well);
    wait_for(&root.address, "/api/nodes?state=active", |_, body| {
        body["nodes"]
            .as_array()
            .is_some_and(|nodes| nodes.iter().any(|node| node["node_name"] == "third"))
    });
}

/// What a node knows of a peer from an earlier run.
fn remember(folder: &Path, name: &str, peer: &str) {
    let (_, health) = get(peer, "/api/health");
    let port: u16 = peer
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let data = folder.join(name);
    fs::create_dir(&data).expect("a folder");
    let peer = json!({
        "node_id": health["node_id"],
        "node_name": health["node_name"],
        "ipv6_address": "::1",
        "port": port,
        "registry_address": "[::1]:1",
    });
    write(
        &data,
        "memory.json",
        &json!({"peers": [{"peer": peer, "gossip_port": port}]}),
    );
}

#[test]
fn a_node_that_starts_again_is_the_same_node_and_its_peers_know_it_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let root = registry(folder, free_port());
    let place = external(&root.address);
    let first = node(folder, "first", &place);
    let second = node(folder, "second", &place);
    wait_for_peers(&first, &["second"]);
    wait_for(&second.address, "/api/health", is_well);
    let id = node_id(&second.address);
    second.kill();
    let second = node(folder, "second", &place);
    assert_eq!(node_id(&second.address), id);
    wait_for(&second.address, "/api/health", is_well);
    wait_for_peers(&first, &["second"]);
    wait_for_peers(&second, &["first"]);
    let nodes = get(&root.address, "/api/nodes").1;
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_node_whose_port_is_taken_takes_the_next_one_and_writes_it_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let taken = std::net::TcpListener::bind("[::1]:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let config = format!(
        "node: # mine\n  name: first\n  domain: example.net\n  ipv6_address: '::1'\n  port: {port} # here\n  data: {}\n",
        folder.join("first").display()
    );
    fs::write(folder.join("first.yml"), &config).expect("written");
    let mut first = node(folder, "first", &Value::Null);
    let now: u16 = first
        .address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    assert!(now > port);
    let warning = first.line("the configured port is taken");
    assert_eq!(warning["level"], "WARN");
    assert_eq!(warning["configured"], port);
    let text = fs::read_to_string(folder.join("first.yml")).expect("read");
    assert_eq!(
        text,
        config.replace(&format!("port: {port}"), &format!("port: {now}"))
    );
    assert_eq!(get(&first.address, "/api/peers").0, 200);
}

#[test]
fn what_a_node_answers_has_its_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = node(folder.path(), "alone", &json!({}));
    assert_eq!(peers(&get(&alone.address, "/api/peers?count=3").1), [""; 0]);
    let (status, body) = get(&alone.address, "/api/peers?count=many");
    assert_eq!(
        (status, &body["code"], &body["field"]),
        (422, &json!("invalid_field"), &json!("count"))
    );
    let (status, body) = get(&alone.address, "/api/nothing");
    assert_eq!((status, &body["code"]), (404, &json!("not_found")));
    let health = wait_for(&alone.address, "/api/health", |status, body| {
        status == 503 && body["status"] == "degraded"
    });
    assert_eq!(health["service"], "trustnet-node");
    let words = health["problems"][1].as_str().expect("words");
    assert!(words.starts_with("no registry is known"), "{words}");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("node.yml");
    fs::write(
        &path,
        "node:\n  name: first\n  domain: example.net\n  ipv6_address: '::1'\n  prot: 1\n",
    )
    .expect("written");
    let check = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trustnet-node"));
        let output = command
            .arg("--config")
            .arg(&path)
            .arg("--check")
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            output.status.success(),
            told.replace(&path.display().to_string(), "FILE"),
        )
    };
    let (valid, told) = check();
    assert!(!valid);
    assert!(
        told.starts_with("trustnet-node: FILE:5:3: `node.prot`: `prot` is not known"),
        "{told}"
    );
    fs::write(
        &path,
        "node: {name: first, domain: example.net, ipv6_address: '::1'}",
    )
    .expect("written");
    assert_eq!(check(), (true, String::new()));
}
