//! Requests that are no good, and clients that mean no good. After each the registry answers others.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stage::{Answer, Stage, key, read, refused, registration, request, signed};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn alive(stage: &Stage) {
    assert_eq!(stage.get("/api/health").await.status, 200);
}

async fn register(stage: &Stage, body: &[u8]) -> Answer {
    stage.signed(&key(1), "POST", "/api/register", body).await
}

#[tokio::test]
async fn what_is_no_json_is_a_bad_request() {
    let stage = Stage::start().await;
    let deep = "[".repeat(10_000);
    let nested = format!("{{\"node_name\":{deep}");
    for body in [
        "",
        "{",
        "nonsense",
        "{\"node_name\":}",
        "{} {}",
        "{\"a\":1,}",
        "\u{feff}{}",
        "{\"node_name\":\"\\ud800\"}",
        "NaN",
        &deep,
        &nested,
    ] {
        let request = request("POST", "/api/register", &[JSON], body.as_bytes());
        let answer = stage.raw(&request).await;
        assert_eq!(answer.refusal(), refused(400, "bad_request"), "{body:.40}");
    }
    let latin = stage
        .raw(&request(
            "POST",
            "/api/register",
            &[JSON],
            b"{\"node_name\":\"\xe9\"}",
        ))
        .await;
    assert_eq!(latin.refusal(), refused(400, "bad_request"));
    for body in [
        "[]",
        "7",
        "null",
        "\"text\"",
        "[\"ada\",\"::1\",1,\"a\",\"b\",\"c\"]",
    ] {
        let answer = stage
            .raw(&request("POST", "/api/register", &[JSON], body.as_bytes()))
            .await;
        assert_eq!(answer.refusal(), refused(422, "invalid_field"), "{body}");
    }
    let twice = String::from_utf8(registration(1, "ada")).expect("text");
    let twice = twice.replacen('{', "{\"port\":1,", 1);
    let answer = register(&stage, twice.as_bytes()).await;
    assert_eq!(answer.refusal(), refused(422, "invalid_field"));
    assert_eq!(answer.json()["field"], "port");
    alive(&stage).await;
}

#[tokio::test]
async fn a_body_says_that_it_is_json() {
    let stage = Stage::start().await;
    let body = registration(1, "ada");
    for kind in [
        "text/plain",
        "application/jsonp",
        "application/json; charset=latin1",
        "",
    ] {
        let answer = stage
            .raw(&request(
                "POST",
                "/api/register",
                &[("content-type", kind)],
                &body,
            ))
            .await;
        assert_eq!(answer.refusal(), refused(415, "media_type"), "{kind}");
    }
    let none = stage
        .raw(&request("POST", "/api/register", &[], &body))
        .await;
    assert_eq!(none.refusal(), refused(415, "media_type"));
    let charset = ("content-type", "Application/JSON; charset=UTF-8");
    let answer = stage
        .raw(&request("POST", "/api/register", &[charset], &body))
        .await;
    assert_eq!(
        answer.refusal(),
        refused(401, "bad_signature"),
        "that was read"
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let stage = Stage::start().await;
    let large = refused(413, "too_large");
    let body = vec![b' '; 64 * 1024 + 1];
    assert_eq!(
        stage
            .raw(&request("POST", "/api/register", &[JSON], &body))
            .await
            .refusal(),
        large
    );
    // Said to be large, and never sent.
    for length in ["65537", "99999999999", "9223372036854775807"] {
        let head =
            format!("POST /api/register HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        assert_eq!(
            stage.raw(head.as_bytes()).await.refusal(),
            large,
            "{length}"
        );
    }
    // Not said, and sent in pieces.
    let mut chunked = b"POST /api/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..70 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b' '; 1024]);
        chunked.extend_from_slice(b"\r\n");
    }
    assert_eq!(stage.raw(&chunked).await.refusal(), large);
    let most = vec![b' '; 64 * 1024];
    let answer = stage
        .raw(&request("POST", "/api/register", &[JSON], &most))
        .await;
    assert_eq!(
        answer.refusal(),
        refused(400, "bad_request"),
        "that was read"
    );
    alive(&stage).await;
}

#[tokio::test]
async fn a_body_in_pieces_is_the_same_body() {
    let stage = Stage::start().await;
    let body = registration(1, "ada");
    let text = String::from_utf8(signed(&key(1), "POST", "/api/register", &body, stage.now()))
        .expect("ASCII");
    let (head, _) = text.split_once("\r\n\r\n").expect("a head");
    let head = head.replacen(
        &format!("content-length: {}", body.len()),
        "transfer-encoding: chunked",
        1,
    );
    let mut bytes = format!("{head}\r\n\r\n").into_bytes();
    for piece in body.chunks(7) {
        bytes.extend_from_slice(format!("{:x};x=y\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\ntrailer: x\r\n\r\n");
    assert_eq!(stage.raw(&bytes).await.status, 201);
}

/// Whoever stands before the registry must not see another request than the registry does.
#[tokio::test]
async fn the_length_of_a_body_is_said_in_one_way() {
    let stage = Stage::start().await;
    let begin = "POST /api/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for rest in [
        "content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
        "content-length: +2\r\n\r\n{}",
        "content-length: 2, 3\r\n\r\n{}",
        "content-length: -1\r\n\r\n",
        "transfer-encoding: gzip\r\n\r\n{}",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ] {
        let answer = stage.raw(format!("{begin}{rest}").as_bytes()).await;
        assert!((400..500).contains(&answer.status), "{rest}: {answer:?}");
    }
    for rest in [
        "transfer-encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
    ] {
        let answer = stage.raw(format!("{begin}{rest}").as_bytes()).await;
        assert_eq!(answer.status, 400, "{rest}: {answer:?}");
    }
    alive(&stage).await;
}

#[tokio::test]
async fn what_is_no_http_ends_the_connection() {
    let stage = Stage::start().await;
    let many = format!(
        "GET /api/health HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "a: b\r\n".repeat(200)
    );
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let wide = format!(
        "GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n",
        "b".repeat(100_000)
    );
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: \x00\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        many.as_bytes(),
        long.as_bytes(),
        wide.as_bytes(),
    ] {
        let mut stream = stage.connect().await;
        let _ = stream.write_all(bytes).await;
        if let Some(answer) = read(&mut stream).await {
            // Of hyper's own answers, too, each says why.
            let code = match answer.status {
                400 => "bad_request",
                404 => "not_found",
                _ => "too_large",
            };
            assert_eq!(answer.refusal(), refused(answer.status, code));
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    alive(&stage).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_awaited_for_a_while() {
    let stage = Stage::with(|settings| settings.limits.request_timeout = 100).await;
    let mut stream = stage.connect().await;
    let head = b"POST /api/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head).await.expect("sent");
    let answer = read(&mut stream).await.expect("an answer");
    assert_eq!(answer.refusal(), refused(408, "timeout"));
    // One byte at a time is no way round.
    let mut stream = stage.connect().await;
    stream
        .write_all(&head[..head.len() - 1])
        .await
        .expect("sent");
    let slow = async {
        loop {
            tokio::time::sleep(Duration::from_millis(30)).await;
            if stream.write_all(b" ").await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), slow)
        .await
        .expect("it is cut long before");
    alive(&stage).await;
}

#[tokio::test]
async fn headers_that_do_not_come_are_awaited_for_a_while() {
    let stage = Stage::with(|settings| settings.limits.header_timeout = 100).await;
    for begin in [
        "",
        "GET /api/hea",
        "GET /api/health HTTP/1.1\r\nhost: x\r\n",
    ] {
        let mut stream = stage.connect().await;
        stream.write_all(begin.as_bytes()).await.expect("sent");
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest));
        // Cut, with or without a word.
        let _ = end.await.expect("long before");
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{begin}");
    }
    alive(&stage).await;
}

#[tokio::test]
async fn who_does_not_read_is_cut() {
    let stage = Stage::with(|settings| {
        settings.limits.header_timeout = 300;
        settings.limits.registration_burst = 1000;
    })
    .await;
    for number in 1..=255 {
        stage.register(number, &format!("node-{number}")).await;
    }
    let mut stream = stage.connect().await;
    let ask = request("GET", "/api/snapshot", &[], b"").repeat(40);
    // Nothing more is taken once the buffers of both sides are full.
    let cut = async { while stream.write_all(&ask).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), cut)
        .await
        .expect("its end is told");
    alive(&stage).await;
}

#[tokio::test]
async fn many_requests_go_over_one_connection() {
    let stage = Stage::start().await;
    let mut stream = stage.connect().await;
    let mut all = signed(
        &key(1),
        "POST",
        "/api/register",
        &registration(1, "ada"),
        stage.now(),
    );
    for _ in 0..3 {
        all.extend(request(
            "GET",
            "/api/nodes",
            &[("connection", "keep-alive")],
            b"",
        ));
    }
    all.extend(request("GET", "/nix", &[("connection", "close")], b""));
    stream.write_all(&all).await.expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("answers");
    let text = String::from_utf8_lossy(&bytes);
    let statuses: Vec<&str> = text
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|rest| rest.get(..3))
        .collect();
    assert_eq!(statuses, ["201", "200", "200", "200", "404"]);
}
