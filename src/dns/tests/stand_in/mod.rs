//! An HTTP server on loopback that stands in for a provider's API: it remembers what it is asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The method and the path with its query, such as `GET /zones?page=1`.
    pub line: String,
    /// The header `authorization`.
    pub authorization: String,
    /// The body.
    pub body: String,
}

/// What it answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// More headers, each with its line end.
    pub headers: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    /// An answer.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: "",
            body: body.into(),
        }
    }

    /// The same with headers.
    pub fn headers(self, headers: &'static str) -> Self {
        Self { headers, ..self }
    }
}

/// The server. Its threads end with the process.
pub struct StandIn {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    /// A server that answers by this rule: the request, and how many came before it.
    pub fn start(rule: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let remembered = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One at a time: requests have an order.
                serve(&stream, &rule, &remembered);
            }
        });
        Self { address, asked }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// The first lines of what it was asked.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn serve(
    stream: &TcpStream,
    rule: &impl Fn(&Asked, usize) -> Answer,
    remembered: &Mutex<Vec<Asked>>,
) {
    let mut reader = BufReader::new(stream);
    let Some(asked) = request(&mut reader) else {
        return;
    };
    let before = {
        let mut remembered = remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.push(asked.clone());
        remembered.len() - 1
    };
    let answer = rule(&asked, before);
    let text = format!(
        "HTTP/1.1 {} Said\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}",
        answer.status,
        answer.body.len(),
        answer.headers,
        answer.body
    );
    // Who does not wait for it is gone.
    let _ = (&mut &*stream).write_all(text.as_bytes());
}

fn request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let line = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        line,
        authorization,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
