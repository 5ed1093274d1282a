//! A registry under load, beside a server that does nothing and SQLite alone: `tests/bench/registry.rs` measures.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::rows::Row;
use crate::{paths, process, speak};

/// What the programs are built from.
pub const BUILDS: [&[&str]; 2] = [
    &[
        "--package",
        "trustnet-registry",
        "--bin",
        "trustnet-registry",
    ],
    &["--package", "trustnet-registry", "--example", "load"],
];
/// How long a load lasts, in seconds.
const SECONDS: u32 = 8;

/// Measures.
pub fn rows() -> [Row; 7] {
    speak::note("bench: a registry under load");
    let said = measure();
    if let Err(error) = &said {
        speak::note(&format!("  {error:#}"));
    }
    judge(&said.unwrap_or_default())
}

/// On the disk that the repository lies on: `/tmp` may be in memory.
fn measure() -> Result<String> {
    let folder = paths::target().join("bench-registry");
    // What an interrupted run has left.
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to remove `{}`", folder.display()))?;
    }
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    let release = |name: &str| -> PathBuf { paths::target().join("release").join(name) };
    let mut command = Command::new(release("examples/load"));
    command
        .arg(release("trustnet-registry"))
        .arg(&folder)
        .arg(SECONDS.to_string());
    let said = process::output(&mut command);
    fs::remove_dir_all(&folder)
        .with_context(|| format!("failed to remove `{}`", folder.display()))?;
    said
}

/// What was said, as rows.
fn judge(said: &str) -> [Row; 7] {
    let number = |who: &str, place: usize| middle(said, who, place);
    // A row that rests on a load whose answers were not those that were awaited shows nothing.
    let sound = |loads: &[&str], found: Option<f64>| {
        found.filter(|_| !loads.iter().any(|load| strange(said, load)))
    };
    let beats = sound(&["heartbeats", "nothing"], number("heartbeats", 0));
    let registrations = sound(&["registrations"], number("registrations", 0));
    let half = &["beats", "half"];
    let memory = number("memory", 0).zip(number("memory-secondary", 0));
    let memory = sound(
        &["many"],
        memory.map(|(root, secondary)| root.max(secondary)),
    );
    [
        at_least(
            "signed heartbeats a second, against a bare axum handler that reads the same and does nothing",
            beats,
            number("nothing", 0),
            (20_000.0, "at least 20,000 a second"),
        ),
        at_least(
            "durable registrations a second, against SQLite's own inserts, 64 a commit",
            registrations,
            number("sqlite", 0),
            (3_000.0, "at least 3,000 a second"),
        ),
        at_half(
            sound(half, number("half", 0)),
            sound(half, number("half", 1)),
        ),
        below(
            "from the start of a secondary to all of 100,000 nodes in its database, streamed",
            sound(&["many"], number("loaded", 0)),
            (2.0, "under 2 s", "s"),
        ),
        below(
            "from a registration's start to the change at a secondary that follows",
            sound(&["many", "change"], number("change", 0)).map(|seconds| seconds * 1000.0),
            (100.0, "under 100 ms", "ms"),
        ),
        below(
            "the most resident memory of a root with 100,000 nodes, and of the secondary that it streams them to: the larger",
            memory.map(|bytes| bytes / f64::from(1 << 20)),
            (200.0, "under 200 MiB", "MiB"),
        ),
        below(
            "a sweep of 100,000 nodes, the slower half of which finds all silent",
            sound(&["many"], longest(said, "sweep")).map(|seconds| seconds * 1000.0),
            (50.0, "under 50 ms", "ms"),
        ),
    ]
}

/// Whether a load had answers that were not awaited.
fn strange(said: &str, load: &str) -> bool {
    said.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("strange") && words.next() == Some(load)
    })
}

/// The numbers in this place of the lines of one.
fn numbers<'a>(said: &'a str, who: &'a str, place: usize) -> impl Iterator<Item = f64> + 'a {
    let lines = said.lines().map(str::split_whitespace);
    lines.filter_map(move |mut words| {
        (words.next() == Some(who))
            .then(|| words.nth(place)?.parse().ok())
            .flatten()
    })
}

fn middle(said: &str, who: &str, place: usize) -> Option<f64> {
    let mut all: Vec<f64> = numbers(said, who, place).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}

fn longest(said: &str, who: &str) -> Option<f64> {
    numbers(said, who, 0).max_by(f64::total_cmp)
}

fn at_least(
    what: &str,
    found: Option<f64>,
    peer: Option<f64>,
    (least, must): (f64, &'static str),
) -> Row {
    let words = found
        .zip(peer)
        .map(|(found, peer)| format!("{found:.0}, {:.2} of {peer:.0}", found / peer));
    row(what, words, must, found.map(|found| found >= least))
}

/// Reads at half the load that a registry is to bear: they show something only where that load was reached.
fn at_half(rate: Option<f64>, wait: Option<f64>) -> Row {
    let both = rate.zip(wait);
    row(
        "p99 of `GET /api/nodes/{id}` at 10,000 requests a second, nine in ten of them heartbeats",
        both.map(|(rate, wait)| format!("{wait:.2} ms at {rate:.0} a second")),
        "under 5 ms, at 9,900 a second or more",
        both.map(|(rate, wait)| rate >= 9_900.0 && wait < 5.0),
    )
}

fn below(what: &str, found: Option<f64>, (most, must, unit): (f64, &'static str, &str)) -> Row {
    let words = found.map(|found| format!("{found:.2} {unit}"));
    row(what, words, must, found.map(|found| found < most))
}

fn row(what: &str, found: Option<String>, must: &'static str, reached: Option<bool>) -> Row {
    let found = found.unwrap_or_else(|| "not measured".to_owned());
    speak::note(&format!("  {what}: {found}"));
    Row {
        what: what.to_owned(),
        found,
        must,
        reached,
        note: None,
        outcomes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_judged_by_its_own_numbers() {
        let said = "registrations 2999 1.20\nheartbeats 25000 3.10\nnothing 50000 1.00\nsqlite 10000\n\
                    half 10000 4.99\nloaded 2.0001\nmemory 1\nmemory-secondary 104857600\n\
                    change 0.0020\nchange 0.5000\nchange 0.0010\nsweep 0.00100\nsweep 0.05100\n";
        let rows = judge(said);
        let found: Vec<(&str, Option<bool>)> = rows
            .iter()
            .map(|row| (row.found.as_str(), row.reached))
            .collect();
        assert_eq!(
            found,
            [
                ("25000, 0.50 of 50000", Some(true)),
                ("2999, 0.30 of 10000", Some(false)),
                ("4.99 ms at 10000 a second", Some(true)),
                ("2.00 s", Some(false)),
                ("2.00 ms", Some(true)),
                ("100.00 MiB", Some(true)),
                ("51.00 ms", Some(false)),
            ]
        );
        assert!(judge("").iter().all(|row| row.reached.is_none()));
    }

    #[test]
    fn of_root_and_secondary_the_one_with_more_memory_is_judged_and_neither_is_left_out() {
        let memory = |said: &str| judge(said)[5].reached;
        let (little, much) = (1_u64 << 20, 200_u64 << 20);
        let both = |root, secondary| format!("memory {root}\nmemory-secondary {secondary}\n");
        assert_eq!(memory(&both(little, little)), Some(true));
        assert_eq!(memory(&both(much, little)), Some(false));
        assert_eq!(memory(&both(little, much)), Some(false));
        assert_eq!(memory(&format!("memory {little}\n")), None);
        assert_eq!(memory(&format!("memory-secondary {little}\n")), None);
    }

    #[test]
    fn reads_beside_a_load_that_was_not_reached_show_too_little() {
        let half = |said: &str| judge(said)[2].reached;
        assert_eq!(half("half 9900 4.99\n"), Some(true));
        assert_eq!(half("half 9899 4.99\n"), Some(false));
        assert_eq!(half("half 10000 5.00\n"), Some(false));
    }

    #[test]
    fn a_load_with_strange_answers_measures_nothing() {
        let said = "registrations 9000 1.20\nheartbeats 25000 3.10\nnothing 50000 1.00\nsqlite 10000\n\
                    half 10000 1.00\nloaded 1.0\nmemory 1048576\nmemory-secondary 1048576\n\
                    change 0.0020\nsweep 0.00100\n";
        assert!(judge(said).iter().all(|row| row.reached == Some(true)));
        let (beats, registrations, half, loaded, change, memory, sweep) = (0, 1, 2, 3, 4, 5, 6);
        let cases: [(&str, &[usize]); 9] = [
            ("registrations", &[registrations]),
            ("heartbeats", &[beats]),
            ("nothing", &[beats]),
            ("beats", &[half]),
            ("half", &[half]),
            ("many", &[loaded, change, memory, sweep]),
            ("change", &[change]),
            ("reads", &[]),
            ("heart", &[]),
        ];
        for (load, rows) in cases {
            let said = format!("{said}strange {load} 3: HTTP/1.1 429 Too Many Requests\n");
            let unmeasured: Vec<usize> = judge(&said)
                .iter()
                .enumerate()
                .filter(|(_, row)| row.reached.is_none() && row.found == "not measured")
                .map(|(place, _)| place)
                .collect();
            assert_eq!(unmeasured, rows, "{load}");
        }
    }
}
