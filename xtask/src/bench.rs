//! `cargo xtask bench`: what the program costs beside its peers, measured in one run and written to BENCHMARKS.md and, of images, to
//! BENCHMARKS-images.md.
//!
//! - `contest`: runs of several commands, interleaved, and their medians
//! - `stage`: what the contests need in the lab: pools, a network, images, specs, a thousand domains
//! - `copy`: a file into a guest, beside scp
//! - `provision`: services in a guest, beside ssh
//! - `peers`: virt-install and kcli, and the C programs that are the floor
//! - `images`: images on their way into pools, beside cp, virsh, curl, openssl and qemu-img
//! - `registry`: a registry under load, beside a server that does nothing
//! - `rows`: each row, with what it must reach
//! - `cache_disk`: what a cache disk for ten guests costs the host
//! - `report`: the documents

mod cache_disk;
mod contest;
mod copy;
mod images;
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
    /// Only these rows; the document of the others stays as it is
    #[arg(long, value_enum)]
    only: Option<Group>,
    /// The base image; given to the part that is in the lab
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

/// Rows that can be measured by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// Images on their way into pools, and as they are checked.
    Images,
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
        let examples: &[&[&str]] = match self.only {
            Some(Group::Images) => &[&images::EXAMPLE],
            None => &[&images::EXAMPLE, &copy::EXAMPLE, &provision::EXAMPLE],
        };
        let servers = if self.only.is_some() {
            &[][..]
        } else {
            &registry::BUILDS
        };
        for what in examples.iter().chain(servers) {
            process::run(
                process::cargo()
                    .args(["build", "--release"])
                    .args(*what)
                    .current_dir(paths::repository()),
            )?;
        }
        peers::compile()?;
        images::prepare(self.yes)?;
        let image = match self.only {
            // They make their own.
            Some(Group::Images) => PathBuf::from("none"),
            None => {
                peers::prepare(self.yes);
                image::build(false)?
            }
        };
        let itself = std::env::current_exe().context("failed to find this program")?;
        let mut command = Command::new(&itself);
        command
            .args(["lab", "--"])
            .arg(&itself)
            .args(["bench", "--rounds", &self.rounds.to_string()])
            .args(["--guests", &self.guests.to_string()]);
        if let Some(Group::Images) = self.only {
            command.args(["--only", "images"]);
        }
        command.arg("--inside").arg(image);
        process::run(&mut command)?;
        Ok(ExitCode::SUCCESS)
    }

    fn measure(&self, image: &std::path::Path) -> Result<ExitCode> {
        if let Some(Group::Images) = self.only {
            let rows = images::rows(&stage::Stage::bare()?, self.rounds)?;
            return report::write(report::IMAGES, &rows, self.rounds).map(|()| ExitCode::SUCCESS);
        }
        let stage = stage::Stage::set(image)?;
        let rows = rows::all(&stage, self.rounds, self.guests)?;
        report::write(report::ALL, &rows, self.rounds)?;
        let rows = images::rows(&stage, self.rounds)?;
        report::write(report::IMAGES, &rows, self.rounds)?;
        Ok(ExitCode::SUCCESS)
    }
}
