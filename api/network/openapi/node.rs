//! The node's document.

use serde_json::json;

use super::{Document, Operation};
use crate::network::{ErrorCode, MAX_PAGE, NODE_PORT, NodeHealth, Peers};

const ABOUT: &str = "A node of a TrustNet: how it is, and whom it knows.

A node registers with a registry and says by heartbeats that it lives; what it says there is in the registry's document. \
Peers are told by registries, and by the nodes to one another over UDP, so that they stay known while every registry is \
down. There is no consensus engine and no transaction pool: they are reported as `not included`. Whatever is wrong with a \
request is answered in JSON; answers may gain fields.";

/// The node's document, as text.
#[must_use]
pub fn node() -> String {
    let mut document = Document::new("TrustNet node", ABOUT, NODE_PORT);
    for operation in [health, peers, metrics] {
        let operation = operation(&mut document);
        document.add(operation);
    }
    document.text()
}

fn health(document: &mut Document) -> Operation {
    let well = document.answer::<NodeHealth>("It is registered, and its registry answers.");
    let ill = document.answer::<NodeHealth>(
        "It is starting, or is not registered, or its registry does not answer: `problems` tells.",
    );
    Operation::new("get", "/api/health", "health", "How the node is")
        .answer(200, &well)
        .answer(503, &ill)
}

fn peers(document: &mut Document) -> Operation {
    let count =
        json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": MAX_PAGE });
    let peers = document.answer::<Peers>("The peers; fewer, if it does not know as many.");
    let wrong = document.refusal(
        &[ErrorCode::InvalidField],
        "`count` is not what it must be.",
    );
    Operation::new(
        "get",
        "/api/peers",
        "peers",
        "The peers that live or may live",
    )
    .description(
        "First those of whom gossip says that they live, then those of whom only a registry did.",
    )
    .parameter("query", "count", false, &count, "How many at most.")
    .answer(200, &peers)
    .answer(422, &wrong)
}

fn metrics(_: &mut Document) -> Operation {
    super::metrics()
}
