//! What a secondary says that has never found its root.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::registry::Registry;

/// What a secondary says of itself.
const SECONDARY: &str = r#"{"status":"ok","service":"trustnet-registry","version":"0.1.0","node_id":"0x0011223344556677","role":"secondary","domain":"example.net","join_token":false,"nodes":{"active":0,"offline":0,"inactive":0,"banned":0},"replication":{"version":0,"lag_seconds":0,"queued_writes":0,"connected":false}}"#;

/// Answers a request with what no root says.
async fn answer(mut stream: TcpStream) {
    let (reading, mut writing) = stream.split();
    let mut lines = BufReader::new(reading).lines();
    while lines.next_line().await.expect("a line") != Some(String::new()) {}
    let length = SECONDARY.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{SECONDARY}"
    );
    writing
        .write_all(answer.as_bytes())
        .await
        .expect("answered");
}

#[tokio::test]
async fn a_secondary_that_finds_no_root_says_why_once_and_again_when_that_changes() {
    let place = TcpListener::bind("[::1]:0").await.expect("a port");
    let at = place.local_addr().expect("an address");
    let mut secondary = Registry::new(Some(at), &json!({}));
    let answering = async {
        let accept = || async { place.accept().await.expect("a connection").0 };
        for _ in 0..2 {
            answer(accept().await).await;
        }
        let last = accept().await;
        // Before it is answered: the next one is refused, however soon it comes.
        drop(place);
        answer(last).await;
    };
    tokio::join!(answering, secondary.start());
    secondary.told("refused").await;
    let lines = secondary.log();
    let said: Vec<(Value, Value)> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .filter(|line: &Value| line["message"] == "no root is found: it is looked for again")
        .map(|line| (line["level"].clone(), line["why"].clone()))
        .collect();
    let wanted = [
        format!("{at}: the registry there is no root"),
        format!("{at}: no answer: Connection refused (os error 111)"),
    ];
    assert_eq!(said, wanted.map(|why| (json!("WARN"), json!(why))));
}
