//! A load of requests that were made beforehand, over connections that stay open.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What came of a load.
pub struct Load {
    /// How long it took in all.
    pub taken: Duration,
    /// How long each answer took, sorted.
    pub waits: Vec<Duration>,
    /// Answers that were not awaited, with the first one's words.
    pub strange: Option<(usize, String)>,
}

impl Load {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2⁵²")]
        let number = self.waits.len() as f64;
        number / self.taken.as_secs_f64()
    }

    /// The wait that so many of a thousand do not exceed.
    pub fn at(&self, of_thousand: usize) -> Duration {
        let place = (self.waits.len() * of_thousand / 1000).min(self.waits.len().saturating_sub(1));
        self.waits.get(place).copied().unwrap_or_default()
    }
}

/// How the requests are sent.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Connections.
    pub connections: usize,
    /// Requests a second over all connections; as fast as answers come, if none.
    pub rate: Option<f64>,
    /// The status that every answer is to have.
    pub status: u16,
}

/// Sends all of them.
pub async fn run(server: SocketAddr, requests: Vec<Vec<u8>>, pace: Pace) -> Load {
    let waiting = Arc::new(Mutex::new(VecDeque::from(requests)));
    let mut connections = JoinSet::new();
    let mut sockets = Vec::new();
    for _ in 0..pace.connections {
        let socket = TcpStream::connect(server).await.expect("a connection");
        socket.set_nodelay(true).expect("no delay");
        sockets.push(socket);
    }
    let since = Instant::now();
    for (place, socket) in sockets.into_iter().enumerate() {
        connections.spawn(one(socket, Arc::clone(&waiting), pace, place, since));
    }
    let mut load = Load {
        taken: Duration::ZERO,
        waits: Vec::new(),
        strange: None,
    };
    while let Some(done) = connections.join_next().await {
        let (waits, strange) = done.expect("a connection's task");
        load.waits.extend(waits);
        if let Some((number, words)) = strange {
            let before = load.strange.as_ref().map_or(0, |(number, _)| *number);
            load.strange = Some((before + number, words));
        }
    }
    load.taken = since.elapsed();
    load.waits.sort_unstable();
    load
}

async fn one(
    mut socket: TcpStream,
    waiting: Arc<Mutex<VecDeque<Vec<u8>>>>,
    pace: Pace,
    place: usize,
    since: Instant,
) -> (Vec<Duration>, Option<(usize, String)>) {
    #[expect(clippy::cast_precision_loss, reason = "few connections")]
    let every = pace.rate.map(|rate| pace.connections as f64 / rate);
    let mut waits = Vec::new();
    let mut strange: Option<(usize, String)> = None;
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let Some(request) = waiting.lock().expect("the requests").pop_front() else {
            return (waits, strange);
        };
        // A request's wait begins when it is due, not when it could be sent.
        let mut due = Instant::now();
        if let Some(every) = every {
            #[expect(clippy::cast_precision_loss, reason = "far below 2⁵²")]
            let turn = waits.len() as f64 + place as f64 / pace.connections as f64;
            due = since + Duration::from_secs_f64(every * turn);
            tokio::time::sleep_until(due.into()).await;
        }
        socket
            .write_all(&request)
            .await
            .expect("a request that is sent");
        let (status, whole) = answer(&mut socket, &mut buffer).await;
        waits.push(due.elapsed());
        if status != pace.status {
            let words = String::from_utf8_lossy(&buffer[..whole]).into_owned();
            strange = Some((strange.map_or(0, |(number, _)| number) + 1, words));
        }
        buffer.drain(..whole);
    }
}

/// Reads one answer: its status, and how many bytes of the buffer it is.
async fn answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> (u16, usize) {
    loop {
        if let Some((status, whole)) = parse(buffer)
            && buffer.len() >= whole
        {
            return (status, whole);
        }
        let read = socket.read_buf(buffer).await.expect("an answer");
        assert!(read > 0, "the server hung up");
    }
}

fn parse(bytes: &[u8]) -> Option<(u16, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).expect("an HTTP answer") else {
        return None;
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |header| {
            let text = std::str::from_utf8(header.value).expect("a length");
            text.parse().expect("a length")
        });
    Some((response.code.expect("a status"), head + length))
}
