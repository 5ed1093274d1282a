//! The registry's document.

use serde_json::{Value, json};

use super::{Document, Operation};
use crate::network::{
    Changes, Done, ErrorCode, Heartbeat, HeartbeatAnswer, MAX_PAGE, NODE_ID, NodeList, NodeRecord,
    NodeState, Peers, Queued, REGISTRY_PORT, REPLICA_LAG, RegisterAnswer, RegisterRequest,
    RegistryHealth, Snapshot,
};

const ABOUT: &str = "The directory of a TrustNet: its nodes, and whether they are heard of.

Writes are signed as HTTP Message Signatures (RFC 9421) with `ed25519`. A signature covers exactly `@method`, `@path` \
and `content-digest` (RFC 9530, with `sha-256`; of the empty body where there is none), in any order, and has exactly the \
parameters `created` (seconds since 1970), `keyid` (the signer's node id) and `alg` (`ed25519`), in any order. A request \
has one signature, under any label. `@path` has no query: a write takes none. A signature is good for 300 s before and after \
`created`, and once: of what a node signs of itself, none is taken whose `created` is before that of another one that was \
taken; of one second, eight that differ. What the administrator signs of a node counts for itself in the same way, and makes \
nothing old that the node signs; but a node that the administrator has taken out comes back only by what it signed since. \
Whoever sends the same twice within a second has the answer 409 `replayed` to the second one.

A node id is `0x` and the first 16 hex digits, in lower case, of SHA-256 over the 32 bytes of the Ed25519 public key. The \
administrator's key, which the registry's configuration names, has such an id, too.

A secondary hands verified writes on to the root, and gives the root's answer; while the root is away it keeps them and \
answers 202: of a node's registrations the newest, and sixteen writes of a node by one key at most, after which it answers \
503. What becomes of a write then is to be seen in the node's record, once the root is back. Every answer of a \
secondary has the header `TrustNet-Replica-Lag`.

Requests have no unknown field and no unknown parameter; answers may gain fields. A body has 64 KiB at most. A path that is \
not here is answered 404 `not_found`, a method that a path does not have 405 `method_not_allowed` with `Allow`; what is no \
HTTP 400 `bad_request`, a URI that is too long 414 and headers that are too large 431 `too_large`, after which the connection \
ends. All of them have an `ErrorBody`. `HEAD` is answered wherever `GET` is.";

const ID: &str = "0x7f8a9b1c2d3e4f5a";

/// The registry's document, as text.
#[must_use]
pub fn registry() -> String {
    let mut document = Document::new("TrustNet registry", ABOUT, REGISTRY_PORT)
        .component("securitySchemes", schemes())
        .component("headers", json!({ "ReplicaLag": lag() }));
    let lag = json!({ "$ref": "#/components/headers/ReplicaLag" });
    let operations = [
        health, register, heartbeat, nodes, node, peers, remove, ban, unban, snapshot, changes,
        metrics,
    ];
    for operation in operations {
        let operation = operation(&mut document).header(REPLICA_LAG, &lag);
        document.add(operation);
    }
    document.text()
}

fn lag() -> Value {
    json!({
        "description": "How many seconds a secondary lags behind its root; absent on the root.",
        "schema": { "type": "number", "minimum": 0 },
    })
}

fn schemes() -> Value {
    let header = |name: &str, description: &str| json!({ "type": "apiKey", "in": "header", "name": name, "description": description });
    json!({
        "contentDigest": header("Content-Digest", "The body's digest, as in `sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:`."),
        "signatureInput": header("Signature-Input", "What is signed, as in `sig1=(\"@method\" \"@path\" \"content-digest\");created=1800000000;keyid=\"0x7f8a9b1c2d3e4f5a\";alg=\"ed25519\"`."),
        "signature": header("Signature", SIGNATURE),
        "joinToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "The network's join token. It admits a new key; a known one needs none.",
        },
    })
}

/// With an example that a test signs anew.
const SIGNATURE: &str = "The signature, as in `sig1=:…:` with 64 bytes in Base64. Signed are lines in the order of \
`Signature-Input`, with a line feed between them, the last one without: for `DELETE /api/nodes/0x7f8a9b1c2d3e4f5a`

    \"@method\": DELETE
    \"@path\": /api/nodes/0x7f8a9b1c2d3e4f5a
    \"content-digest\": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:
    \"@signature-params\": (\"@method\" \"@path\" \"content-digest\");created=1800000000;keyid=\"0x7f8a9b1c2d3e4f5a\";alg=\"ed25519\"
";

fn signed() -> Value {
    json!([{ "contentDigest": [], "signatureInput": [], "signature": [] }])
}

fn id() -> Value {
    json!({ "type": "string", "pattern": NODE_ID, "examples": [ID] })
}

/// The answers that any request may get.
fn any(document: &mut Document, operation: Operation) -> Operation {
    let bad = document.refusal(&[ErrorCode::BadRequest], "It is no HTTP that can be read.");
    let field = document.refusal(
        &[ErrorCode::InvalidField],
        "A field or parameter is not what it must be; `field` names it.",
    );
    let failed = document.refusal(
        &[ErrorCode::Internal],
        "The registry failed; its log says how.",
    );
    operation
        .answer(400, &bad)
        .answer(422, &field)
        .answer(500, &failed)
}

/// A signed write, with the answers that any of them may get.
fn write(document: &mut Document, operation: Operation) -> Operation {
    let signature = document.refusal(
        &[
            ErrorCode::BadSignature,
            ErrorCode::Expired,
            ErrorCode::JoinToken,
        ],
        "It is not signed as it must be, the signature is too old, or the join token is missing.",
    );
    let queued = document
        .answer::<Queued>("A secondary has taken the write, and will bring it to its root.");
    let forbidden = document.refusal(
        &[ErrorCode::Forbidden, ErrorCode::Banned],
        "The key may not do that, or the node is kept out; or the registry became the root since this was signed, and the node was kept out then.",
    );
    let replayed = document.refusal(
        &[
            ErrorCode::Replayed,
            ErrorCode::StaleSequence,
            ErrorCode::NameTaken,
        ],
        "The signature or sequence was seen already, or another key holds the name.",
    );
    let unavailable = retry(document.refusal(
        &[ErrorCode::Unavailable],
        "It cannot be stored now; or the root is away, and no more is kept for it.",
    ));
    let media = document.refusal(
        &[ErrorCode::MediaType],
        "The body is to be `application/json`.",
    );
    let bad = document.refusal(
        &[ErrorCode::BadRequest],
        "It is no HTTP or JSON that can be read, or has a body where none belongs.",
    );
    let late = document.refusal(&[ErrorCode::Timeout], "It did not come in time.");
    let large = document.refusal(&[ErrorCode::TooLarge], "The body is over the limit.");
    any(document, operation)
        .answer(400, &bad)
        .answer(408, &late)
        .answer(413, &large)
        .answer(202, &queued)
        .answer(401, &signature)
        .answer(403, &forbidden)
        .answer(409, &replayed)
        .answer(415, &media)
        .answer(503, &unavailable)
        .secured(&signed())
}

fn retry(mut answer: Value) -> Value {
    answer["headers"] = json!({
        "Retry-After": {
            "description": "After how many seconds another attempt may help.",
            "schema": { "type": "integer", "minimum": 0 },
        },
    });
    answer
}

fn read(document: &mut Document, operation: Operation, answer: &Value) -> Operation {
    any(document, operation).answer(200, answer)
}

fn health(document: &mut Document) -> Operation {
    let operation = Operation::new("get", "/api/health", "health", "How the registry is");
    let well = document.answer::<RegistryHealth>("It does its work.");
    let ill = document.answer::<RegistryHealth>("It is starting, or does its work in part.");
    read(document, operation, &well).answer(503, &ill)
}

fn register(document: &mut Document) -> Operation {
    let operation = Operation::new("post", "/api/register", "register", "A node makes itself known, or known anew")
        .description("Signed by the key that the body names. A new key needs the network's join token, where the registry's health says `join_token: true`.");
    let schema = document.schema::<RegisterRequest>();
    let example = json!({
        "node_name": "node-1",
        "ipv6_address": "2001:db8::100",
        "port": 9000,
        "domain": "example.org",
        "registry_address": "[2001:db8::1]:8000",
        "public_key": "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
    });
    let new = document.answer::<RegisterAnswer>("The node is new, and in the directory, durably.");
    let known =
        document.answer::<RegisterAnswer>("The node was known; its record is updated, durably.");
    let often = retry(document.refusal(
        &[ErrorCode::RateLimited],
        "Too many registrations from this address.",
    ));
    write(document, operation.body(&schema, &example))
        .secured(&json!([
            { "contentDigest": [], "signatureInput": [], "signature": [], "joinToken": [] },
            { "contentDigest": [], "signatureInput": [], "signature": [] },
        ]))
        .answer(200, &known)
        .answer(201, &new)
        .answer(429, &often)
}

fn heartbeat(document: &mut Document) -> Operation {
    let operation = Operation::new("post", "/api/heartbeat", "heartbeat", "A node says that it lives")
        .description("Signed by the node. `sequence` is to be above that of the last one; it begins anew with a registration.");
    let schema = document.schema::<Heartbeat>();
    let example = json!({ "node_id": ID, "sequence": 1, "peers_known": 3, "uptime_seconds": 60 });
    let taken = document.answer::<HeartbeatAnswer>("It was taken.");
    let unknown = document.refusal(
        &[ErrorCode::NotFound],
        "There is no such node: it is to register.",
    );
    write(document, operation.body(&schema, &example))
        .answer(200, &taken)
        .answer(404, &unknown)
}

fn nodes(document: &mut Document) -> Operation {
    let state = document.schema::<NodeState>();
    let limit =
        json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": MAX_PAGE });
    let operation = Operation::new(
        "get",
        "/api/nodes",
        "nodes",
        "The directory, page by page, in the order of `node_id`",
    )
    .parameter("query", "state", false, &state, "Only nodes in this state.")
    .parameter(
        "query",
        "limit",
        false,
        &limit,
        "The most nodes of the page.",
    )
    .parameter(
        "query",
        "after",
        false,
        &id(),
        "Only nodes after this one: `next` of the page before.",
    );
    let list = document.answer::<NodeList>("A page. `next` is absent on the last.");
    read(document, operation, &list)
}

fn of_node(method: &'static str, path: &'static str, name: &str, summary: &str) -> Operation {
    Operation::new(method, path, name, summary).parameter(
        "path",
        "node_id",
        true,
        &id(),
        "The node.",
    )
}

fn node(document: &mut Document) -> Operation {
    let operation = of_node("get", "/api/nodes/{node_id}", "node", "A node's record");
    let record = document.answer::<NodeRecord>("The record.");
    let unknown = document.refusal(&[ErrorCode::NotFound], "There is no such node.");
    read(document, operation, &record).answer(404, &unknown)
}

fn peers(document: &mut Document) -> Operation {
    let count = json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 5 });
    let operation = of_node(
        "get",
        "/api/nodes/{node_id}/peers",
        "peers",
        "Some active nodes at random, never the asker",
    )
    .description(
        "The asker need not be in the directory: its registration may wait at a secondary.",
    )
    .parameter("query", "count", false, &count, "How many.");
    let peers = document.answer::<Peers>("The peers; fewer, if there are not as many.");
    read(document, operation, &peers)
}

fn remove(document: &mut Document) -> Operation {
    let operation = of_node("delete", "/api/nodes/{node_id}", "remove", "Takes a node out")
        .description("Signed by the node, or by the administrator's key. A node that is kept out is not taken out.");
    done(document, operation)
}

fn ban(document: &mut Document) -> Operation {
    let operation = of_node("put", "/api/nodes/{node_id}/ban", "ban", "Keeps a node out")
        .description("Signed by the administrator's key. The request has no body. A node that left within the last day is kept out as well: it is listed with its id as its name then.");
    done(document, operation)
}

fn unban(document: &mut Document) -> Operation {
    let operation = of_node(
        "delete",
        "/api/nodes/{node_id}/ban",
        "unban",
        "Lets a node in again",
    )
    .description("Signed by the administrator's key. A registry that was made the root, or was restored from a snapshot, takes it for a node that was kept out then only if it was signed since.");
    done(document, operation)
}

fn done(document: &mut Document, operation: Operation) -> Operation {
    let done = document.answer::<Done>("It is done, durably.");
    let unknown = document.refusal(&[ErrorCode::NotFound], "There is no such node.");
    write(document, operation)
        .answer(200, &done)
        .answer(404, &unknown)
}

fn snapshot(document: &mut Document) -> Operation {
    let operation = Operation::new(
        "get",
        "/api/snapshot",
        "snapshot",
        "The whole directory at one version, streamed",
    );
    let snapshot = document.answer::<Snapshot>("The directory, in the order of `node_id`.");
    read(document, operation, &snapshot)
}

fn changes(document: &mut Document) -> Operation {
    let version =
        json!({ "type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 1000 });
    let wait = json!({ "type": "integer", "minimum": 0, "maximum": 60, "default": 0 });
    let operation = Operation::new(
        "get",
        "/api/changes",
        "changes",
        "What changed since a version, in order",
    )
    .parameter(
        "query",
        "since",
        true,
        &version,
        "The version that you have.",
    )
    .parameter("query", "limit", false, &limit, "The most changes.")
    .parameter(
        "query",
        "wait",
        false,
        &wait,
        "For how many seconds the answer is held until there is a change; where too many are held already, it comes at once.",
    );
    let changes = document.answer::<Changes>("The changes; none, if there are none.");
    let gone = document.refusal(
        &[ErrorCode::Gone],
        "The changes since that version are not known, or not any more; or it is above the directory's: take a snapshot.",
    );
    read(document, operation, &changes).answer(410, &gone)
}

fn metrics(document: &mut Document) -> Operation {
    any(document, super::metrics())
}
