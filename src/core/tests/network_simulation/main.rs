//! A whole network in one thread, on a clock and a network of its own: a root, its secondaries and a hundred nodes,
//! while packets are lost, late, doubled and overtaken, links are cut, clocks jump, and everything crashes.
//!
//! What a seed does, it does every time: `TRUSTNET_SIMULATION_SEED=N` runs that one, `TRUSTNET_SIMULATION_RUNS=N` so many.

mod ledger;
mod node;
mod root;
mod run;
mod secondary;
mod words;
mod world;

use std::net::Ipv6Addr;

use trustnet_core::network::Endpoint;

use ledger::Ledger;
use words::{Answer, Request, Timer};
use world::{Actor, World};

type Net = World<Request, Answer, Timer>;

const ROOT: Actor = 0;

/// An actor's place in the network is its number.
fn endpoint(of: Actor) -> Endpoint {
    Endpoint::new(
        Ipv6Addr::LOCALHOST.into(),
        u16::try_from(of + 1).expect("an actor has a port"),
    )
}

fn actor(at: Endpoint) -> Actor {
    usize::from(at.socket().port()) - 1
}

/// What is done wrongly, to see that it would be found.
#[derive(Debug, Clone, Copy, Default)]
struct Switches {
    /// The root acknowledges before the disk has it.
    answer_before_commit: bool,
    /// A secondary acknowledges before the disk has it.
    answer_before_queued: bool,
    /// A secondary loses its queue when it restarts.
    forget_queue: bool,
    /// A node tries once to register, and then does nothing of its own accord.
    try_once: bool,
    /// A secondary takes in the first snapshot that it was sent, whenever one is due.
    old_snapshot: bool,
    /// The root never looks who has fallen silent.
    no_sweep: bool,
}

fn number(name: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a run by hand is told what to run"
    )]
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "what was seen, for whoever runs many by hand"
)]
fn every_registry_comes_to_know_the_living_nodes_and_nothing_acknowledged_is_lost() {
    if let Some(seed) = number("TRUSTNET_SIMULATION_SEED") {
        match run::run(seed, Switches::default()) {
            Ok(seen) => println!("{seen:?}"),
            Err(why) => panic!("{why}"),
        }
        return;
    }
    let runs = number("TRUSTNET_SIMULATION_RUNS").unwrap_or(8);
    let first = number("TRUSTNET_SIMULATION_FIRST").unwrap_or(1);
    let mut sum = run::Seen::default();
    let mut failed = Vec::new();
    for seed in first..first + runs {
        match run::run(seed, Switches::default()) {
            Ok(seen) => sum.add(seen),
            Err(why) => failed.push(format!("TRUSTNET_SIMULATION_SEED={seed}: {why}")),
        }
    }
    println!("{runs} runs: {sum:?}");
    assert!(failed.is_empty(), "{failed:#?}");
    // What is never seen is not tested either.
    assert!(
        sum.queued > 0
            && sum.delivered > 0
            && sum.replaced > 0
            && sum.crashes > 0
            && sum.loaded > 0,
        "{sum:?}"
    );
}

/// Whether any of some seeds finds a fault.
fn is_found(switches: Switches) -> bool {
    is_found_as(switches, "")
}

/// Whether any of some seeds finds a fault, in these words.
fn is_found_as(switches: Switches, words: &str) -> bool {
    let mut runs = (1..=8).map(|seed| run::run(seed, switches));
    runs.any(|run| run.is_err_and(|why| why.contains(words)))
}

#[test]
fn a_root_that_answers_before_its_disk_has_it_is_found_out() {
    assert!(is_found(Switches {
        answer_before_commit: true,
        ..Switches::default()
    }));
}

#[test]
fn a_secondary_that_answers_before_its_queue_is_durable_is_found_out() {
    assert!(is_found(Switches {
        answer_before_queued: true,
        ..Switches::default()
    }));
}

#[test]
fn a_secondary_that_loses_its_queue_is_found_out() {
    assert!(is_found(Switches {
        forget_queue: true,
        ..Switches::default()
    }));
}

#[test]
fn a_node_that_does_not_try_again_is_found_out() {
    let switches = Switches {
        try_once: true,
        ..Switches::default()
    };
    assert!(is_found_as(switches, "is not registered since"));
}

#[test]
fn a_secondary_that_takes_in_an_old_snapshot_is_found_out() {
    let switches = Switches {
        old_snapshot: true,
        ..Switches::default()
    };
    assert!(is_found_as(switches, "went back from version"));
}

#[test]
fn a_root_that_removes_nobody_is_found_out() {
    let switches = Switches {
        no_sweep: true,
        ..Switches::default()
    };
    assert!(is_found_as(switches, "registry 0 knows"));
}
