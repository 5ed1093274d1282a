//! A secondary whose root is away.

use crate::stage::{Stage, id, refused, secondary};

#[tokio::test]
async fn a_secondary_starts_without_its_root_and_says_so() {
    let stage = Stage::with(secondary).await;
    let health = stage.get("/api/health").await;
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["role"], "secondary");
    assert_eq!(health.json()["status"], "starting");
    assert_eq!(health.json()["replication"]["connected"], false);
    for path in ["/api/health", "/api/nodes", "/api/snapshot", "/nix"] {
        let lag = stage.get(path).await;
        let lag = lag.header("trustnet-replica-lag").expect(path);
        assert!(
            lag.parse::<f64>().is_ok_and(|lag| lag >= 0.0),
            "{path}: {lag}"
        );
    }
    let metrics = stage.get("/metrics").await.body;
    let metrics = String::from_utf8(metrics).expect("text");
    for line in [
        "trustnet_registry_queued_writes 0",
        "trustnet_registry_root_connected 0",
        "trustnet_registry_replica_events_total{event=\"connected\"} 0",
    ] {
        assert!(
            metrics.lines().any(|written| written == line),
            "{line}\n{metrics}"
        );
    }
    let peers = stage.get(&format!("/api/nodes/{}/peers", id(1))).await;
    assert_eq!(peers.status, 200, "whose registration waits may ask");
    assert_eq!(stage.beat(1, 1).await.refusal(), refused(404, "not_found"));
}
