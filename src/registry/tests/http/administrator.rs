//! Who may write what: the administrator, nodes for themselves, and nobody without a signature.

use serde_json::Value;

use crate::stage::{Stage, beat, id, key, refused, registration, request, signed};

const ADMINISTRATOR: u8 = 200;

async fn administered() -> Stage {
    Stage::with(|settings| settings.administrator = Some(key(ADMINISTRATOR).public())).await
}

#[tokio::test]
async fn the_administrator_keeps_a_node_out_until_it_is_let_in() {
    let stage = administered().await;
    stage.register(1, "ada").await;
    let admin = key(ADMINISTRATOR);
    let node = format!("/api/nodes/{}", id(1));
    let ban = format!("{node}/ban");
    let now = stage.now();
    for stranger in [key(1), key(2)] {
        let answer = stage.signed(&stranger, "PUT", &ban, b"").await;
        assert_eq!(answer.refusal(), refused(403, "forbidden"));
    }
    let banned = signed(&admin, "PUT", &ban, b"", now + 1);
    assert_eq!(stage.raw(&banned).await.status, 200);
    assert_eq!(stage.get(&node).await.json()["state"], "banned");
    let out = refused(403, "banned");
    assert_eq!(stage.beat(1, 1).await.refusal(), out);
    let again = stage
        .signed_at(
            &key(1),
            "POST",
            "/api/register",
            &registration(1, "ada"),
            now + 2,
        )
        .await;
    assert_eq!(again.refusal(), out);
    let leave = stage
        .signed_at(&key(1), "DELETE", &node, b"", now + 3)
        .await;
    assert_eq!(leave.refusal(), out, "it would come back as new");
    assert_eq!(
        stage
            .signed_at(&admin, "DELETE", &ban, b"", now + 4)
            .await
            .status,
        200
    );
    assert_eq!(stage.get(&node).await.json()["state"], "offline");
    assert_eq!(stage.raw(&banned).await.refusal(), refused(409, "replayed"));
    let back = stage
        .signed_at(&key(1), "POST", "/api/heartbeat", &beat(1, 9), now + 5)
        .await;
    assert_eq!(back.json()["node_state"], "active");
    let unknown = format!("/api/nodes/{}/ban", id(9));
    assert_eq!(
        stage.signed(&admin, "PUT", &unknown, b"").await.refusal(),
        refused(404, "not_found")
    );
}

#[tokio::test]
async fn a_node_that_signs_ahead_of_time_is_banned_and_removed_all_the_same() {
    let stage = administered().await;
    let admin = key(ADMINISTRATOR);
    let now = stage.now();
    let node = format!("/api/nodes/{}", id(1));
    let ban = format!("{node}/ban");
    for (number, (method, path)) in [("DELETE", &node), ("PUT", &ban)].into_iter().enumerate() {
        let body = registration(1, "ada");
        let ahead = now + 280 + number as u64;
        let registered = stage
            .signed_at(&key(1), "POST", "/api/register", &body, ahead)
            .await;
        assert_eq!(registered.status, 201);
        let out = stage.signed(&admin, method, path, b"").await;
        assert_eq!(out.status, 200, "{method} {path}");
    }
    assert_eq!(stage.get(&node).await.json()["state"], "banned");
}

#[tokio::test]
async fn a_node_that_left_is_banned_as_it_may_still_be_a_peer() {
    let stage = administered().await;
    stage.register(1, "ada").await;
    let node = format!("/api/nodes/{}", id(1));
    let now = stage.now();
    let left = stage
        .signed_at(&key(1), "DELETE", &node, b"", now + 1)
        .await;
    assert_eq!(left.status, 200);
    let ban = format!("{node}/ban");
    let admin = key(ADMINISTRATOR);
    assert_eq!(stage.signed(&admin, "PUT", &ban, b"").await.status, 200);
    let banned = stage.get("/api/nodes?state=banned").await.json();
    assert_eq!(banned["nodes"][0]["node_id"], id(1).to_string());
    let body = registration(1, "ada");
    let back = stage
        .signed_at(&key(1), "POST", "/api/register", &body, now + 2)
        .await;
    assert_eq!(back.refusal(), refused(403, "banned"));
}

#[tokio::test]
async fn a_node_is_removed_by_itself_or_the_administrator() {
    let stage = administered().await;
    stage.register(1, "ada").await;
    stage.register(2, "bob").await;
    let path = format!("/api/nodes/{}", id(1));
    let other = stage.signed(&key(2), "DELETE", &path, b"").await;
    assert_eq!(other.refusal(), refused(403, "forbidden"));
    let body = stage.signed(&key(1), "DELETE", &path, b"{}").await;
    assert_eq!(body.refusal(), refused(400, "bad_request"));
    assert_eq!(
        stage
            .signed(&key(ADMINISTRATOR), "DELETE", &path, b"")
            .await
            .status,
        200
    );
    // Where there is no administrator, nobody is.
    let stage = Stage::start().await;
    stage.register(1, "ada").await;
    let ban = stage
        .signed(&key(ADMINISTRATOR), "PUT", &format!("{path}/ban"), b"")
        .await;
    assert_eq!(ban.refusal(), refused(403, "forbidden"));
}

#[tokio::test]
async fn no_write_succeeds_without_a_signature() {
    let stage = administered().await;
    stage.register(1, "ada").await;
    let before = stage.get("/api/nodes").await.body;
    let node = format!("/api/nodes/{}", id(1));
    let ban = format!("{node}/ban");
    let json = ("content-type", "application/json");
    let writes: [(&str, &str, Vec<u8>); 5] = [
        ("POST", "/api/register", registration(2, "bob")),
        ("POST", "/api/heartbeat", beat(1, 7)),
        ("DELETE", &node, Vec::new()),
        ("PUT", &ban, Vec::new()),
        ("DELETE", &ban, Vec::new()),
    ];
    for (method, path, body) in &writes {
        let bare = stage.raw(&request(method, path, &[json], body)).await;
        assert_eq!(
            bare.refusal(),
            refused(401, "bad_signature"),
            "{method} {path}"
        );
        // Signed, but with something left out.
        let whole = signed(&key(1), method, path, body, stage.now());
        for left in ["content-digest", "signature-input", "signature"] {
            let answer = stage.raw(&without(&whole, left)).await;
            assert_eq!(
                answer.refusal(),
                refused(401, "bad_signature"),
                "{method} {path} {left}"
            );
        }
        let query = signed(&key(1), method, &format!("{path}?x=1"), body, stage.now());
        assert_eq!(
            stage.raw(&query).await.refusal(),
            refused(422, "invalid_field")
        );
    }
    assert_eq!(strip(&stage.get("/api/nodes").await.body), strip(&before));
}

fn without(bytes: &[u8], header: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).expect("ASCII");
    let line = text
        .split("\r\n")
        .find(|line| line.starts_with(&format!("{header}:")))
        .expect("it is there");
    text.replacen(&format!("{line}\r\n"), "", 1).into_bytes()
}

/// Without the share of the time, which goes on.
fn strip(body: &[u8]) -> Value {
    let mut list: Value = serde_json::from_slice(body).expect("JSON");
    list["nodes"][0]["uptime_pct"] = Value::Null;
    list
}
