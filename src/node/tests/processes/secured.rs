//! A network that speaks TLS.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use trustnet_registry::transport::Transport;

use crate::certificates::Authority;
use crate::programs::{ask_by, free_port, get, node_of, registry_with, wait_until, write};

/// No name server answers there.
const NOWHERE: &str = "[::1]:1";

fn ask(transport: &Transport, address: &str, path: &str) -> (u16, Value) {
    let (status, body) = ask_by(transport, address, path);
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let all = list[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = all.iter().filter_map(|one| one["node_name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names
}

#[test]
fn nodes_and_registries_of_every_kind_know_one_another_over_tls() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let folder = folder.path();
    let ca = authority.write(folder);
    // It is the domain's, whatever its address.
    let of_root = authority.certify(folder, &["tnr.example.net"]);
    let tls = json!({"certificate": of_root.certificate, "key": of_root.key});
    let root = registry_with(folder, free_port(), &json!({"tls": tls}));
    let own = folder.join("own");
    std::fs::create_dir(&own).expect("a folder");
    let of_node = authority.certify(&own, &["::1"]);
    let tls = json!({"tls": {"certificate": of_node.certificate, "key": of_node.key}});
    let external = json!({"type": "external", "address": root.address, "ca": ca});
    let integrated = json!({
        "type": "integrated",
        "address": format!("[::1]:{}", free_port()),
        "root_registry": {"address": root.address},
        "ca": ca,
    });
    let first = node_of(folder, "first", &external, &json!({}), NOWHERE);
    let second = node_of(folder, "second", &integrated, &tls, NOWHERE);
    let trust = Transport::new(Some(&ca), Some("example.net"), &[]).expect("an authority");
    wait_until(|| {
        let (_, list) = ask(&trust, &root.address, "/api/nodes?state=active");
        names(&list, "nodes") == ["first", "second"]
    });
    wait_until(|| {
        let (status, peers) = ask(&trust, &second.address, "/api/peers");
        status == 200 && names(&peers, "peers") == ["first"]
    });
    // The node's port speaks TLS, and so does its registry; neither speaks otherwise.
    // The root has a node before the node has its answer: only that says where its registry is.
    let told = || ask(&trust, &second.address, "/api/health").1["registry"]["address"].clone();
    wait_until(|| told().is_string());
    let integrated = told();
    let integrated = integrated.as_str().expect("an address");
    wait_until(|| {
        let (_, list) = ask(&trust, integrated, "/api/nodes?state=active");
        names(&list, "nodes") == ["first", "second"]
    });
    for address in [&root.address, &second.address, integrated] {
        assert_eq!(get(address, "/api/health").0, 0);
    }
    // The first one's own port has no certificate.
    wait_until(|| names(&get(&first.address, "/api/peers").1, "peers") == ["second"]);
}

#[test]
fn a_node_says_why_it_does_not_trust_a_registry_and_tells_it_nothing() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let folder = folder.path();
    let files = authority.certify(folder, &["::2"]);
    let tls = json!({"certificate": files.certificate, "key": files.key});
    let root = registry_with(folder, free_port(), &json!({"tls": tls}));
    let ca = authority.write(folder);
    let place = json!({"type": "external", "address": root.address, "ca": ca});
    let mut node = node_of(folder, "first", &place, &json!({}), NOWHERE);
    node.line("not valid for name");
    assert_eq!(get(&node.address, "/api/health").0, 503);
    authority.certify(folder, &["::1"]);
    let trust = Transport::new(Some(&ca), None, &[]).expect("an authority");
    wait_until(|| ask(&trust, &root.address, "/api/nodes").0 == 200);
    node.line("the node is registered");
}

#[test]
fn a_nodes_certificate_is_checked_with_its_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let files = Authority::new().certify(folder, &["::1"]);
    let config = |key: &Path| {
        let tls = json!({"certificate": files.certificate, "key": key});
        json!({"node": {"name": "a", "domain": "example.net", "ipv6_address": "::1", "tls": tls}})
    };
    let check = |config: &Value| {
        let path = write(folder, "node.yml", config);
        let mut program = Command::new(env!("CARGO_BIN_EXE_trustnet-node"));
        let output = program.arg("--config").arg(path).arg("--check").output();
        let output = output.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), told)
    };
    assert_eq!(check(&config(&files.key)), (true, String::new()));
    let (valid, told) = check(&config(&files.certificate));
    assert!(!valid && told.contains("chmod 600"), "{told}");
}
