//! A file of 500 MB into a guest, beside scp(1) to the same sshd on loopback: `tests/bench/copy.rs` runs both in turn.

use std::process::Command;
use std::time::Duration;

use crate::bench::contest::Outcome;
use crate::{paths, process, speak};

/// What the program is built from.
pub const EXAMPLE: [&str; 4] = ["--package", "trustnet-host", "--example", "copy"];
/// Ours first.
const WHO: [(&str, &str); 3] = [
    ("put", "one connection of ours"),
    ("scp", "scp, default settings"),
    ("look", "hashing the artifact before"),
];

/// Runs both, connecting included.
pub fn outcomes(rounds: usize) -> Vec<Outcome> {
    speak::note("bench: a file of 500 MB into a guest, beside scp");
    let mut command = Command::new(paths::target().join("release/examples/copy"));
    command.arg(rounds.to_string());
    let said = process::output(&mut command).map_err(|error| format!("{error:#}"));
    WHO.into_iter()
        .map(|(who, name)| Outcome {
            name,
            times: said.clone().and_then(|said| times(&said, who)),
        })
        .collect()
}

/// The times of one of them, sorted.
pub fn times(said: &str, who: &str) -> Result<Vec<Duration>, String> {
    let mut times: Vec<Duration> = said
        .lines()
        .filter_map(|line| line.strip_prefix(who)?.trim().parse().ok())
        .map(Duration::from_secs_f64)
        .collect();
    times.sort();
    if times.is_empty() {
        return Err(format!("{who} was not measured"));
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_each_are_told_apart_and_sorted() {
        let said = "put 2.500\nscp 1.000\nput 0.250\n";
        let seconds =
            |who| times(said, who).map(|times| times.iter().map(Duration::as_secs_f64).collect());
        assert_eq!(seconds("put"), Ok(vec![0.25, 2.5]));
        assert_eq!(seconds("scp"), Ok(vec![1.0]));
        assert!(times(said, "rsync").is_err());
    }
}
