//! virt-install and kcli, and the C programs that are the floor.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{paths, process, speak};

/// The C programs, in tests/bench.
const PROGRAMS: [&str; 3] = ["floor", "linked", "peak"];

/// Where all of this is kept: it can be made again at any time.
pub fn folder() -> Result<PathBuf> {
    let cache = paths::image_cache()?;
    Ok(cache.parent().unwrap_or(&cache).join("bench"))
}

/// kcli, in an environment of its own.
pub fn kcli() -> Result<PathBuf> {
    Ok(folder()?.join("venv/bin/kcli"))
}

/// Compiles the C programs.
pub fn compile() -> Result<()> {
    let folder = folder()?;
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    let flags =
        process::output(Command::new("pkg-config").args(["--cflags", "--libs", "libvirt"]))?;
    for program in PROGRAMS {
        let source = paths::repository().join(format!("tests/bench/{program}.c"));
        let mut compile = Command::new("cc");
        compile
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(folder.join(program))
            .arg(source)
            .args(flags.split_whitespace());
        process::run(&mut compile)?;
    }
    Ok(())
}

/// Installs the peers. One that cannot be had is said so in the report.
pub fn prepare(yes: bool) {
    if let Err(error) = install(yes) {
        speak::note(&format!("bench: goes on without a peer: {error:#}"));
    }
}

fn install(yes: bool) -> Result<()> {
    if !process::exists("virt-install") {
        if !yes {
            anyhow::bail!("virt-install is not installed; `--yes` installs Debian's virtinst");
        }
        let packages = ["virtinst", "python3-venv", "python3-dev", "genisoimage"];
        process::run(
            Command::new("apt-get")
                .args(["install", "--yes", "--no-install-recommends"])
                .args(packages),
        )?;
    }
    if kcli()?.exists() {
        return Ok(());
    }
    let venv = folder()?.join("venv");
    process::run(
        Command::new("/usr/bin/python3")
            .args(["-m", "venv"])
            .arg(&venv),
    )?;
    // The bindings are of the libvirt that they are built against.
    let version = process::output(Command::new("pkg-config").args(["--modversion", "libvirt"]))?;
    let bindings = format!("libvirt-python=={}", version.trim());
    process::run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "kcli", &bindings]))
}
