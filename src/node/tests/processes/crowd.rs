//! Many idle connections.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::programs::{Program, get, node, wait_until};

/// Set in a process that is one side of many connections: where to, and how many.
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

/// A process that holds so many connections, until its input ends.
fn crowd(node: &Program, count: usize) -> Child {
    let mut child = Command::new("sh")
        .args(["-c", ALL_FILES, "sh"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "crowd::the_process_that_holds_connections"])
        .arg("--nocapture")
        .env(CROWD, format!("{} {count}", node.address))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stdout.as_mut().expect("a pipe")).lines();
    let wanted = format!("held {count}");
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with(&wanted)), "it holds them");
    child
}

#[test]
fn ten_thousand_idle_connections_shut_nobody_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path(), "first", &json!({}));
    wait_until(|| get(&node.address, "/api/peers").0 == 200);
    let mut left = ALL.min(files().saturating_sub(300));
    assert!(
        left >= 600,
        "{left} connections are too few to show anything"
    );
    let mut crowds = Vec::new();
    while left > 0 {
        let count = left.min(EACH);
        crowds.push(crowd(&node, count));
        left -= count;
    }
    assert_eq!(get(&node.address, "/api/peers").0, 200);
    assert_eq!(get(&node.address, "/metrics").0, 200);
    for mut crowd in crowds {
        drop(crowd.stdin.take());
        assert!(crowd.wait().expect("it ends").success());
    }
    assert_eq!(get(&node.address, "/api/peers").0, 200);
}

/// Not a test of its own: what the one above starts.
#[test]
#[expect(clippy::print_stdout, reason = "it tells the process that started it")]
fn the_process_that_holds_connections() {
    let Ok(what) = std::env::var(CROWD) else {
        return;
    };
    let (address, count) = what.split_once(' ').expect("two words");
    let count: usize = count.parse().expect("a number");
    let connect = |_| TcpStream::connect(address).expect("it listens");
    let crowd: Vec<TcpStream> = (0..count).map(connect).collect();
    println!("held {count}");
    let ended = std::io::stdin().read(&mut [0]);
    assert_eq!(ended.expect("a pipe"), 0);
    drop(crowd);
}
