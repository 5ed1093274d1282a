//! A web server on loopback that can misbehave.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use trustnet_core::artifact::Digest;

/// What is wrong with a file.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It ends in the middle.
    Truncated,
    /// An error page comes in its place, as if all were well.
    ErrorPage,
    /// The server refuses.
    Status(u16),
    /// It is said to be what it was, whatever was asked.
    NotModified,
}

#[derive(Default)]
struct State {
    faults: BTreeMap<String, Fault>,
    log: Vec<String>,
}

/// A server of one folder. It ends with the process: connections are closed after each answer.
pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let (root, shared): (PathBuf, _) = (root.to_owned(), Arc::clone(&state));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is no fault of the server's.
                let _ = answer(stream, &root, &shared);
            }
        });
        Self { url, state }
    }

    /// Every file whose path ends so has this fault from now on.
    pub fn fault(&self, ending: &str, fault: Fault) {
        let mut state = self.state.lock().expect("no panic");
        state.faults.insert(ending.to_owned(), fault);
    }

    /// What was asked for since the last call: the paths, and how it was answered.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("no panic").log)
    }
}

fn answer(mut stream: TcpStream, root: &Path, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut known = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(tag) = line.to_lowercase().strip_prefix("if-none-match: ") {
            known = Some(tag.to_owned());
        }
    }
    let mut state = state.lock().expect("no panic");
    let fault = state
        .faults
        .iter()
        .find(|(ending, _)| path.ends_with(*ending));
    let fault = fault.map(|(_, fault)| *fault);
    let file = fs::read(root.join(path.trim_start_matches('/')));
    let tag = |body: &[u8]| format!("\"{}\"", Digest::of(body).short());
    let page = b"<html><body>It works</body></html>".to_vec();
    let (status, body) = match (fault, file) {
        (Some(Fault::Status(status)), _) => (status, page),
        (Some(Fault::ErrorPage), _) => (200, page),
        (Some(Fault::NotModified), _) => (304, Vec::new()),
        (_, Err(_)) => (404, page),
        (_, Ok(body)) if known.as_deref() == Some(&*tag(&body)) => (304, Vec::new()),
        (_, Ok(body)) => (200, body),
    };
    state.log.push(format!("{status} {path}"));
    drop(state);
    let sent = match fault {
        Some(Fault::Truncated) => &body[..body.len() / 2],
        _ => &body[..],
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nETag: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        tag(&body)
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(sent)?;
    stream.shutdown(Shutdown::Write)
}
