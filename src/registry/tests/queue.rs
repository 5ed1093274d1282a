//! The queue of writes for the root.

use axum::body::Bytes;
use trustnet_core::network::NodeId;
use trustnet_core::network::signature::SignatureHeaders;
use trustnet_registry::forward::SignedRequest;
use trustnet_registry::queue::{Put, Queue};

/// The write of a number: by a key of its own, unless that is given.
fn write(number: u64, key: Option<u8>) -> SignedRequest {
    SignedRequest {
        node: NodeId::new(key.map_or(number.to_be_bytes(), |key| [key; 8])),
        method: "POST".to_owned(),
        path: "/api/register".to_owned(),
        signature: SignatureHeaders {
            content_digest: "sha-256=:…:".to_owned(),
            signature_input: "sig1=…".to_owned(),
            signature: format!("sig1=:{number}:"),
        },
        created: 1_800_000_000,
        authorization: None,
        body: Bytes::from(format!("{{\"number\":{number}}}")),
    }
}

async fn put(queue: &Queue, request: SignedRequest) -> Put {
    queue
        .put(7, request)
        .await
        .expect("it lives")
        .expect("there is room")
}

async fn take(queue: &Queue) -> Option<SignedRequest> {
    let first = queue
        .first()
        .await
        .expect("it lives")
        .expect("it is read")?;
    queue
        .remove(first.number)
        .await
        .expect("it lives")
        .expect("it is written");
    Some(first.request)
}

#[tokio::test]
async fn writes_come_out_whole_in_the_order_they_went_in_whoever_opens_the_queue() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("queue.db");
    let (queue, waiting) = Queue::open(&path).expect("a queue");
    assert_eq!(waiting, 0);
    let coming: Vec<_> = (0..600)
        .map(|number| queue.put(7, write(number, None)))
        .collect();
    for put in coming {
        assert_eq!(put.await.expect("it lives").expect("room"), Put::New);
    }
    assert_eq!(take(&queue).await, Some(write(0, None)));
    drop(queue);
    let (queue, waiting) = Queue::open(&path).expect("a queue");
    assert_eq!(waiting, 599);
    for number in 1..600 {
        assert_eq!(take(&queue).await, Some(write(number, None)));
    }
    assert_eq!(take(&queue).await, None);
    // What comes after an empty queue is later than all before.
    assert_eq!(put(&queue, write(1_000, None)).await, Put::New);
    let first = queue.first().await.expect("it lives").expect("it is read");
    assert_eq!(
        first.map(|first| (first.number, first.received)),
        Some((601, 7))
    );
}

#[tokio::test]
async fn a_signature_is_in_once_and_a_key_no_more_often_than_a_root_takes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (queue, _) = Queue::open(&folder.path().join("queue.db")).expect("a queue");
    for number in 0..8 {
        assert_eq!(put(&queue, write(number, Some(1))).await, Put::New);
    }
    assert_eq!(put(&queue, write(3, Some(1))).await, Put::Known);
    assert_eq!(put(&queue, write(8, Some(1))).await, Put::TooMany);
    assert_eq!(put(&queue, write(9, Some(2))).await, Put::New);
    let mut later = write(10, Some(1));
    later.created += 1;
    assert_eq!(put(&queue, later).await, Put::New);
}
