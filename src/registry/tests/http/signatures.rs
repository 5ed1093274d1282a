//! Signatures that are not what they must be.

use trustnet_core::network::signature::{Message, sign};

use crate::stage::{Stage, beat, id, key, refused, registration, request, signed};

const HEARTBEAT: &str = "/api/heartbeat";

async fn with_ada() -> Stage {
    let stage = Stage::start().await;
    assert_eq!(stage.register(1, "ada").await.status, 201);
    stage
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    let stage = with_ada().await;
    let good = signed(&key(1), "POST", HEARTBEAT, &beat(1, 1), stage.now());
    let text = String::from_utf8(good.clone()).expect("ASCII");
    let start = text.find("sig1=:").expect("a signature") + 6;
    for place in [start, start + 40, start + 84] {
        let mut bytes = good.clone();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let (status, code) = stage.raw(&bytes).await.refusal();
        assert_eq!((status, code.as_str()), (401, "bad_signature"), "{place}");
    }
    assert_eq!(
        stage.raw(&good).await.status,
        200,
        "none of these was seen as its sequence"
    );
}

#[tokio::test]
async fn another_key_cannot_write_in_the_name_of_a_node() {
    let stage = with_ada().await;
    stage.register(2, "bob").await;
    let bad = refused(401, "bad_signature");
    let theirs = stage.signed(&key(2), "POST", HEARTBEAT, &beat(1, 1)).await;
    assert_eq!(theirs.refusal(), bad);
    let other = stage
        .signed(&key(2), "POST", "/api/register", &registration(1, "eve"))
        .await;
    assert_eq!(other.refusal(), bad);
    // Signed by one, said to be by the other.
    let message = Message {
        method: "POST",
        path: HEARTBEAT,
        body: &beat(1, 1),
    };
    let mut headers = sign(&key(2), &message, stage.now());
    headers.signature_input = sign(&key(1), &message, stage.now()).signature_input;
    let mut pairs = headers.pairs().to_vec();
    pairs.push(("content-type", "application/json"));
    let answer = stage.send("POST", HEARTBEAT, &pairs, &beat(1, 1)).await;
    assert_eq!(answer.refusal(), bad);
}

#[tokio::test]
async fn a_signature_is_good_for_its_time() {
    let stage = with_ada().await;
    let now = stage.now();
    for created in [now - 302, now + 310, 0, 999_999_999_999_999] {
        let answer = stage
            .signed_at(
                &key(2),
                "POST",
                "/api/register",
                &registration(2, "bob"),
                created,
            )
            .await;
        assert_eq!(answer.refusal(), refused(401, "expired"), "{created}");
    }
    let answer = stage
        .signed_at(
            &key(2),
            "POST",
            "/api/register",
            &registration(2, "bob"),
            now - 290,
        )
        .await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_signature_is_good_for_its_request() {
    let stage = with_ada().await;
    let bad = refused(401, "bad_signature");
    let node = format!("/api/nodes/{}", id(1));
    // The same, at another path and by another method.
    let text =
        String::from_utf8(signed(&key(1), "DELETE", &node, b"", stage.now())).expect("ASCII");
    let elsewhere = text.replacen("DELETE /api", "DELETE //api", 1);
    assert_eq!(
        stage.raw(elsewhere.as_bytes()).await.refusal(),
        refused(404, "not_found")
    );
    let method = text
        .replacen("DELETE", "PUT", 1)
        .replacen(&node, &format!("{node}/ban"), 1);
    assert_eq!(
        stage.raw(method.as_bytes()).await.refusal(),
        refused(403, "forbidden")
    );
    let wrong = signed(&key(1), "DELETE", &format!("{node}/"), b"", stage.now());
    let wrong = String::from_utf8(wrong).expect("ASCII").replacen(
        &format!("{node}/ "),
        &format!("{node} "),
        1,
    );
    assert_eq!(stage.raw(wrong.as_bytes()).await.refusal(), bad);
    // Another body.
    let text = String::from_utf8(signed(&key(1), "POST", HEARTBEAT, &beat(1, 1), stage.now()))
        .expect("ASCII");
    let body = text.replacen("\"sequence\":1", "\"sequence\":9", 1);
    assert_ne!(body, text);
    assert_eq!(stage.raw(body.as_bytes()).await.refusal(), bad);
}

#[tokio::test]
async fn headers_of_a_signature_come_once_in_any_case() {
    let stage = with_ada().await;
    let text = String::from_utf8(signed(&key(1), "POST", HEARTBEAT, &beat(1, 1), stage.now()))
        .expect("ASCII");
    for name in ["content-digest", "signature-input", "signature"] {
        let line = text
            .split("\r\n")
            .find(|line| line.starts_with(&format!("{name}:")))
            .expect("it is there");
        let twice = text.replacen(line, &format!("{line}\r\n{line}"), 1);
        let answer = stage.raw(twice.as_bytes()).await;
        assert_eq!(answer.refusal(), refused(401, "bad_signature"), "{name}");
        let long = text.replacen(line, &format!("{name}: {}", "a".repeat(8000)), 1);
        let answer = stage.raw(long.as_bytes()).await;
        assert_eq!(answer.refusal(), refused(401, "bad_signature"), "{name}");
    }
    let capitals = text
        .replacen("content-digest:", "Content-Digest:", 1)
        .replacen("signature-input:", "SIGNATURE-INPUT:", 1)
        .replacen("signature:", "Signature:", 1);
    assert_eq!(stage.raw(capitals.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn a_weak_key_is_not_admitted() {
    let stage = Stage::start().await;
    // The identity, by which anything is signed.
    let mut body: serde_json::Value =
        serde_json::from_slice(&registration(1, "ada")).expect("JSON");
    body["public_key"] = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    let body = body.to_string().into_bytes();
    let weak: trustnet_core::network::PublicKey = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        .parse()
        .expect("32 bytes");
    let input = format!(
        "sig1=(\"@method\" \"@path\" \"content-digest\");created={};keyid=\"{}\";alg=\"ed25519\"",
        stage.now(),
        weak.node_id()
    );
    let signature = format!("sig1=:AQ{}==:", "A".repeat(84));
    let headers = [
        ("content-type", "application/json"),
        (
            "content-digest",
            &trustnet_core::network::signature::digest(&body),
        ),
        ("signature-input", &input),
        ("signature", &signature),
    ];
    let answer = stage
        .raw(&request("POST", "/api/register", &headers, &body))
        .await;
    assert_eq!(answer.refusal(), refused(401, "bad_signature"));
}
