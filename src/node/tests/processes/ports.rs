//! Ports that are taken.

use std::fs;

use serde_json::Value;

use crate::is_well;
use crate::programs::{free_port, get, node, registry, wait_for};

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
fn an_integrated_registry_whose_port_is_taken_takes_the_next_one_and_writes_it_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let root = registry(folder, free_port());
    let taken = std::net::TcpListener::bind("[::1]:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let config = format!(
        "node:\n  name: first\n  domain: example.net\n  ipv6_address: '::1'\n  port: {}\n  data: {}\nregistry: # its own\n  type: integrated\n  address: \"[::1]:{port}\" # here\n  root_registry:\n    address: \"{}\"\n",
        free_port(),
        folder.join("first").display(),
        root.address,
    );
    fs::write(folder.join("first.yml"), &config).expect("written");
    let first = node(folder, "first", &Value::Null);
    let health = wait_for(&first.address, "/api/health", is_well);
    assert_eq!(health["registry"]["integrated"], true);
    let address = health["registry"]["address"].as_str().expect("an address");
    let now = address.strip_prefix("[::1]:").expect("of this machine");
    assert!(now.parse::<u16>().expect("a port") > port, "{now}");
    let (_, registry) = get(address, "/api/health");
    assert_eq!(registry["role"], "secondary");
    let text = fs::read_to_string(folder.join("first.yml")).expect("read");
    assert_eq!(
        text,
        config.replace(&format!("\"[::1]:{port}\""), &format!("\"{address}\""))
    );
    // Others are told of the new one.
    let (_, list) = get(&root.address, "/api/nodes");
    assert_eq!(list["nodes"][0]["registry_address"], address);
}
