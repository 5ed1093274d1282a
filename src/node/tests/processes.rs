//! Nodes and registries as they run in guests: processes, on loopback.

#[path = "processes/bans.rs"]
mod bans;
#[path = "../../registry/tests/certificates/mod.rs"]
mod certificates;
#[path = "processes/consensus.rs"]
mod consensus;
#[path = "processes/crowd.rs"]
mod crowd;
#[path = "processes/files.rs"]
mod files;
#[path = "../../registry/tests/name_server/mod.rs"]
mod name_server;
#[path = "processes/ports.rs"]
mod ports;
mod programs;
#[path = "processes/secured.rs"]
mod secured;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hickory_resolver::proto::rr::RecordType;
use name_server::NameServer;
use programs::{
    free_port, get, node, node_with, peers, registry, registry_with, wait_for, wait_for_peers,
    wait_until, write,
};
use serde_json::{Value, json};

/// Set in the process that has a network of its own.
const ALONE: &str = "TRUSTNET_TEST_ALONE";

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

    // Who stops says goodbye to its peers, and leaves its entry in the directory alone.
    second.stop();
    wait_for_peers(&first, &[]);
    let record = get(&root.address, &format!("/api/nodes/{id}")).1;
    assert_eq!(record["state"], "active");
}

#[test]
fn who_does_not_have_the_join_token_comes_neither_into_the_directory_nor_into_the_gossip() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let token = folder.join("token");
    fs::write(&token, "0123456789abcdef0123456789abcdef").expect("written");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("set");
    let root = registry_with(folder, free_port(), &json!({"join_token_file": token}));
    let with = json!({"address": root.address, "join_token_file": token});
    let first = node(folder, "first", &with);
    let second = node(folder, "second", &with);
    wait_for_peers(&first, &["second"]);
    wait_for_peers(&second, &["first"]);
    wait_for(&first.address, "/api/health", |_, body| {
        body["peers"]["alive"] == 1
    });

    remember(folder, "stranger", &first.address);
    let stranger = node(folder, "stranger", &external(&root.address));
    let health = wait_for(&stranger.address, "/api/health", |status, body| {
        status == 503 && body["status"] == "degraded"
    });
    let words = health["problems"][1].as_str().expect("words");
    assert!(words.contains("join token"), "{words}");
    // Its datagrams have come, and were dropped.
    let sealed = |node: &str| {
        metric(
            node,
            "trustnet_node_gossip_datagrams_total{result=\"sealed\"}",
        )
    };
    wait_until(|| sealed(&first.address) > 0);
    assert_eq!(peers(&get(&first.address, "/api/peers").1), ["second"]);
    assert_eq!(health["peers"]["alive"], 0);
}

/// A number of a node's metrics.
fn metric(node: &str, name: &str) -> u64 {
    let text = programs::text(node, "/metrics");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.expect("the metric").trim();
    number.parse().expect("a number")
}

#[test]
fn what_a_node_answers_has_its_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = node(folder.path(), "alone", &json!({}));
    assert_eq!(peers(&get(&alone.address, "/api/peers?count=3").1), [""; 0]);
    for wrong in ["count=many", "count=0", "count=1001", "counter=3"] {
        let (status, _) = get(&alone.address, &format!("/api/peers?{wrong}"));
        assert_eq!(status, 422, "{wrong}");
    }
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

/// A node whose registry is in its own process, a secondary of this root.
fn integrated(root: &str) -> Value {
    json!({
        "type": "integrated",
        "address": format!("[::1]:{}", free_port()),
        "root_registry": {"address": root},
    })
}

/// Where the registry of a node is.
fn registry_of(node: &programs::Program) -> String {
    let health = wait_for(&node.address, "/api/health", is_well);
    health["registry"]["address"]
        .as_str()
        .expect("an address")
        .to_owned()
}

#[test]
fn a_node_with_a_registry_of_its_own_is_known_to_the_root_and_serves_others_while_the_root_is_away()
{
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let root = registry(folder, free_port());
    let place = root.address.clone();
    let first = node(folder, "first", &integrated(&place));
    let own = registry_of(&first);
    let (_, health) = get(&first.address, "/api/health");
    assert_eq!(health["registry"]["integrated"], true);
    assert_ne!(own, place);
    let record = get(&place, &format!("/api/nodes/{}", node_id(&first.address))).1;
    assert_eq!(record["registry_address"], own.as_str());
    let (_, health) = get(&own, "/api/health");
    assert_eq!(
        (&health["service"], &health["role"]),
        (&json!("trustnet-registry"), &json!("secondary"))
    );

    let second = node(folder, "second", &external(&place));
    wait_for_peers(&first, &["second"]);
    wait_for_peers(&second, &["first"]);
    wait_for(&own, "/api/nodes", |_, body| {
        body["nodes"]
            .as_array()
            .is_some_and(|nodes| nodes.len() == 2)
    });

    root.kill();
    let third = node(folder, "third", &external(&own));
    let health = wait_for(&third.address, "/api/health", |status, body| {
        status == 503 && body["registry"]["queued"] == true
    });
    assert_eq!(health["status"], "degraded");
    assert_eq!(get(&own, "/api/nodes").0, 200);
    let port = place
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let root = registry(folder, port);
    assert_eq!(root.address, place);
    wait_for(&third.address, "/api/health", is_well);
    wait_for(&place, "/api/nodes?state=active", |_, body| {
        body["nodes"]
            .as_array()
            .is_some_and(|nodes| nodes.len() == 3)
    });
    first.stop();
}

/// The port of registries that a domain names is 8000: in a network namespace of its own nobody else has it.
#[test]
fn a_domain_alone_leads_a_node_to_its_registry() {
    let script = "ip link set lo up && exec \"$0\" --exact \"$1\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", script]);
    command.arg(std::env::current_exe().expect("this test"));
    command
        .arg("the_process_in_a_network_of_its_own")
        .env(ALONE, "1");
    // The program is built before: there is no reason to build where there is no network.
    drop(registry(
        tempfile::tempdir().expect("a folder").path(),
        free_port(),
    ));
    let output = command.output().expect("unshare runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

/// Not a test of its own: what the one above starts.
#[test]
fn the_process_in_a_network_of_its_own() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let names = NameServer::start();
    let server = names.address().to_string();
    let first = node_with(folder, "first", &json!({}), &server);
    wait_for(&first.address, "/api/health", |status, _| status == 503);
    // The domain gets its name only now, and the registry's address stands second.
    names.set("tnr.example.net.", &["2001:db8::1", "::1"]);
    let root = registry(folder, 8000);
    let second = node_with(
        folder,
        "second",
        &json!({"fallback_domain": "example.net"}),
        &server,
    );
    for one in [&first, &second] {
        let health = wait_for(&one.address, "/api/health", is_well);
        assert_eq!(health["registry"]["address"], "[::1]:8000");
    }
    wait_for_peers(&first, &["second"]);
    wait_for_peers(&second, &["first"]);
    // Nodes are never looked up, nor anything else.
    let asked = vec![("tnr.example.net.".to_owned(), RecordType::AAAA)];
    assert_eq!(names.asked(), asked);
    root.stop();
}
