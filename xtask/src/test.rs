//! `cargo xtask test`: every tier, counted.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

use crate::tally::{Filter, Runner, Tally};
use crate::tier::{Suite, Tier};
use crate::{artifacts, image, openapi, paths, process, roots, services, setup, speak};

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
            let mut suites = tier.suites()?;
            suites.retain(|suite| self.only.as_ref().is_none_or(|only| only == suite.name));
            tallies.extend(bench.run(&suites, tier.lanes())?);
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
    /// Runs suites, as many at once as there are lanes, begun in their order. All is built and fetched before.
    fn run(&self, suites: &[Suite], lanes: usize) -> Result<Vec<(&'static str, Tally)>> {
        let mut waiting = VecDeque::new();
        let mut tallies = Vec::new();
        for suite in suites {
            let mut tally = Tally::default();
            let command = self.prepare(suite, &mut tally)?;
            waiting.extend(command.map(|command| (tallies.len(), suite, command)));
            tallies.push((suite.name, tally));
        }
        let waiting = Mutex::new(waiting);
        let lane = || -> Result<Vec<(usize, Tally)>> {
            let mut ran = Vec::new();
            loop {
                let next = waiting.lock().ok().and_then(|mut all| all.pop_front());
                let Some((place, suite, command)) = next else {
                    return Ok(ran);
                };
                let mut tally = Tally::default();
                // Who speaks is only in doubt where several do.
                let speaker = (lanes > 1).then_some(suite.name);
                if !stream(command, self.runner(suite), speaker, &mut tally)? && !tally.has_failed()
                {
                    tally.runner_failed();
                }
                ran.push((place, tally));
            }
        };
        let ran: Vec<Result<Vec<(usize, Tally)>>> = thread::scope(|scope| {
            let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
            lanes
                .into_iter()
                .map(|lane| {
                    lane.join()
                        .unwrap_or_else(|_| Err(anyhow!("a lane of tests ended by itself")))
                })
                .collect()
        });
        for lane in ran {
            for (place, tally) in lane? {
                tallies[place].1.add(&tally);
            }
        }
        Ok(tallies)
    }

    /// The command that runs a suite; none where it cannot be run here.
    fn prepare(&self, suite: &Suite, tally: &mut Tally) -> Result<Option<Command>> {
        if suite.in_lab && !setup::is_root() {
            tally.leave_out(suite.name, "a libvirtd of its own needs root");
            return Ok(None);
        }
        if suite.openapi {
            // Where its packages cannot be had, the other suites are run all the same.
            return Ok(openapi::tests()
                .map_err(|error| {
                    speak::error(&error);
                    tally.runner_failed();
                })
                .ok());
        }
        // The lab has no way out: whatever a build fetches is fetched before.
        if suite.alone && !process::status(&mut self.command(suite, true))?.success() {
            tally.runner_failed();
            return Ok(None);
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
        if suite.services {
            command.env("TRUSTNET_VM_TEST_SERVICES", services::for_tests()?);
        }
        Ok(Some(command))
    }

    fn runner(&self, suite: &Suite) -> Runner {
        if suite.openapi {
            Runner::Pytest
        } else if self.nextest && !suite.documents {
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
fn stream(
    mut command: Command,
    runner: Runner,
    speaker: Option<&str>,
    tally: &mut Tally,
) -> Result<bool> {
    let name = process::line(&command);
    let say = |line: &str| match speaker {
        Some(speaker) => speak::note(&format!("{speaker} | {line}")),
        None => speak::note(line),
    };
    say(&format!("$ {name}"));
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
        if runner != Runner::Nextest || filter.shows(&line) {
            say(&line);
        }
        tally.read(runner, &line);
    }
    Ok(child
        .wait()
        .with_context(|| format!("failed to wait for `{name}`"))?
        .success())
}
