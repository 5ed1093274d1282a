//! The queue of writes for the root.

use axum::body::Bytes;
use proptest::prelude::*;
use trustnet_core::network::NodeId;
use trustnet_core::network::signature::SignatureHeaders;
use trustnet_registry::forward::SignedRequest;
use trustnet_registry::queue::{Put, Queue};

const NEW: Put = Put::New { replaced: 0 };

/// The write of a number: by a key of its own, unless that is given.
fn write(number: u64, key: Option<u8>) -> SignedRequest {
    let node = NodeId::new(key.map_or(number.to_be_bytes(), |key| [key; 8]));
    SignedRequest {
        node,
        signer: node,
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
        assert_eq!(put.await.expect("it lives").expect("room"), NEW);
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
    assert_eq!(put(&queue, write(1_000, None)).await, NEW);
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
        assert_eq!(put(&queue, write(number, Some(1))).await, NEW);
    }
    assert_eq!(put(&queue, write(3, Some(1))).await, Put::Known);
    assert_eq!(put(&queue, write(8, Some(1))).await, Put::TooMany);
    assert_eq!(put(&queue, write(9, Some(2))).await, NEW);
    let mut later = write(10, Some(1));
    later.created += 1;
    assert_eq!(put(&queue, later).await, Put::New { replaced: 8 });
}

#[tokio::test]
async fn a_node_fills_no_queue_with_what_differs_and_keeps_no_ban_out_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (queue, _) = Queue::open(&folder.path().join("queue.db")).expect("a queue");
    let mut in_it = 0;
    for number in 0..100 {
        // It leaves again and again, and shows something else whenever it registers.
        let says = (number % 2 == 0).then_some(0);
        let mut request = by(number, 1, says, number);
        request.authorization = Some(number.to_string());
        in_it += u64::from(put(&queue, request).await == NEW);
    }
    assert_eq!(in_it, 16);
    let mut ban = by(100, 1, None, 99);
    ban.signer = NodeId::new([9; 8]);
    ban.method = "PUT".to_owned();
    ban.path.push_str("/ban");
    assert_eq!(put(&queue, ban).await, NEW);
    assert_eq!(put(&queue, by(101, 2, Some(0), 99)).await, NEW);
}

#[tokio::test]
async fn what_waited_in_the_queue_of_the_first_version_is_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("queue.db");
    let (queue, _) = Queue::open(&path).expect("a queue");
    assert_eq!(put(&queue, write(1, Some(1))).await, NEW);
    drop(queue);
    let old = rusqlite::Connection::open(&path).expect("the queue's database");
    old.execute_batch("ALTER TABLE queued DROP COLUMN signer; PRAGMA user_version = 1")
        .expect("as the first version made it");
    old.close().expect("it is written");
    let (queue, waiting) = Queue::open(&path).expect("it is brought up to date");
    assert_eq!(waiting, 1);
    assert_eq!(take(&queue).await, Some(write(1, Some(1))));
}

/// What happens to a queue.
#[derive(Debug, Clone)]
enum Event {
    /// A node writes: it registers, saying one thing or another, or leaves; in a new second or in the last one.
    Write {
        node: u8,
        says: Option<u8>,
        later: bool,
    },
    /// The first is given out, and what comes of it is not known.
    Try,
    /// The first is given out, and delivered.
    Deliver,
    /// The secondary starts again.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let says = prop::option::weighted(0.8, 0..2_u8);
    prop_oneof![
        8 => (0..3_u8, says, prop::bool::weighted(0.8))
            .prop_map(|(node, says, later)| Event::Write { node, says, later }),
        1 => Just(Event::Try),
        2 => Just(Event::Deliver),
        1 => Just(Event::Restart),
    ]
}

/// A write by its number, and what it says; nothing, if its node leaves.
fn by(number: u64, node: u8, says: Option<u8>, created: u64) -> SignedRequest {
    let mut request = write(number, Some(node));
    request.created = created;
    request.body = Bytes::from(says.map_or(String::new(), |says| says.to_string()));
    if says.is_none() {
        request.method = "DELETE".to_owned();
        request.path = format!("/api/nodes/{}", request.node);
    }
    request
}

fn number(request: &SignedRequest) -> usize {
    let number = request.signature.signature.strip_prefix("sig1=:");
    let number = number.and_then(|text| text.strip_suffix(':')?.parse().ok());
    number.expect("its signature is its number")
}

/// What came out of a queue of what went into it.
fn check(taken: &[SignedRequest], out: &[SignedRequest]) {
    let is_registration = |request: &SignedRequest| request.method == "POST";
    let place = |one: &SignedRequest| out.iter().position(|other| other == one);
    for (index, request) in taken.iter().enumerate() {
        let count = out.iter().filter(|other| *other == request).count();
        if count == 1 {
            continue;
        }
        assert_eq!(count, 0, "it came out twice: {request:?}");
        assert!(is_registration(request), "lost: {request:?}");
        // The node's next write stands for it, or the one that stands for that.
        let mut later = taken[index + 1..]
            .iter()
            .filter(|other| other.node == request.node);
        assert!(
            later.next().is_some_and(is_registration),
            "lost: {request:?}"
        );
    }
    for (index, after) in out.iter().enumerate() {
        for before in &out[..index] {
            if number(before) < number(after) {
                continue;
            }
            assert_ne!(before.node, after.node, "a node's own order is kept");
            // It has the place of one that said the same, and came before.
            let mut same = taken.iter().filter(|one| number(one) < number(after));
            assert!(
                same.any(|one| one.node == before.node
                    && one.body == before.body
                    && place(one).is_none()),
                "{before:?} overtook {after:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is written, delivered and restarted in between: what was acknowledged comes out, or a later registration of
    /// its node does, once and in order; and it is counted rightly.
    #[test]
    fn the_newest_registration_of_a_node_stands_for_those_before_it(
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("queue.db");
            let (mut queue, _) = Queue::open(&path).expect("a queue");
            let (mut taken, mut out, mut count, mut created) = (Vec::new(), Vec::new(), 0, 1);
            for (number, event) in (0..).zip(events) {
                match event {
                    Event::Write { node, says, later } => {
                        created += u64::from(later);
                        let request = by(number, node, says, created);
                        if let Put::New { replaced } = put(&queue, request.clone()).await {
                            count = count + 1 - replaced;
                            taken.push(request);
                        }
                    }
                    Event::Try => {
                        queue.first().await.expect("it lives").expect("it is read");
                    }
                    Event::Deliver => {
                        if let Some(request) = take(&queue).await {
                            count -= 1;
                            out.push(request);
                        }
                    }
                    Event::Restart => {
                        drop(queue);
                        let (again, waiting) = Queue::open(&path).expect("a queue");
                        assert_eq!(waiting, count);
                        queue = again;
                    }
                }
            }
            while let Some(request) = take(&queue).await {
                count -= 1;
                out.push(request);
            }
            assert_eq!(count, 0);
            check(&taken, &out);
        });
    }
}

#[tokio::test]
async fn a_node_that_starts_again_and_again_fills_no_queue() {
    let folder = tempfile::tempdir().expect("a folder");
    let (queue, _) = Queue::open(&folder.path().join("queue.db")).expect("a queue");
    assert_eq!(put(&queue, by(0, 1, Some(0), 0)).await, NEW);
    queue.first().await.expect("it lives").expect("it is read");
    assert_eq!(put(&queue, by(1, 2, Some(0), 0)).await, NEW);
    for number in 2..100 {
        let says = Some((number % 7) as u8);
        let replaced = u64::from(number > 2);
        let request = by(number, 1, says, number);
        assert_eq!(put(&queue, request).await, Put::New { replaced });
    }
    // The first may be at the root already.
    let left = [
        by(0, 1, Some(0), 0),
        by(1, 2, Some(0), 0),
        by(99, 1, Some(1), 99),
    ];
    for wanted in left {
        assert_eq!(take(&queue).await, Some(wanted));
    }
    assert_eq!(take(&queue).await, None);
}
