//! A registry on loopback that answers whatever it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Clone)]
pub(super) struct Answer {
    status: u16,
    body: Vec<u8>,
    /// How much of the body is sent before the line goes dead.
    sent: usize,
}

impl Answer {
    pub(super) fn ok(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            sent: body.len(),
            body,
        }
    }

    pub(super) fn status(status: u16, body: &str) -> Self {
        Self {
            status,
            ..Self::ok(body.as_bytes().to_vec())
        }
    }

    pub(super) fn cut(self, sent: usize) -> Self {
        Self { sent, ..self }
    }
}

pub(super) struct Liar {
    pub(super) host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Liar {
    pub(super) fn start(answers: BTreeMap<String, Answer>) -> Self {
        Self::serve(answers, None)
    }

    /// One that gives nothing without this token, and the token to whoever asks.
    pub(super) fn with_token(answers: BTreeMap<String, Answer>, token: &str) -> Self {
        Self::serve(answers, Some(token.to_owned()))
    }

    /// Every request with its headers, in one line each.
    pub(super) fn requests(&self) -> Vec<String> {
        self.asked.lock().expect("no panic elsewhere").clone()
    }

    fn serve(answers: BTreeMap<String, Answer>, token: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, own) = (Arc::clone(&asked), host.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who has gone away needs no answer.
                let _ = answer(stream, &answers, token.as_deref(), &own, &log);
            }
        });
        Self { host, asked }
    }
}

fn answer(
    mut stream: TcpStream,
    answers: &BTreeMap<String, Answer>,
    token: Option<&str>,
    host: &str,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        request.push_str(line.trim_end());
        request.push(' ');
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let mut extra = String::new();
    let found = match token {
        Some(token) if path.starts_with("/token?") => {
            Answer::status(200, &format!(r#"{{"token":"{token}"}}"#))
        }
        Some(token) if !request.contains(&format!("Bearer {token}")) => {
            extra = format!(
                "WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"us\"\r\n"
            );
            Answer::status(401, "")
        }
        _ => answers
            .get(path)
            .cloned()
            .unwrap_or(Answer::status(404, "")),
    };
    log.lock().expect("no panic elsewhere").push(request);
    let (status, length) = (found.status, found.body.len());
    write!(
        stream,
        "HTTP/1.1 {status} so\r\n{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&found.body[..found.sent])
}
