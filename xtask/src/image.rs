//! `cargo xtask image`: the base image, by the program's own `image build`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{apt, mirror, paths, process, setup, speak};

const NAME: &str = "debian-12";

/// Build the base image debian-12 from Debian packages, and print its path
#[derive(clap::Args)]
pub struct Image {
    /// Build it although it is there
    #[arg(long, conflicts_with = "check_reproducible")]
    force: bool,
    /// Build it twice, and compare the bytes
    #[arg(long)]
    check_reproducible: bool,
}

impl Image {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode> {
        setup::ensure(false, false)?;
        if self.check_reproducible {
            return twice();
        }
        speak::result(&build(self.force)?.display().to_string());
        Ok(ExitCode::SUCCESS)
    }
}

/// The image of the recipe as it is: one that was built of it before, whatever the archive has got since, unless
/// `force` says otherwise.
pub fn build(force: bool) -> Result<PathBuf> {
    let program = program()?;
    if !force {
        let known = process::output(command(&program).arg("--offline"));
        if let Ok(path) = known {
            return Ok(PathBuf::from(path.trim_end()));
        }
    }
    let mut command = command(&program);
    let mirrors = mirror::of_image(
        &apt::sites().unwrap_or_default(),
        apt::release().ok().as_ref(),
    );
    for (variable, flag, own) in [
        ("TRUSTNET_VM_MIRROR", "--mirror", mirrors.archive),
        (
            "TRUSTNET_VM_SECURITY_MIRROR",
            "--security-mirror",
            mirrors.security,
        ),
    ] {
        // One that the environment names goes before the host's own.
        if let (None, Some(mirror)) = (env::var_os(variable), own) {
            command.arg(flag).arg(mirror);
        }
    }
    command.args(force.then_some("--force"));
    let began = Instant::now();
    let path = process::captured(&mut command)?;
    speak::note(&format!("image: {} s", began.elapsed().as_secs()));
    Ok(PathBuf::from(path.trim_end()))
}

/// Whether two builds give the same bytes.
fn twice() -> Result<ExitCode> {
    let first = build(true)?;
    let kept = first.with_extension("first");
    fs::copy(&first, &kept).with_context(|| format!("failed to copy `{}`", first.display()))?;
    let second = build(true)?;
    let same = process::status(Command::new("cmp").args([&kept, &second]))?;
    fs::remove_file(&kept).with_context(|| format!("failed to remove `{}`", kept.display()))?;
    if first != second {
        bail!("the archive changed between the two builds: try again");
    }
    if !same.success() {
        bail!("two builds of `{NAME}` differ");
    }
    speak::result("both builds gave the same bytes");
    Ok(ExitCode::SUCCESS)
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["image", "build", NAME]);
    command
}

/// The program without optimisation: it is built in half the time, shares what the tests build, and waits for libvirt
/// and others anyhow.
pub fn program() -> Result<PathBuf> {
    process::run(
        process::cargo()
            .args(["build", "--package", "trustnet-vm", "--bin", "trustnet-vm"])
            .current_dir(paths::repository()),
    )?;
    Ok(paths::target().join("debug/trustnet-vm"))
}
