//! Many at once.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::stage::{Stage, read, request};

/// Set in a process that is one side of many connections: where to, and how many.
const CROWD: &str = "TRUSTNET_TEST_CROWD";
/// How many connections there are at once.
const ALL: usize = 10_000;
/// How many of them a process holds.
const EACH: usize = 2_500;

/// How many files this process may have, at most.
fn files() -> usize {
    let files = getrlimit(Resource::Nofile).maximum;
    files.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}

/// A process that holds so many connections, until its input ends; and what it says.
fn crowd(stage: &Stage, count: usize) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "crowd::the_process_that_holds_connections",
            "--nocapture",
        ])
        .env(CROWD, format!("{} {count}", stage.address()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let wanted = format!("held {count}");
    let held = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.ends_with(&wanted));
    assert!(held, "it holds its connections");
    (child, lines)
}

/// Connections that the registry says are open.
async fn open(stage: &Stage) -> usize {
    let metrics = String::from_utf8(stage.get("/metrics").await.body).expect("text");
    let mut lines = metrics.lines();
    let open = lines.find_map(|line| line.strip_prefix("trustnet_registry_connections "));
    open.and_then(|text| text.parse().ok()).expect("a number")
}

/// Those who hold them are other processes: this one has the registry's ends only.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_are_held_while_others_are_answered() {
    if files() < ALL + 300 {
        let why = format!("a process may have {} files here only", files());
        let _ = writeln!(
            std::io::stderr(),
            "skipped: crowd::ten_thousand_idle_connections_are_held_while_others_are_answered: {why}"
        );
        return;
    }
    let stage = Stage::start().await;
    let crowds = (0..ALL / EACH).map(|_| tokio::task::block_in_place(|| crowd(&stage, EACH)));
    let crowds: Vec<_> = crowds.collect();
    assert_eq!(stage.register(1, "ada").await.status, 201);
    assert_eq!(stage.beat(1, 1).await.status, 200);
    assert_eq!(stage.get("/api/health").await.status, 200);
    let count = open(&stage).await;
    assert!(count >= ALL, "{count} of {ALL}");
    for (mut crowd, lines) in crowds {
        drop(crowd.stdin.take());
        lines.map_while(Result::ok).for_each(drop);
        assert!(crowd.wait().expect("it ends").success());
    }
    while open(&stage).await > 10 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stage.service.stop().await;
}

/// Not a test of its own: what the one above starts.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "it tells the process that started it")]
async fn the_process_that_holds_connections() {
    let Ok(what) = std::env::var(CROWD) else {
        return;
    };
    let (address, count) = what.split_once(' ').expect("two words");
    let count: usize = count.parse().expect("a number");
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("it may have what it may have");
    let ask = request("GET", "/api/changes?since=0", &[], b"");
    let mut crowd = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        // Some have asked something before they fall silent.
        if number % 10 == 0 {
            stream.write_all(&ask).await.expect("sent");
            assert_eq!(read(&mut stream).await.expect("an answer").status, 200);
        }
        crowd.push(stream);
    }
    println!("held {count}");
    let ended = std::io::stdin().read(&mut [0]);
    assert_eq!(ended.expect("a pipe"), 0);
}

#[tokio::test]
async fn one_connection_too_many_is_ended_and_one_fewer_makes_room() {
    let stage = Stage::with(|settings| settings.limits.connections = 3).await;
    let ask = request("GET", "/api/health", &[], b"");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = stage.connect().await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, &ask)
            .await
            .expect("sent");
        assert!(read(&mut stream).await.is_some());
        open.push(stream);
    }
    let mut one = stage.connect().await;
    let _ = tokio::io::AsyncWriteExt::write_all(&mut one, &ask).await;
    assert!(read(&mut one).await.is_none());
    open.pop();
    loop {
        let mut again = stage.connect().await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut again, &ask).await;
        // Until the end of the other one was seen.
        if read(&mut again).await.is_some() {
            break;
        }
    }
}
