//! What nodes write.

use serde_json::{Value, json};

use crate::stage::{Stage, beat, id, key, refused, registration, signed, signed_with};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A stage whose network has a join token.
async fn guarded() -> Stage {
    use std::os::unix::fs::PermissionsExt as _;
    // It is read once, when the registry starts.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    std::fs::write(&path, TOKEN).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
    Stage::with(|settings| settings.join_token_file = Some(path)).await
}

#[tokio::test]
async fn a_node_registers_beats_and_leaves() {
    let stage = Stage::start().await;
    let first = stage.register(1, "ada").await;
    assert_eq!(first.status, 201);
    let expected = json!({
        "status": "success",
        "node_id": id(1).to_string(),
        "peers": [],
        "heartbeat_interval": 30,
    });
    assert_eq!(first.json(), expected);
    let second = stage.register(2, "bob").await.json();
    let peer = json!([{
        "node_id": id(1).to_string(),
        "node_name": "ada",
        "ipv6_address": "2001:db8::7",
        "port": 9000,
        "registry_address": "[2001:db8::1]:8000",
    }]);
    assert_eq!(second["peers"], peer);

    let answer = stage.beat(1, 1).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["status"], "ack");
    assert_eq!(answer["node_state"], "active");
    let next: jiff::Timestamp = answer["next_heartbeat_expected"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a time");
    let ahead = next.as_second() - i64::try_from(stage.now()).expect("small");
    assert!((28..=30).contains(&ahead), "{ahead}");

    let path = format!("/api/nodes/{}", id(1));
    let gone = stage.signed(&key(1), "DELETE", &path, b"").await;
    assert_eq!(
        (gone.status, gone.json()),
        (200, json!({ "status": "success" }))
    );
    assert_eq!(stage.get(&path).await.status, 404);
    let again = stage.signed(&key(1), "DELETE", &path, b"").await;
    assert_eq!(again.refusal(), refused(404, "not_found"));
    assert_eq!(stage.beat(1, 2).await.refusal(), refused(404, "not_found"));
}

#[tokio::test]
async fn the_same_key_again_is_the_same_node_updated() {
    let stage = Stage::start().await;
    assert_eq!(stage.register(1, "ada").await.status, 201);
    let again = stage
        .signed_at(
            &key(1),
            "POST",
            "/api/register",
            &registration(1, "eve"),
            stage.now() + 1,
        )
        .await;
    assert_eq!(again.status, 200);
    let record = stage.get(&format!("/api/nodes/{}", id(1))).await.json();
    assert_eq!(record["node_name"], "eve");
}

#[tokio::test]
async fn a_key_cannot_take_anothers_name() {
    let stage = Stage::start().await;
    assert_eq!(stage.register(1, "ada").await.status, 201);
    assert_eq!(
        stage.register(2, "ada").await.refusal(),
        refused(409, "name_taken")
    );
    assert_eq!(
        stage.get("/api/nodes").await.json()["nodes"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn beats_come_in_order_and_once() {
    let stage = Stage::start().await;
    stage.register(1, "ada").await;
    let now = stage.now();
    let bytes = signed(&key(1), "POST", "/api/heartbeat", &beat(1, 5), now);
    assert_eq!(stage.raw(&bytes).await.status, 200);
    assert_eq!(
        stage.raw(&bytes).await.refusal(),
        refused(409, "stale_sequence"),
        "replayed"
    );
    assert_eq!(
        stage.beat(1, 4).await.refusal(),
        refused(409, "stale_sequence"),
        "reordered"
    );
    assert_eq!(stage.beat(1, 6).await.status, 200);
    assert_eq!(stage.beat(9, 1).await.refusal(), refused(404, "not_found"));
}

#[tokio::test]
async fn a_registration_is_taken_once() {
    let stage = Stage::start().await;
    let bytes = signed(
        &key(1),
        "POST",
        "/api/register",
        &registration(1, "ada"),
        stage.now(),
    );
    assert_eq!(stage.raw(&bytes).await.status, 201);
    assert_eq!(stage.raw(&bytes).await.refusal(), refused(409, "replayed"));
    let earlier = stage
        .signed_at(
            &key(1),
            "POST",
            "/api/register",
            &registration(1, "eve"),
            stage.now() - 9,
        )
        .await;
    assert_eq!(
        earlier.refusal(),
        refused(409, "replayed"),
        "an older one does not undo it"
    );
    let path = format!("/api/nodes/{}", id(1));
    let removal = signed(&key(1), "DELETE", &path, b"", stage.now());
    assert_eq!(stage.raw(&removal).await.status, 200);
    assert_eq!(
        stage.raw(&bytes).await.refusal(),
        refused(409, "replayed"),
        "it does not come back"
    );
    let after = stage
        .signed_at(
            &key(1),
            "POST",
            "/api/register",
            &registration(1, "ada"),
            stage.now() + 2,
        )
        .await;
    assert_eq!(after.status, 201);
    assert_eq!(
        stage.raw(&removal).await.refusal(),
        refused(409, "replayed"),
        "nor is it removed again"
    );
}

#[tokio::test]
async fn a_new_key_needs_the_join_token_and_a_known_one_does_not() {
    let stage = guarded().await;
    assert_eq!(stage.get("/api/health").await.json()["join_token"], true);
    assert_eq!(
        stage.register(1, "ada").await.refusal(),
        refused(401, "join_token")
    );
    let with = |token: &str, created| {
        let bearer = format!("Bearer {token}");
        let more = [("authorization", bearer.as_str())];
        signed_with(
            &key(1),
            "POST",
            "/api/register",
            &registration(1, "ada"),
            created,
            &more,
        )
    };
    let now = stage.now();
    let wrong = stage.raw(&with(&TOKEN.replace('0', "1"), now)).await;
    assert_eq!(wrong.refusal(), refused(401, "join_token"));
    assert_eq!(stage.raw(&with(TOKEN, now)).await.status, 201);
    let known = stage
        .signed_at(
            &key(1),
            "POST",
            "/api/register",
            &registration(1, "eve"),
            now + 1,
        )
        .await;
    assert_eq!(known.status, 200);
}

#[tokio::test]
async fn a_queued_write_is_taken_from_who_has_the_token_for_as_long_as_a_queue_keeps_it() {
    let stage = guarded().await;
    let now = stage.now();
    let hour = now - 3600;
    let write_at = |created: u64, queued: u64, forwarder: Option<&str>, own: Option<&str>| {
        let at = i64::try_from(queued).expect("small");
        let at = jiff::Timestamp::from_second(at)
            .expect("a time")
            .to_string();
        let bearer = |token: &str| format!("Bearer {token}");
        let (forwarder, own) = (forwarder.map(bearer), own.map(bearer));
        let mut more = vec![("trustnet-queued-at", at.as_str())];
        more.extend(
            forwarder
                .as_deref()
                .map(|value| ("trustnet-forwarder", value)),
        );
        more.extend(own.as_deref().map(|value| ("authorization", value)));
        signed_with(
            &key(1),
            "POST",
            "/api/register",
            &registration(1, "ada"),
            created,
            &more,
        )
    };
    let write = |queued, forwarder, own| write_at(hour, queued, forwarder, own);
    let token = refused(401, "join_token");
    assert_eq!(
        stage
            .raw(&write(hour + 10, None, Some(TOKEN)))
            .await
            .refusal(),
        token
    );
    assert_eq!(
        stage
            .raw(&write(hour + 10, Some("x"), Some(TOKEN)))
            .await
            .refusal(),
        token
    );
    // That a secondary hands it on admits no new key.
    assert_eq!(
        stage
            .raw(&write(hour + 10, Some(TOKEN), None))
            .await
            .refusal(),
        token
    );
    let late = stage
        .raw(&write(hour + 301, Some(TOKEN), Some(TOKEN)))
        .await;
    assert_eq!(
        late.refusal(),
        refused(401, "expired"),
        "it was old when it was queued"
    );
    let old = stage
        .raw(&write(now - 86_401 - 5, Some(TOKEN), Some(TOKEN)))
        .await;
    assert_eq!(old.refusal(), refused(401, "expired"));
    let tomorrow = write_at(now + 3600, now + 3600, Some(TOKEN), Some(TOKEN));
    assert_eq!(
        stage.raw(&tomorrow).await.refusal(),
        refused(401, "expired"),
        "nothing was queued in a time yet to come"
    );
    assert_eq!(
        stage
            .raw(&write(hour + 10, Some(TOKEN), Some(TOKEN)))
            .await
            .status,
        201
    );
    // By two clocks that are ahead, each as far as it may be: it is taken once.
    let ahead = write_at(now + 590, now + 295, Some(TOKEN), None);
    assert_eq!(stage.raw(&ahead).await.status, 200);
    for again in [write_at(now + 1, now + 1, Some(TOKEN), None), ahead] {
        assert_eq!(stage.raw(&again).await.refusal(), refused(409, "replayed"));
    }
}

#[tokio::test]
async fn an_address_that_registers_too_often_is_told_when_to_go_on() {
    let stage = Stage::with(|settings| {
        settings.limits.registration_burst = 3;
        settings.limits.registrations_per_second = 0.01;
    })
    .await;
    for number in 1..=3 {
        assert_eq!(
            stage
                .register(number, &format!("node-{number}"))
                .await
                .status,
            201
        );
    }
    let answer = stage.register(4, "node-4").await;
    assert_eq!(answer.refusal(), refused(429, "rate_limited"));
    let seconds: u64 = answer
        .header("retry-after")
        .and_then(|text| text.parse().ok())
        .expect("seconds");
    assert!((90..=100).contains(&seconds), "{seconds}");
    // Nothing else is limited by that.
    assert_eq!(stage.beat(1, 1).await.status, 200);
}

#[tokio::test]
async fn fields_are_what_they_must_be() {
    let stage = Stage::start().await;
    let good: Value = serde_json::from_slice(&registration(1, "ada")).expect("JSON");
    for (field, value) in [
        ("node_name", json!("Ada")),
        ("node_name", json!("")),
        ("node_name", json!("a".repeat(64))),
        ("node_name", json!(7)),
        ("ipv6_address", json!("192.0.2.1")),
        ("ipv6_address", json!("::")),
        ("port", json!(0)),
        ("port", json!(65536)),
        ("port", json!("9000")),
        ("port", json!(9000.5)),
        ("domain", json!("a..b")),
        ("registry_address", json!("2001:db8::1:8000")),
        ("public_key", json!("abc")),
        ("public_key", json!(null)),
        ("colour", json!("red")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let body = body.to_string().into_bytes();
        let answer = stage.signed(&key(1), "POST", "/api/register", &body).await;
        assert_eq!(
            answer.refusal(),
            refused(422, "invalid_field"),
            "{field}: {value}"
        );
        assert_eq!(answer.json()["field"], field, "{value}");
    }
    for field in [
        "node_name",
        "ipv6_address",
        "port",
        "domain",
        "registry_address",
        "public_key",
    ] {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").remove(field);
        let body = body.to_string().into_bytes();
        let answer = stage.signed(&key(1), "POST", "/api/register", &body).await;
        assert_eq!(answer.refusal(), refused(422, "invalid_field"), "{field}");
        assert_eq!(answer.json()["field"], field);
    }
    assert_eq!(stage.get("/api/nodes").await.json()["nodes"], json!([]));
}
