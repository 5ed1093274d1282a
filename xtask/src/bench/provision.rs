//! Services in a guest behind a sshd on loopback: `tests/bench/provision.rs` measures.

use std::process::Command;

use super::contest::Outcome;
use super::copy::times;
use crate::{paths, process, speak};

/// What the program is built from.
pub const EXAMPLE: [&str; 4] = ["--package", "trustnet-host", "--example", "provision"];

/// What was measured.
pub struct Measured {
    /// A run with nothing to do, and ssh(1).
    pub nothing: Vec<Outcome>,
    /// Twenty files, and one.
    pub files: Vec<Outcome>,
    /// How many round trips twenty files take more than one, at most.
    pub more_trips: Option<f64>,
}

/// Measures.
pub fn measure(rounds: usize) -> Measured {
    speak::note("bench: services in a guest, with nothing to do and with small files");
    let mut command = Command::new(paths::target().join("release/examples/provision"));
    command.arg(rounds.to_string());
    let said = process::output(&mut command).map_err(|error| format!("{error:#}"));
    let outcome = |(who, name)| Outcome {
        name,
        times: said.clone().and_then(|said| times(&said, who)),
    };
    // They are numbers like the others, sorted.
    let trips = |who| said.as_deref().ok().and_then(|said| times(said, who).ok());
    let one = trips("trips-one").and_then(|trips| trips.first().copied());
    let twenty = trips("trips-twenty").and_then(|trips| trips.last().copied());
    let more_trips = twenty.zip(one);
    Measured {
        nothing: [
            ("nothing", "twenty files that are there"),
            ("ssh", "ssh HOST true"),
        ]
        .map(outcome)
        .into(),
        files: [("twenty", "twenty files"), ("one", "one file")]
            .map(outcome)
            .into(),
        more_trips: more_trips.map(|(twenty, one)| twenty.as_secs_f64() - one.as_secs_f64()),
    }
}
