//! What anyone may ask.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use trustnet_api::network::RegisterRequest;
use trustnet_core::network::{Proof, Registration, Write};
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions};

use crate::stage::{Stage, id, refused, registration, request};

#[tokio::test]
async fn a_registry_says_how_it_is() {
    let stage = Stage::start().await;
    stage.register(1, "ada").await;
    let answer = stage.get("/api/health").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let health = answer.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["service"], "trustnet-registry");
    assert_eq!(health["role"], "root");
    assert_eq!(health["join_token"], false);
    let nodes = json!({ "active": 1, "offline": 0, "inactive": 0, "banned": 0 });
    assert_eq!(health["nodes"], nodes);
    assert_eq!(health["replication"]["version"], 1);
    assert_eq!(answer.header("trustnet-replica-lag"), None);
}

#[tokio::test]
async fn what_is_counted_is_open_metrics_with_an_end() {
    let stage = Stage::start().await;
    stage.register(1, "ada").await;
    stage.get("/nix").await;
    let answer = stage.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(kind));
    let text = String::from_utf8(answer.body).expect("text");
    assert!(text.ends_with("\n# EOF\n"));
    for line in [
        "trustnet_registry_requests_total{route=\"/api/register\",class=\"2xx\"} 1",
        "trustnet_registry_requests_total{route=\"other\",class=\"4xx\"} 1",
        "trustnet_registry_nodes{state=\"active\"} 1",
        "trustnet_registry_directory_version 1",
    ] {
        assert!(
            text.lines().any(|written| written == line),
            "{line}\n{text}"
        );
    }
}

#[tokio::test]
async fn the_directory_comes_page_by_page() {
    let stage = Stage::start().await;
    for number in 1..=5 {
        stage.register(number, &format!("node-{number}")).await;
    }
    let mut ids: Vec<String> = (1..=5).map(|number| id(number).to_string()).collect();
    ids.sort();
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = stage
            .get(&format!("/api/nodes?limit=2{after}"))
            .await
            .json();
        assert_eq!(page["version"], 5);
        let nodes = page["nodes"].as_array().expect("a list");
        assert!(nodes.len() <= 2);
        seen.extend(
            nodes
                .iter()
                .map(|node| node["node_id"].as_str().expect("an id").to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    let active = stage.get("/api/nodes?state=active").await.json();
    assert_eq!(active["nodes"].as_array().map(Vec::len), Some(5));
    let banned = stage.get("/api/nodes?state=banned").await.json();
    assert_eq!(banned["nodes"], json!([]));
}

#[tokio::test]
async fn a_record_and_its_peers_are_told() {
    let stage = Stage::start().await;
    for number in 1..=4 {
        stage.register(number, &format!("node-{number}")).await;
    }
    let path = format!("/api/nodes/{}", id(1));
    let record = stage.get(&path).await.json();
    assert_eq!(record["node_name"], "node-1");
    assert_eq!(record["state"], "active");
    assert_eq!(record["reputation"], 50);
    assert_eq!(record["peer_information_source"], "registry");
    let peers = stage.get(&format!("{path}/peers?count=2")).await.json();
    let peers = peers["peers"].as_array().expect("a list");
    assert_eq!(peers.len(), 2);
    assert!(
        peers
            .iter()
            .all(|peer| peer["node_id"] != id(1).to_string())
    );
    let unknown = stage.get(&format!("/api/nodes/{}", id(9))).await;
    assert_eq!(unknown.refusal(), refused(404, "not_found"));
}

#[tokio::test]
async fn who_asks_for_peers_again_is_told_others() {
    let stage = Stage::start().await;
    for number in 1..=20 {
        stage.register(number, &format!("node-{number}")).await;
    }
    let path = format!("/api/nodes/{}/peers?count=1", id(1));
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let peers = stage.get(&path).await.json();
        seen.insert(peers["peers"][0]["node_id"].to_string());
        if seen.len() > 1 {
            return;
        }
    }
    panic!("nobody but {seen:?}");
}

#[tokio::test]
async fn a_snapshot_and_the_changes_since_say_the_same() {
    let stage = Stage::with(|settings| settings.limits.registration_burst = 1000).await;
    // More than one piece of a stream.
    for number in 1..=250 {
        let answer = stage.register(number, &format!("node-{number}")).await;
        assert_eq!(answer.status, 201);
    }
    let snapshot = stage.get("/api/snapshot").await;
    assert_eq!(snapshot.header("content-type"), Some("application/json"));
    let snapshot = snapshot.json();
    let nodes = snapshot["nodes"].as_array().expect("a list").len();
    assert_eq!((nodes, &snapshot["version"]), (250, &json!(250)));
    let changes = stage.get("/api/changes?since=0").await.json();
    assert_eq!(changes["from_version"], 0);
    assert_eq!(changes["to_version"], nodes);
    assert_eq!(changes["changes"].as_array().map(Vec::len), Some(nodes));
    let two = stage.get("/api/changes?since=3&limit=2").await.json();
    assert_eq!(two["to_version"], 5);
    assert_eq!(two["changes"][0]["type"], "node_registered");
    let ahead = stage.get("/api/changes?since=1000000").await;
    assert_eq!(ahead.refusal(), refused(410, "gone"));
}

#[tokio::test]
async fn an_answer_is_held_until_there_is_a_change() {
    let stage = Stage::start().await;
    let held = stage.get("/api/changes?since=0&wait=60");
    let change = async {
        // Whichever comes first, the change is told.
        tokio::task::yield_now().await;
        stage.register(1, "ada").await
    };
    let (held, registered) = tokio::join!(held, change);
    assert_eq!(registered.status, 201);
    let changes = held.json();
    assert_eq!(changes["to_version"], 1);
    assert_eq!(changes["changes"][0]["node"]["node_name"], "ada");
}

#[tokio::test]
async fn the_end_frees_what_is_held() {
    let stage = Stage::start().await;
    let mut stream = stage.connect().await;
    let ask = request("GET", "/api/changes?since=0&wait=60", &[], b"");
    stream.write_all(&ask).await.expect("sent");
    while stage.service.registry().held() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let read = tokio::spawn(async move { crate::stage::read(&mut stream).await });
    let stopped = tokio::time::timeout(Duration::from_secs(30), stage.service.stop());
    stopped.await.expect("long before a minute has passed");
    let answer = read.await.expect("no panic").expect("an answer");
    assert_eq!(answer.json()["changes"], json!([]));
}

#[tokio::test]
async fn no_more_answers_are_held_than_may_be_and_one_fewer_makes_room() {
    let stage = Stage::with(|settings| settings.limits.held = 2).await;
    let ask = request("GET", "/api/changes?since=0&wait=60", &[], b"");
    let mut held = Vec::new();
    for count in 1..=2 {
        let mut stream = stage.connect().await;
        stream.write_all(&ask).await.expect("sent");
        while stage.service.registry().held() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        held.push(stream);
    }
    // At once, and not as one that fails: a secondary would take its root for lost.
    let asked = Instant::now();
    let answer = stage.get("/api/changes?since=0&wait=60").await;
    assert_eq!(answer.json()["changes"], json!([]));
    assert!(asked.elapsed() < Duration::from_secs(30));
    drop(held.pop());
    while stage.service.registry().held() > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let asked = Instant::now();
    let again = stage.get("/api/changes?since=0&wait=1").await;
    assert_eq!(again.status, 200);
    assert!(asked.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn parameters_are_what_they_must_be() {
    let stage = Stage::start().await;
    for (path, field) in [
        ("/api/nodes?limit=0", "limit"),
        ("/api/nodes?limit=1001", "limit"),
        ("/api/nodes?limit=-1", "limit"),
        ("/api/nodes?limit=+1", "limit"),
        ("/api/nodes?limit=", "limit"),
        ("/api/nodes?limit", "limit"),
        ("/api/nodes?limit=1&limit=2", "limit"),
        ("/api/nodes?state=asleep", "state"),
        ("/api/nodes?after=0x00", "after"),
        ("/api/nodes?colour=red", "colour"),
        ("/api/nodes/0x00", "node_id"),
        ("/api/nodes/%00", "node_id"),
        ("/api/nodes/0X0000000000000000", "node_id"),
        ("/api/nodes/0x0000000000000000?x=1", "x"),
        ("/api/nodes/0x0000000000000000/peers?count=0", "count"),
        ("/api/nodes/0x0000000000000000/peers?count=101", "count"),
        ("/api/changes", "since"),
        ("/api/changes?since=x", "since"),
        ("/api/changes?since=18446744073709551616", "since"),
        ("/api/changes?since=0&wait=61", "wait"),
        ("/api/changes?since=0&limit=1001", "limit"),
        ("/api/snapshot?x", "x"),
        ("/api/health?x", "x"),
    ] {
        let answer = stage.get(path).await;
        assert_eq!(answer.refusal(), refused(422, "invalid_field"), "{path}");
        assert_eq!(answer.json()["field"], field, "{path}");
    }
}

#[tokio::test]
async fn there_are_no_other_routes_and_methods() {
    let stage = Stage::start().await;
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/nodes/",
        "/api/nodes/a/b",
        "/api/register/",
        "//api/health",
        "/API/health",
    ] {
        let answer = stage.get(path).await;
        assert_eq!(answer.refusal(), refused(404, "not_found"), "{path}");
    }
    for (method, path, allowed) in [
        ("POST", "/api/health", "get,head"),
        ("GET", "/api/register", "post"),
        ("DELETE", "/api/heartbeat", "post"),
        ("PUT", "/api/nodes/0x0000000000000000", "get,head,delete"),
        ("GET", "/api/nodes/0x0000000000000000/ban", "put,delete"),
        ("PATCH", "/api/snapshot", "get,head"),
        ("BREW", "/metrics", "get,head"),
    ] {
        let answer = stage.send(method, path, &[], b"").await;
        assert_eq!(
            answer.refusal(),
            refused(405, "method_not_allowed"),
            "{method} {path}"
        );
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    let mut stream = stage.connect().await;
    let head = request("HEAD", "/metrics", &[("connection", "close")], b"");
    stream.write_all(&head).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn changes_that_are_older_than_the_log_are_gone() {
    // No configuration says how long the log is: a database is there whose log is short.
    let stage = Stage::on(async |database| {
        let options = StoreOptions {
            log_capacity: 2,
            ..StoreOptions::default()
        };
        let registrar = Registrar::open(database, options, Clock::system()).expect("a database");
        for number in 1..=5 {
            let sent = registration(number, &format!("node-{number}"));
            let request: RegisterRequest = serde_json::from_slice(&sent).expect("a request");
            let created = registrar.now().seconds();
            let write = Write::Register {
                registration: Registration::check(&request).expect("a good one"),
                proof: Proof {
                    created,
                    signature: number.into(),
                },
                admitted: true,
            };
            registrar.write(write).await.expect("written");
        }
        registrar.close().await;
    })
    .await;
    for since in [0, 2] {
        let answer = stage.get(&format!("/api/changes?since={since}")).await;
        assert_eq!(answer.refusal(), refused(410, "gone"), "{since}");
        // It is not held for what will not come.
        let held = stage
            .get(&format!("/api/changes?since={since}&wait=60"))
            .await;
        assert_eq!(held.refusal(), refused(410, "gone"), "{since}");
    }
    let answer = stage.get("/api/changes?since=3").await;
    assert_eq!(answer.status, 200);
    let changes = answer.json();
    let versions = changes["changes"].as_array().expect("changes");
    let versions: Vec<_> = versions.iter().map(|change| &change["version"]).collect();
    assert_eq!(versions, [4, 5]);
}
