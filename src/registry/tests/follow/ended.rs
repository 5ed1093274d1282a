//! A registry that is ended before it has begun to answer.

use std::net::TcpStream;

use serde_json::json;

use super::node::Node;
use super::registry::Registry;

/// So many that they are not done before the signal comes.
const WAITING: u32 = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_root_that_is_ended_while_it_does_what_was_queued_ends_and_does_the_rest_at_its_next_start()
 {
    let absent = Registry::new(None, &json!({}));
    let more = json!({
        "heartbeat": { "interval": 300 },
        "replication": { "max_queued_writes": 5000 },
    });
    let mut heir = Registry::new(Some(absent.address), &more);
    heir.start().await;
    for number in 0..WAITING {
        assert_eq!(Node::new(number).register(&heir, 9000).await.status(), 202);
    }
    heir.kill();
    heir.promote(&json!({ "heartbeat": { "interval": 300 } }));
    heir.launch();
    heir.told("writes from before the promotion are done first")
        .await;
    // Who calls it is told at once that it does not answer yet.
    assert!(TcpStream::connect(heir.address).is_err());
    assert!(heir.end().success());
    assert!(heir.log().contains("the end was asked for"));
    let done = "the writes from before the promotion are done\"";
    assert!(!heir.log().contains(done), "it did not wait for them");
    heir.start().await;
    heir.until("all are in", |health| {
        health.nodes.active == u64::from(WAITING)
    })
    .await;
    assert_eq!(heir.log().matches(done).count(), 1);
}
