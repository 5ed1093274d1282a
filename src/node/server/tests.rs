use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Patience, run};

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const LONG: Duration = Duration::from_secs(60);

/// A server that answers one thing, how to end it, and its end.
async fn server(
    places: usize,
    headers: Duration,
) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = TcpListener::bind("[::1]:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let router = Router::new().route("/", get(|| async { "here" }));
    let (end, ending) = watch::channel(false);
    let patience = Patience {
        places,
        headers,
        life: LONG,
    };
    let serving = tokio::spawn(run(listener, router, None, patience, ending));
    (address, end, serving)
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("a connection")
}

/// Whether it is answered.
async fn answers(address: SocketAddr) -> bool {
    let mut stream = connect(address).await;
    let mut bytes = [0; 12];
    // It may be at its end before all is sent.
    let sent = stream.write_all(ASK).await;
    sent.is_ok() && stream.read_exact(&mut bytes).await.is_ok() && &bytes == b"HTTP/1.1 200"
}

#[tokio::test]
async fn idle_connections_take_no_more_than_their_places_and_do_not_delay_the_end() {
    let (address, end, serving) = server(16, LONG).await;
    let mut idle = Vec::new();
    for _ in 0..15 {
        idle.push(connect(address).await);
    }
    let mut last = connect(address).await;
    last.write_all(ASK).await.expect("sent");
    let mut bytes = [0; 12];
    last.read_exact(&mut bytes).await.expect("an answer");
    assert_eq!(&bytes, b"HTTP/1.1 200");
    // There is no place for one more: its connection ends.
    let mut more = connect(address).await;
    assert_eq!(more.read(&mut bytes).await.unwrap_or(0), 0);
    end.send_replace(true);
    let ended = timeout(LONG, serving).await;
    ended.expect("in time").expect("no panic");
}

#[tokio::test]
async fn who_is_silent_or_slow_with_headers_loses_the_place() {
    let (address, _end, _serving) = server(3, Duration::from_millis(100)).await;
    let mut silent = connect(address).await;
    let mut half = connect(address).await;
    half.write_all(&ASK[..10]).await.expect("sent");
    // One byte at a time is no way round.
    let mut slow = connect(address).await;
    let dribbling = async {
        slow.write_all(&ASK[..10]).await.expect("sent");
        loop {
            sleep(Duration::from_millis(30)).await;
            if slow.write_all(b"a").await.is_err() {
                return;
            }
        }
    };
    let mut rest = Vec::new();
    timeout(LONG, async {
        // What a server says to who is late is for the one who reads it.
        let _ = silent.read_to_end(&mut rest).await;
        let _ = half.read_to_end(&mut rest).await;
        dribbling.await;
    })
    .await
    .expect("they are cut long before");
    // Each of their places is free again.
    let again = async {
        while !answers(address).await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, again).await.expect("there is a place");
}
