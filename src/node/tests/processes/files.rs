//! A node that may open few files.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::external;
use crate::programs::{free_port, write};

/// What a node with so many files says of connections before it answers: one number of each of its servers.
fn connections(registry: &Value) -> Vec<u64> {
    let folder = tempfile::tempdir().expect("a folder");
    let config = json!({
        "node": {"name": "a", "domain": "example.net", "ipv6_address": "::1", "port": free_port(), "data": folder.path().join("a")},
        "registry": registry,
    });
    let mut node = Command::new("sh")
        .args(["-c", r#"ulimit -n 264; exec "$@""#, "sh"])
        .arg(env!("CARGO_BIN_EXE_trustnet-node"))
        .arg("--config")
        .arg(write(folder.path(), "a.yml", &config))
        .env("TRUSTNET_NAME_SERVERS", "[::1]:1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(node.stdout.take().expect("a pipe")).lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(&line.expect("text")));
    let lines = lines.map(|line| line.expect("a line of JSON"));
    let lines: Vec<Value> = lines
        .take_while(|line| line["message"] != "the node answers")
        .collect();
    node.kill().expect("killed");
    node.wait().expect("gone");
    let few = |line: &&Value| {
        let message = line["message"].as_str();
        message.is_some_and(|message| message.starts_with("fewer connections"))
    };
    let few = lines.iter().filter(few);
    few.map(|line| line["connections"].as_u64().expect("a number"))
        .collect()
}

#[test]
fn a_node_and_its_own_registry_share_the_files_of_their_process() {
    let own = json!({"type": "integrated", "address": format!("[::1]:{}", free_port())});
    assert_eq!(connections(&own), [100, 100]);
    assert_eq!(connections(&external("[::1]:1")), [200]);
}
