//! `cargo xtask bench`: what the program costs beside its peers, measured in one run and written to BENCHMARKS.md.
//!
//! - `contest`: runs of several commands, interleaved, and their medians
//! - `stage`: what the contests need in the lab: pools, a network, images, specs, a thousand domains
//! - `copy`: a file into a guest, beside scp
//! - `provision`: services in a guest, beside ssh
//! - `peers`: virt-install and kcli, and the C programs that are the floor
//! - `registry`: a registry under load, beside a server that does nothing
//! - `rows`: each row, with what it must reach
//! - `cache_disk`: what a cache disk for ten guests costs the host
//! - `report`: BENCHMARKS.md

mod cache_disk;
mod contest;
mod copy;
mod peers;
mod provision;
mod registry;
mod report;
mod rows;
mod stage;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::{image, paths, process, setup};

/// Measure the program beside its peers, in one run, and write BENCHMARKS.md (root)
#[derive(clap::Args)]
pub struct Bench {
    /// Install missing system packages without asking
    #[arg(long, short)]
    yes: bool,
    /// How often each command runs
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// How many guests are waited for
    #[arg(long, default_value_t = 3)]
    guests: usize,
    /// The base image; given to the part that is in the lab
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

impl Bench {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode> {
        match &self.inside {
            Some(image) => self.measure(image),
            None => self.prepare(),
        }
    }

    fn prepare(&self) -> Result<ExitCode> {
        if !setup::is_root() {
            bail!("the benchmarks need a libvirtd of their own, and that needs root");
        }
        setup::ensure(self.yes, false)?;
        process::run(
            process::cargo()
                .args(["build", "--release", "--package", "trustnet-vm"])
                .current_dir(paths::repository()),
        )?;
        let examples: [&[&str]; 2] = [&copy::EXAMPLE, &provision::EXAMPLE];
        for what in examples.into_iter().chain(registry::BUILDS) {
            process::run(
                process::cargo()
                    .args(["build", "--release"])
                    .args(what)
                    .current_dir(paths::repository()),
            )?;
        }
        let image = image::build(false)?;
        peers::prepare(self.yes)?;
        let itself = std::env::current_exe().context("failed to find this program")?;
        let mut command = Command::new(&itself);
        command
            .args(["lab", "--"])
            .arg(&itself)
            .args(["bench", "--rounds", &self.rounds.to_string()])
            .args(["--guests", &self.guests.to_string(), "--inside"])
            .arg(image);
        process::run(&mut command)?;
        Ok(ExitCode::SUCCESS)
    }

    fn measure(&self, image: &std::path::Path) -> Result<ExitCode> {
        let stage = stage::Stage::set(image)?;
        let rows = rows::all(&stage, self.rounds, self.guests)?;
        report::write(&rows, self.rounds)?;
        Ok(ExitCode::SUCCESS)
    }
}
