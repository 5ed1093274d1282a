//! A banned node stays out of what its peers know, too.

use std::fs;

use serde_json::json;
use trustnet_core::network::signature::SigningKey;

use crate::programs::{
    free_port, get, node, peers, registry_with, wait_for, wait_for_peers, wait_until, write_signed,
};
use crate::{external, integrated, is_well, metric, node_id};

#[test]
fn a_banned_node_is_no_peer_until_it_is_let_in_even_while_every_registry_is_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let administrator = SigningKey::from_seed([200; 32]);
    let key = json!({"administrator_key": administrator.public().to_string()});
    let root = registry_with(folder, free_port(), &key);
    let place = external(&root.address);
    let first = node(folder, "first", &place);
    let second = node(folder, "second", &place);
    let third = node(folder, "third", &place);
    wait_for_peers(&first, &["second", "third"]);
    wait_for_peers(&second, &["first", "third"]);
    wait_for_peers(&third, &["first", "second"]);
    wait_for(&third.address, "/api/health", is_well);

    let id = node_id(&third.address);
    let ban = format!("/api/nodes/{id}/ban");
    assert_eq!(
        write_signed(&root.address, &administrator, "PUT", &ban),
        200
    );
    wait_for_peers(&first, &["second"]);
    wait_for_peers(&second, &["first"]);
    let memory = folder.join("first/memory.json");
    wait_until(|| {
        fs::read_to_string(&memory)
            .is_ok_and(|text| text.contains(&format!("\"nodes\":[\"{id}\"]")))
    });

    // Started again without a registry, it remembers; the banned one lives, and calls.
    root.kill();
    first.kill();
    let first = node(folder, "first", &place);
    wait_for(&first.address, "/api/health", |_, body| {
        body["peers"]["alive"] == 1
    });
    let dropped = "trustnet_node_gossip_datagrams_total{result=\"banned\"}";
    wait_until(|| metric(&first.address, dropped) > 0);
    let body = get(&first.address, "/api/peers").1;
    assert_eq!(peers(&body), ["second"]);

    let port = place["address"]
        .as_str()
        .and_then(|at| at.rsplit(':').next());
    let port = port.and_then(|port| port.parse().ok()).expect("a port");
    let root = registry_with(folder, port, &key);
    assert_eq!(place["address"], root.address.as_str());
    wait_for(&first.address, "/api/health", is_well);
    assert_eq!(peers(&get(&first.address, "/api/peers").1), ["second"]);
    assert_eq!(
        write_signed(&root.address, &administrator, "DELETE", &ban),
        200
    );
    wait_for_peers(&first, &["second", "third"]);
    wait_for_peers(&second, &["first", "third"]);
    wait_for(&first.address, "/api/health", |_, body| {
        body["peers"]["alive"] == 2
    });
}

#[test]
fn what_the_administrator_decides_reaches_the_root_through_an_integrated_registry() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let administrator = SigningKey::from_seed([200; 32]);
    let key = json!({"administrator_key": administrator.public().to_string()});
    let root = registry_with(folder, free_port(), &key);
    let mut within = integrated(&root.address);
    within["administrator_key"] = key["administrator_key"].clone();
    let first = node(folder, "first", &within);
    let second = node(folder, "second", &external(&root.address));
    // It may have gone to the root itself, where that was there earlier than its own registry's way to it.
    wait_for(&first.address, "/api/health", is_well);
    let registry = within["address"].as_str().expect("its own");
    wait_for(&second.address, "/api/health", is_well);
    let path = format!("/api/nodes/{}", node_id(&second.address));
    second.kill();
    wait_for(registry, &path, |status, _| status == 200);
    let ban = format!("{path}/ban");
    for (method, path, state) in [("PUT", &ban, "banned"), ("DELETE", &ban, "offline")] {
        assert_eq!(write_signed(registry, &administrator, method, path), 200);
        let path = path.trim_end_matches("/ban");
        assert_eq!(get(&root.address, path).1["state"], state);
        wait_for(registry, path, |_, body| body["state"] == state);
    }
    let other = SigningKey::from_seed([201; 32]);
    assert_eq!(write_signed(registry, &other, "DELETE", &path), 403);
    assert_eq!(write_signed(registry, &administrator, "DELETE", &path), 200);
    assert_eq!(get(&root.address, &path).0, 404);
}
