//! Many idle connections.

use std::io::{BufRead as _, BufReader, ErrorKind, Lines, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;

use crate::programs::{Program, get, node, wait_until};

/// Set in a process that is one side of many connections: where to.
const CROWD: &str = "TRUSTNET_TEST_CROWD";
/// How many connections there are at once.
const ALL: usize = 10_000;
/// How many of them a process holds.
const EACH: usize = 2_500;
/// Runs a command with as many files as it may have.
const ALL_FILES: &str = r#"ulimit -n "$(ulimit -Hn)"; exec "$@""#;

/// How many files a process may have, at most.
fn files() -> usize {
    let output = Command::new("sh").args(["-c", "ulimit -Hn"]).output();
    let said = String::from_utf8(output.expect("sh runs").stdout).expect("text");
    // Otherwise there is no limit.
    said.trim().parse().unwrap_or(usize::MAX)
}

/// A process that holds connections, until its input ends; and what it says.
struct Crowd {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    /// Returns when all of them are made.
    fn start(node: &Program) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", ALL_FILES, "sh"])
            .arg(std::env::current_exe().expect("this test"))
            .args(["--exact", "crowd::the_process_that_holds_connections"])
            .arg("--nocapture")
            .env(CROWD, &node.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut said = lines.by_ref().map_while(Result::ok);
        assert!(said.any(|line| line.ends_with("all are made")));
        Self { process, lines }
    }

    /// How many of its connections are not ended.
    fn held(&mut self) -> usize {
        let input = self.process.stdin.as_mut().expect("a pipe");
        input.write_all(b"\n").expect("asked");
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        let held = lines.find_map(|line| line.strip_prefix("held ")?.parse().ok());
        held.expect("a number")
    }

    fn end(mut self) {
        drop(self.process.stdin.take());
        self.lines.map_while(Result::ok).for_each(drop);
        assert!(self.process.wait().expect("it ends").success());
    }
}

#[test]
fn ten_thousand_idle_connections_shut_nobody_out() {
    if files() < ALL + 300 {
        let why = format!("a process may have {} files here only", files());
        let _ = writeln!(
            std::io::stderr(),
            "skipped: crowd::ten_thousand_idle_connections_shut_nobody_out: {why}"
        );
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path(), "first", &json!({}));
    wait_until(|| get(&node.address, "/api/peers").0 == 200);
    let mut crowds: Vec<Crowd> = (0..ALL / EACH).map(|_| Crowd::start(&node)).collect();
    assert_eq!(get(&node.address, "/api/peers").0, 200);
    assert_eq!(get(&node.address, "/metrics").0, 200);
    // What is there after the answers was there before them. The node ends what is idle for a while: making them all has
    // to take less.
    let held: usize = crowds.iter_mut().map(Crowd::held).sum();
    assert_eq!(held, ALL, "so many were there when the node was asked");
    crowds.into_iter().for_each(Crowd::end);
    assert_eq!(get(&node.address, "/api/peers").0, 200);
}

/// Not a test of its own: what the one above starts.
#[test]
#[expect(clippy::print_stdout, reason = "it tells the process that started it")]
fn the_process_that_holds_connections() {
    let Ok(address) = std::env::var(CROWD) else {
        return;
    };
    let connect = |_| TcpStream::connect(&address).expect("it listens");
    let crowd: Vec<TcpStream> = (0..EACH).map(connect).collect();
    println!("all are made");
    // Asked by a line each time.
    for asked in std::io::stdin().lines() {
        asked.expect("a pipe");
        let held = crowd.iter().filter(|stream| is_held(stream));
        println!("held {}", held.count());
    }
}

/// Whether the other side has not ended it.
fn is_held(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let read = stream.peek(&mut [0]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}
