//! Runs of several commands, interleaved, and their medians.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{process, speak};

/// A command that is measured.
pub struct Contestant {
    /// Its name in the report.
    pub name: &'static str,
    /// What runs, under the clock.
    pub command: Command,
    /// What runs afterwards, not under the clock.
    pub clean: Vec<Command>,
}

/// What came of a contestant.
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// The times, sorted; or why there are none.
    pub times: Result<Vec<Duration>, String>,
}

impl Contestant {
    /// One that leaves nothing behind.
    pub fn plain(name: &'static str, command: Command) -> Self {
        Self {
            name,
            command,
            clean: Vec::new(),
        }
    }
}

impl Outcome {
    /// The median.
    pub fn median(&self) -> Option<Duration> {
        self.times.as_ref().ok().map(|times| at(times, 0.5))
    }

    /// The middle half of all runs.
    pub fn middle_half(&self) -> Option<(Duration, Duration)> {
        self.times
            .as_ref()
            .ok()
            .map(|times| (at(times, 0.25), at(times, 0.75)))
    }

    /// How many times as long as another.
    pub fn ratio(&self, other: &Self) -> Option<f64> {
        Some(self.median()?.as_secs_f64() / other.median()?.as_secs_f64())
    }
}

/// Runs all of them in turn, `rounds` times, after one round that does not count. A contestant that fails is out, with
/// its own words.
pub fn run(title: &str, mut contestants: Vec<Contestant>, rounds: usize) -> Vec<Outcome> {
    speak::note(&format!("bench: {title}"));
    let mut outcomes: Vec<Outcome> = contestants
        .iter()
        .map(|contestant| Outcome {
            name: contestant.name,
            times: Ok(Vec::new()),
        })
        .collect();
    for round in 0..=rounds {
        for (contestant, outcome) in contestants.iter_mut().zip(&mut outcomes) {
            let Ok(times) = &mut outcome.times else {
                continue;
            };
            let taken = time(&mut contestant.command);
            // What a failed run left is cleaned, too; what it did not make cannot be.
            for command in &mut contestant.clean {
                let _ = process::output(command);
            }
            match taken {
                Ok(taken) if round > 0 => times.push(taken),
                Ok(_) => {}
                Err(error) => outcome.times = Err(format!("{error:#}")),
            }
        }
    }
    for outcome in &mut outcomes {
        if let Ok(times) = &mut outcome.times {
            times.sort();
        }
        speak::note(&format!("  {:<14} {}", outcome.name, said(outcome)));
    }
    outcomes
}

fn said(outcome: &Outcome) -> String {
    match (&outcome.times, outcome.median(), outcome.middle_half()) {
        (Ok(_), Some(median), Some((low, high))) => {
            format!("{median:.1?} ({low:.1?} to {high:.1?})")
        }
        (Err(why), ..) => why.clone(),
        _ => String::new(),
    }
}

fn time(command: &mut Command) -> Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begun = Instant::now();
    let output = command
        .output()
        .with_context(|| format!("failed to start `{}`", process::line(command)))?;
    let taken = begun.elapsed();
    if output.status.success() {
        return Ok(taken);
    }
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    let last = words.lines().rfind(|line| !line.trim().is_empty());
    anyhow::bail!("{}: {}", output.status, last.unwrap_or_default().trim())
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a few runs"
    )]
    let index = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Contestant, Outcome, run};

    #[test]
    fn the_median_and_the_middle_half_are_of_the_sorted_runs() {
        let outcome = Outcome {
            name: "a",
            times: Ok((1..=5).map(Duration::from_secs).collect()),
        };
        assert_eq!(outcome.median(), Some(Duration::from_secs(3)));
        assert_eq!(
            outcome.middle_half(),
            Some((Duration::from_secs(2), Duration::from_secs(4)))
        );
    }

    #[test]
    fn a_contestant_that_fails_is_out_with_its_own_words_and_the_others_go_on() {
        let mut wrong = Command::new("sh");
        wrong.args(["-c", "echo no such thing >&2; exit 3"]);
        let contestants = vec![
            Contestant::plain("right", Command::new("true")),
            Contestant::plain("wrong", wrong),
        ];
        let outcomes = run("a test", contestants, 2);
        assert_eq!(outcomes[0].times.as_ref().map(Vec::len), Ok(2));
        assert_eq!(
            outcomes[1].times,
            Err("exit status: 3: no such thing".to_owned())
        );
        assert!(outcomes[0].ratio(&outcomes[1]).is_none());
    }
}
