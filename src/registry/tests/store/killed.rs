//! kill -9 under load, in a loop: what clients were told is there when the next process opens the database.
//!
//! `TRUSTNET_REGISTRY_TEST_KILLS` sets how often (120 if it is not said).

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, io, thread};

use crate::nodes::{id, proof, register};
use crate::remove;
use tempfile::tempdir;
use trustnet_api::network::Snapshot;
use trustnet_core::network::{Directory, Refusal};
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions, WriteError, Written};

const KILLS: &str = "TRUSTNET_REGISTRY_TEST_KILLS";
const DATABASE: &str = "TRUSTNET_REGISTRY_TEST_DATABASE";
const FROM: &str = "TRUSTNET_REGISTRY_TEST_FROM";
/// The nodes that come and go.
const NODES: u64 = 64;
/// From when on they sign, in seconds since 1970: not so long ago that it would be forgotten.
const SIGNED: u64 = 4_000_000_000;
/// How many of them write at once; each keeps to its own nodes.
const WRITERS: u64 = 16;

/// A node as its last write left it: when that was signed, and whether it is in the directory.
type State = (u64, bool);

/// What a node may be found as.
#[derive(Debug, Clone, Default)]
struct Expected {
    told: State,
    /// What was asked, and not answered before the kill.
    asked: Option<State>,
}

/// A sequence of numbers that look drawn, and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn what_was_told_before_kills_under_load_is_there_after_them() {
    let kills: u64 = env::var(KILLS).map_or(120, |kills| kills.parse().expect("a number"));
    let folder = tempdir().expect("a folder");
    let database = folder.path().join("registry.db");
    let mut expected = vec![Expected::default(); usize::try_from(NODES).expect("few")];
    let mut version = 0;
    let mut told = 0;
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    for round in 1..=kills {
        // Some live long enough for heartbeats to be stored; some are killed while they open the database.
        let life = match draw.below(50) {
            0 => 1_000_000 + draw.below(200_000),
            _ => draw.below(60_000),
        };
        let said = run_and_kill(
            &database,
            SIGNED + round * 1_000_000,
            Duration::from_micros(life),
        );
        told += follow(&said, &mut expected, &mut version);
    }
    let registrar = open(&database);
    registrar.read(|directory| {
        assert!(directory.version() >= version);
        for (node, expected) in (0..).zip(&mut expected) {
            found(node, state(directory, node), expected);
        }
    });
    whole_snapshots(folder.path());
    assert!(
        told >= kills,
        "{told} writes were answered in {kills} lives: too few to show anything"
    );
    let line = format!("{kills} kills, {told} writes told\n");
    io::stderr().write_all(line.as_bytes()).expect("stderr");
}

/// What a process said until it was killed, in whole lines.
fn run_and_kill(database: &Path, from: u64, life: Duration) -> String {
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args([
            "--exact",
            "killed::the_process_that_is_killed",
            "--nocapture",
        ])
        .env(DATABASE, database)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("it starts");
    let mut out = child.stdout.take().expect("a pipe");
    let reader = thread::spawn(move || {
        let mut said = String::new();
        out.read_to_string(&mut said).map(|_| said)
    });
    thread::sleep(life);
    let alive = child.try_wait().expect("its state").is_none();
    child.kill().expect("a kill");
    child.wait().expect("its end");
    let mut said = reader.join().expect("no panic").expect("text");
    assert!(alive, "it ended by itself, having said\n{said}");
    said.truncate(said.rfind('\n').map_or(0, |end| end + 1));
    said
}

/// Compares what a process found with what those before it had told, and takes in what it told; how much that is.
fn follow(said: &str, expected: &mut [Expected], version: &mut u64) -> u64 {
    let mut told = 0;
    for line in said.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: usize| words[word].parse::<u64>().expect("a number");
        let node = |word| usize::try_from(number(word)).expect("few");
        match words[0] {
            "opened" => {
                assert!(number(1) >= *version, "version {version} was told, {line}");
                *version = number(1);
            }
            "found" => found(
                number(1),
                (number(2), words[3] == "true"),
                &mut expected[node(1)],
            ),
            "asked" => expected[node(1)].asked = Some((number(2), words[3] == "true")),
            "told" => {
                let node = &mut expected[node(1)];
                node.told = node.asked.take().expect("it was asked");
                *version = number(2).max(*version);
                told += 1;
            }
            _ => {}
        }
    }
    told
}

fn found(node: u64, state: State, expected: &mut Expected) {
    assert!(
        state == expected.told || Some(state) == expected.asked,
        "node {node} is {state:?}, and was to be {expected:?}"
    );
    *expected = Expected {
        told: state,
        asked: None,
    };
}

/// A snapshot that has its name is whole.
fn whole_snapshots(folder: &Path) {
    let mut whole = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "json") {
            let text = fs::read_to_string(&path).expect("a file");
            serde_json::from_str::<Snapshot>(&text).expect("a whole snapshot");
            whole += 1;
        }
    }
    assert!(whole > 0, "no process came to write a snapshot");
}

fn open(database: &Path) -> Registrar {
    // A log so short that it is trimmed all the time.
    let options = StoreOptions {
        log_capacity: 50,
        ..StoreOptions::default()
    };
    Registrar::open(database, options, Clock::system()).expect("the database opens")
}

fn state(directory: &Directory, node: u64) -> State {
    let id = id(node);
    let departed = || {
        let mut departed = directory.departed();
        departed.find_map(|(other, left)| (other == id).then_some(left.signed.at))
    };
    match directory.get(id) {
        Some(node) => (node.signed.at, true),
        None => (departed().unwrap_or(0), false),
    }
}

/// Not a test of its own: what the one above starts, and kills.
#[test]
fn the_process_that_is_killed() {
    let Some(database) = env::var_os(DATABASE).map(PathBuf::from) else {
        return;
    };
    let from = env::var(FROM).expect("a number").parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(load(&database, from));
}

/// One line, whole, before anything else is done.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let said = out.write_all(format!("{line}\n").as_bytes());
    said.and_then(|()| out.flush()).expect("a pipe");
}

async fn load(database: &Path, from: u64) {
    let registrar = open(database);
    let (version, found) = registrar.read(|directory| {
        let found: Vec<_> = (0..NODES).map(|node| state(directory, node)).collect();
        (directory.version(), found)
    });
    say(&format!("\nopened {version}"));
    for (node, (at, there)) in found.iter().enumerate() {
        say(&format!("found {node} {at} {there}"));
    }
    let clock = Arc::new(AtomicU64::new(from));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(registrar.clone(), writer, Arc::clone(&clock))))
        .collect();
    let folder = database.parent().expect("a folder").to_owned();
    loop {
        let this = registrar.snapshot_file(&folder).await.expect("a snapshot");
        trustnet_registry::snapshots::prune(&folder, 3, &this).expect("old snapshots go");
        for writer in &writers {
            assert!(!writer.is_finished(), "a writer failed");
        }
    }
}

async fn write(registrar: Registrar, writer: u64, clock: Arc<AtomicU64>) {
    let mut draw = Draw(clock.load(Ordering::Relaxed) * 31 + writer + 1);
    loop {
        let node = draw.below(NODES / WRITERS) * WRITERS + writer;
        let at = clock.fetch_add(1, Ordering::Relaxed) + 1;
        let there = registrar.read(|directory| directory.get(id(node)).is_some());
        if there && draw.below(3) == 0 {
            let sequence =
                registrar.read(|directory| directory.get(id(node)).map_or(0, |node| node.sequence));
            registrar
                .beat(id(node), sequence + 1, proof(at))
                .await
                .expect("it beats");
        }
        let leaves = there && draw.below(4) == 0;
        say(&format!("asked {node} {at} {}", !leaves));
        let written = if leaves {
            registrar.write(remove(node, at)).await
        } else {
            registrar.write(register(node, 9000, at)).await
        };
        match written {
            Ok(Written::Changed(entry)) => say(&format!("told {node} {}", entry.version)),
            Ok(Written::Unchanged) => panic!("each write changes something"),
            Err(WriteError::Refused(Refusal::Replayed)) => panic!("each write is new"),
            Err(error) => panic!("{error}"),
        }
    }
}
