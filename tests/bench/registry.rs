//! A real `trustnet-registry`, its database on disk, under load over loopback, beside a server that does nothing and
//! beside SQLite itself. A line a measurement: who, then numbers. Arguments: the registry's program, a folder on the
//! disk that is to be measured, and how many seconds a load lasts.

#![expect(clippy::expect_used, reason = "a measurement ends where it expects")]
#![expect(clippy::print_stdout, reason = "the figures are its result")]

#[path = "registry/load.rs"]
mod load;
#[path = "registry/nodes.rs"]
mod nodes;
#[path = "registry/served.rs"]
mod served;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use load::{Load, Pace};
use nodes::Nodes;
use served::Served;
use trustnet_core::network::Liveness;
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::{Registrar, StoreOptions};

/// Connections of a load.
const CONNECTIONS: usize = 64;
/// Nodes of the loads.
const NODES: usize = 10_000;
/// Nodes of a directory that is to be carried.
const MANY: usize = 100_000;
/// Changes that are waited for.
const CHANGES: usize = 40;
/// Sweeps with nobody silent, and with all.
const SWEEPS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().expect("the registry's program");
    if program == "nothing" {
        return served::nothing().await;
    }
    let folder = PathBuf::from(arguments.next().expect("a folder"));
    let seconds = arguments
        .next()
        .map_or(5, |text| text.parse().expect("seconds"));
    loads(&program, &folder.join("loads"), seconds).await;
    println!(
        "sqlite {:.0}",
        served::sqlite(&folder.join("floor.db"), MANY)
    );
    carried(&program, &folder).await;
}

/// Registrations, heartbeats and reads, each as fast as they go; reads at half the load.
async fn loads(program: &str, folder: &std::path::Path, seconds: u64) {
    let nodes = Nodes::make(NODES);
    let root = Served::root(program, folder, None);
    let registered = run("registrations", &root, nodes.registrations(), 201, None).await;
    println!(
        "registrations {:.0} {:.2}",
        registered.rate(),
        milliseconds(registered.at(990))
    );
    let bare = Served::nothing();
    let mut sequence = 0;
    let mut beats = |rate: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "far below 2⁵²"
        )]
        let number = (rate * seconds as f64) as usize;
        let requests = nodes.beats(number, sequence);
        sequence += number as u64;
        requests
    };
    // What it can do is not known before: a first load tells how long the next one must be.
    let first = run("heartbeats", &root, beats(4_000.0), 200, None).await;
    let beaten = run("heartbeats", &root, beats(first.rate()), 200, None).await;
    println!(
        "heartbeats {:.0} {:.2}",
        beaten.rate(),
        milliseconds(beaten.at(990))
    );
    let idle = run("nothing", &bare, beats(first.rate() * 2.0), 200, None).await;
    println!(
        "nothing {:.0} {:.2}",
        idle.rate(),
        milliseconds(idle.at(990))
    );
    let read = run("reads", &root, nodes.reads(60_000), 200, None).await;
    println!("reads {:.0} {:.2}", read.rate(), milliseconds(read.at(990)));
    // Half the load that the registry is to bear: nine heartbeats, then a read, each when it is due.
    let (beating, reading) = (beats(9_000.0), nodes.reads(1_000 * seconds as usize));
    let (beating, reading) = tokio::join!(
        run("beats", &root, beating, 200, Some(9_000.0)),
        run("half", &root, reading, 200, Some(1_000.0)),
    );
    println!(
        "half {:.0} {:.2}",
        beating.rate() + reading.rate(),
        milliseconds(reading.at(990))
    );
}

async fn run(
    what: &str,
    server: &Served,
    requests: Vec<Vec<u8>>,
    status: u16,
    rate: Option<f64>,
) -> Load {
    let pace = Pace {
        connections: CONNECTIONS,
        rate,
        status,
    };
    let load = load::run(server.address, requests, pace).await;
    if let Some((number, words)) = &load.strange {
        println!(
            "strange {what} {number}: {}",
            words.replace(['\r', '\n'], " ")
        );
    }
    load
}

/// A directory of many nodes: how large it is, how soon a new secondary has it, how soon that one sees a change.
async fn carried(program: &str, folder: &std::path::Path) {
    let nodes = Nodes::make(MANY);
    let root = Served::root(program, &folder.join("root"), None);
    let _ = run("many", &root, nodes.registrations(), 201, None).await;
    let since = Instant::now();
    let secondary = Served::root(program, &folder.join("secondary"), Some(root.address));
    secondary.until_version(MANY as u64).await;
    println!("loaded {:.4}", since.elapsed().as_secs_f64());
    // Both have had the whole directory on its way by now.
    println!("memory {}", root.resident());
    println!("memory-secondary {}", secondary.resident());
    let more = Nodes::make_from(MANY, CHANGES);
    for (place, registration) in more.registrations().into_iter().enumerate() {
        let seen = secondary.watch((MANY + place + 1) as u64);
        let since = Instant::now();
        let _ = run("change", &root, vec![registration], 201, None).await;
        seen.await.expect("a change that is seen");
        println!("change {:.4}", since.elapsed().as_secs_f64());
    }
    drop((root, secondary));
    sweep(&folder.join("root/registry.db"));
}

/// Looks which of many nodes are silent: none of them, then all.
fn sweep(database: &std::path::Path) {
    let directory = Registrar::open(database, StoreOptions::default(), Clock::system());
    let directory = directory.expect("the database that was left");
    let mut now = directory.now();
    for (after, found) in [(0, 0), (100_000, MANY + CHANGES)] {
        now.steady += after;
        for _ in 0..SWEEPS {
            let since = Instant::now();
            let writes = directory.read(|nodes| nodes.sweep(&Liveness::default(), &now));
            println!("sweep {:.5}", since.elapsed().as_secs_f64());
            assert_eq!(writes.len(), found, "{now:?}");
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
