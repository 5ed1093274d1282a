//! `cargo xtask test`: every tier, counted.

use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::tally::{Filter, Runner, Tally};
use crate::tier::{Suite, Tier};
use crate::{artifacts, image, paths, process, roots, setup, speak};

/// The variable that names the base image.
const IMAGE: &str = "TRUSTNET_VM_TEST_IMAGE";
const ALL: [Tier; 3] = [Tier::Unit, Tier::Program, Tier::Guests];

/// Run the tests, real guests included, and count them
#[derive(clap::Args)]
pub struct Test {
    /// Which tiers; all of them when none is named
    #[arg(value_enum)]
    tiers: Vec<Tier>,
    /// Only this suite of the tiers, as the summary names it
    #[arg(long, value_name = "SUITE")]
    only: Option<String>,
    /// Install missing system packages without asking
    #[arg(long, short)]
    yes: bool,
}

/// What a run of tests has at hand.
struct Bench {
    nextest: bool,
    /// Variables that tell the tests where things are.
    variables: Vec<(String, PathBuf)>,
}

impl Test {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode> {
        let tiers = if self.tiers.is_empty() {
            &ALL[..]
        } else {
            &self.tiers
        };
        // All but the pure tests link to libvirt.
        if tiers.iter().any(|tier| *tier != Tier::Unit) {
            setup::ensure(self.yes, true)?;
        }
        let mut variables = Vec::new();
        if tiers.contains(&Tier::Program) {
            variables.extend(roots::build()?);
        }
        if tiers.contains(&Tier::Guests) {
            variables.push((IMAGE.to_owned(), image::build(false)?));
        }
        let bench = Bench {
            nextest: process::exists("cargo-nextest"),
            variables,
        };
        let mut tallies = Vec::new();
        for tier in tiers {
            for suite in tier.suites()? {
                if self.only.as_ref().is_some_and(|only| only != suite.name) {
                    continue;
                }
                tallies.push((suite.name, bench.run(&suite)?));
            }
        }
        if let (Some(only), true) = (&self.only, tallies.is_empty()) {
            bail!("no suite of these tiers is called `{only}`");
        }
        Ok(report(&tallies))
    }
}

fn report(tallies: &[(&str, Tally)]) -> ExitCode {
    let mut total = Tally::default();
    speak::note("");
    for (name, tally) in tallies {
        speak::note(&format!("{name}: {}", tally.closing()));
        total.add(tally);
    }
    for skip in total.skips() {
        speak::note(&format!("skipped: {skip}"));
    }
    speak::result(&total.closing());
    if total.has_failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

impl Bench {
    fn run(&self, suite: &Suite) -> Result<Tally> {
        let mut tally = Tally::default();
        if suite.in_lab {
            if !setup::is_root() {
                tally.leave_out(suite.name, "a libvirtd of its own needs root");
                return Ok(tally);
            }
            // The lab has no way out: whatever a build fetches is fetched before.
            if !process::status(&mut self.command(suite, true))?.success() {
                tally.runner_failed();
                return Ok(tally);
            }
        }
        let mut command = self.command(suite, false);
        if suite.in_lab {
            command = within_lab(&command);
        }
        for (name, path) in &self.variables {
            command.env(name, path);
        }
        let image = self.variables.iter().find(|(name, _)| name == IMAGE);
        if let (true, Some((_, image))) = (suite.artifacts, image) {
            command.env("TRUSTNET_VM_TEST_ARTIFACTS", artifacts::fetch(image)?);
        }
        if !stream(command, self.runner(suite), &mut tally)? && !tally.has_failed() {
            tally.runner_failed();
        }
        Ok(tally)
    }

    fn runner(&self, suite: &Suite) -> Runner {
        if self.nextest && !suite.documents {
            Runner::Nextest
        } else {
            Runner::Cargo
        }
    }

    fn command(&self, suite: &Suite, only_build: bool) -> Command {
        let mut command = process::cargo();
        command
            .current_dir(paths::repository())
            .env("CARGO_TERM_COLOR", "never");
        if self.runner(suite) == Runner::Nextest {
            command.args(["nextest", "run"]).args(&suite.selection);
            if only_build {
                command.arg("--no-run");
            } else {
                command.args([
                    "--no-fail-fast",
                    "--no-tests",
                    "pass",
                    "--success-output",
                    "immediate",
                ]);
                command.args(suite.alone.then_some("--test-threads=1"));
            }
        } else {
            command.args(["test"]).args(&suite.selection);
            command.args(suite.documents.then_some("--doc"));
            if only_build {
                command.arg("--no-run");
            } else {
                command
                    .args(["--no-fail-fast", "--", "--show-output"])
                    .args(suite.alone.then_some("--test-threads=1"));
            }
        }
        command
    }
}

fn within_lab(command: &Command) -> Command {
    // This very program, also where the build has put another in its place.
    let mut lab = Command::new("/proc/self/exe");
    lab.args(["lab", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    lab.current_dir(paths::repository())
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_NET_OFFLINE", "true");
    lab
}

/// Runs a test runner, shows what it prints, counts it, and says whether it was content.
fn stream(mut command: Command, runner: Runner, tally: &mut Tally) -> Result<bool> {
    let name = process::line(&command);
    speak::note(&format!("$ {name}"));
    let (reader, writer) = io::pipe().context("failed to make a pipe")?;
    let other = writer.try_clone().context("failed to make a pipe")?;
    let mut child = command
        .stdout(writer)
        .stderr(other)
        .spawn()
        .with_context(|| format!("failed to start `{name}`"))?;
    // It holds this side's ends of the pipe for as long as it lives.
    drop(command);
    let mut filter = Filter::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.with_context(|| format!("failed to read from `{name}`"))?;
        let line = String::from_utf8_lossy(&line);
        if runner == Runner::Cargo || filter.shows(&line) {
            speak::note(&line);
        }
        tally.read(runner, &line);
    }
    Ok(child
        .wait()
        .with_context(|| format!("failed to wait for `{name}`"))?
        .success())
}
