//! The node's document.

use serde_json::json;

use super::{Document, Operation};
use crate::network::{ErrorCode, MAX_PAGE, NODE_PORT, NodeHealth, Peers};

const ABOUT: &str = "A node of a TrustNet: how it is, and whom it knows.

A node registers with a registry and says by heartbeats that it lives; what it says there is in the registry's document. \
Peers are told by registries, and by the nodes to one another over UDP, so that they stay known while every registry is \
down. There is no consensus engine and no transaction pool: they are reported as `not included`.

Nothing is signed: whoever reaches a node may ask it. Requests have no unknown parameter; answers may gain fields. A path that \
is not here is answered 404 `not_found`, a method that a path does not have 405 `method_not_allowed` with `Allow`; what is no \
HTTP 400 `bad_request`, a URI that is too long 414 and headers that are too large 431 `too_large`, after which the connection \
ends. All of them have an `ErrorBody`. `HEAD` is answered wherever `GET` is.";

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
    let operation = Operation::new("get", "/api/health", "health", "How the node is");
    any(document, operation)
        .answer(200, &well)
        .answer(503, &ill)
}

fn peers(document: &mut Document) -> Operation {
    let count =
        json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": MAX_PAGE });
    let peers = document.answer::<Peers>("The peers; fewer, if it does not know as many.");
    let operation = Operation::new(
        "get",
        "/api/peers",
        "peers",
        "The peers that live or may live",
    )
    .description(
        "First those of whom gossip says that they live, then those of whom only a registry did.",
    )
    .parameter("query", "count", false, &count, "How many at most.");
    any(document, operation).answer(200, &peers)
}

fn metrics(document: &mut Document) -> Operation {
    any(document, super::metrics())
}

/// The answers that any request may get.
fn any(document: &mut Document, operation: Operation) -> Operation {
    let bad = document.refusal(&[ErrorCode::BadRequest], "It is no HTTP that can be read.");
    let wrong = document.refusal(
        &[ErrorCode::InvalidField],
        "A parameter is not what it must be; `field` names it.",
    );
    operation.answer(400, &bad).answer(422, &wrong)
}
