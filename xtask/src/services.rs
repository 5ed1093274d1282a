//! `cargo xtask services`: the two services of a network, each one file that needs no library of its guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{paths, process, speak};

/// The packages, and the names of their programs.
const PROGRAMS: [&str; 2] = ["trustnet-registry", "trustnet-node"];

/// Build trustnet-registry and trustnet-node for guests, and print their paths
#[derive(Args)]
pub struct Services {
    /// Folder to put them into [default: builds/ARCH below ~/.local/share/trustnet-vm]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The target to build for [default: musl if it is installed, else glibc, linked statically]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

impl Services {
    /// Builds them.
    pub fn run(&self) -> Result<ExitCode> {
        let target = match &self.target {
            Some(target) => target.clone(),
            None => target()?,
        };
        let out = match &self.out {
            Some(out) => out.clone(),
            None => paths::data()?.join("builds").join(arch(&target)?),
        };
        let mut build = process::cargo();
        build.current_dir(paths::repository());
        build.args(["build", "--release", "--locked", "--target", &target]);
        for program in PROGRAMS {
            build.args(["--package", program, "--bin", program]);
        }
        // Without an explicit target this would hold for build scripts and macros, too, and break them.
        build.env("RUSTFLAGS", "-C target-feature=+crt-static");
        process::run(&mut build)?;
        fs::create_dir_all(&out).with_context(|| format!("failed to make `{}`", out.display()))?;
        for program in PROGRAMS {
            let built = paths::target().join(&target).join("release").join(program);
            refuse_dynamic(&built)?;
            let place = out.join(program);
            put(&built, &place)?;
            speak::result(&place.display().to_string());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Builds both as the tests of this machine have built what they stand on, so that only the programs themselves are
/// built again, and gives their folder. They run here and in guests of the same architecture.
pub fn for_tests() -> Result<PathBuf> {
    let folder = paths::target().join("debug/services");
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    for program in PROGRAMS {
        let mut build = process::cargo();
        build.current_dir(paths::repository());
        build.args([
            "rustc",
            "--locked",
            "--package",
            program,
            "--bin",
            program,
            "--",
        ]);
        build.args(["-C", "target-feature=+crt-static", "-C", "strip=symbols"]);
        process::run(&mut build)?;
        let built = paths::target().join("debug").join(program);
        refuse_dynamic(&built)?;
        put(&built, &folder.join(program))?;
    }
    Ok(folder)
}

/// The target that needs least: musl where rustup has it, else this machine's.
fn target() -> Result<String> {
    let arch = std::env::consts::ARCH;
    let mut sysroot = Command::new("rustc");
    let sysroot = process::output(sysroot.args(["--print", "sysroot"]))?;
    let musl = format!("{arch}-unknown-linux-musl");
    let library = Path::new(sysroot.trim()).join("lib/rustlib").join(&musl);
    // The C parts (SQLite, ring) need a compiler for musl as well.
    if library.join("lib").is_dir() && process::exists("musl-gcc") {
        return Ok(musl);
    }
    Ok(format!("{arch}-unknown-linux-gnu"))
}

/// The architecture as images and caches name it.
fn arch(target: &str) -> Result<&'static str> {
    match target.split('-').next() {
        Some("x86_64") => Ok("amd64"),
        Some("aarch64") => Ok("arm64"),
        _ => bail!("no guest is of the architecture of `{target}`"),
    }
}

/// Refuses a program that would need libraries of its guest.
fn refuse_dynamic(program: &Path) -> Result<()> {
    let bytes =
        fs::read(program).with_context(|| format!("failed to read `{}`", program.display()))?;
    if interpreter(&bytes) {
        bail!("`{}` needs libraries of its guest", program.display());
    }
    Ok(())
}

/// Whether a 64-bit little-endian ELF file asks for a dynamic linker (`PT_INTERP`).
fn interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = elf.get(at..at + size)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        )
    };
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        return true;
    };
    let kind = |index: usize| number(table + index * size, 4);
    (0..count).any(|index| kind(index) == Some(PT_INTERP as usize))
}

/// Puts a program in place whole: one that runs keeps its file.
fn put(from: &Path, to: &Path) -> Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)
        .and_then(|_| fs::rename(&part, to))
        .with_context(|| format!("failed to write `{}`", to.display()))
}
