//! `cargo xtask fuzz`: the parsers against any bytes, with libFuzzer.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{paths, process};

/// Coverage counters for libFuzzer. These are what `cargo fuzz` sets, less the sanitizers, which
/// need a nightly compiler.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";

/// The targets.
const TARGETS: [&str; 5] = ["deb", "image", "iso", "load", "request"];
/// How many run at once.
const AT_ONCE: usize = 2;

/// Run every fuzz target for a while
#[derive(clap::Args)]
pub struct Fuzz {
    /// How long each target runs, in seconds
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

impl Fuzz {
    /// Does it: what a target finds lies in `fuzz/artifacts`.
    pub fn run(&self) -> Result<ExitCode> {
        let fuzz = paths::repository().join("fuzz");
        let host = "x86_64-unknown-linux-gnu";
        let target = fuzz.join("target");
        // With a target named, the flags stay away from build scripts.
        process::run(
            process::cargo()
                .args(["build", "--release", "--locked", "--target", host])
                .arg("--target-dir")
                .arg(&target)
                .current_dir(&fuzz)
                .env("RUSTFLAGS", COVERAGE),
        )?;
        let (fuzz, built) = (fuzz.as_path(), target.join(host).join("release"));
        let built = built.as_path();
        for some in TARGETS.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let run = |name| scope.spawn(move || self.one(fuzz, built, name));
                let running: Vec<_> = some.iter().copied().map(run).collect();
                let ended = running.into_iter().map(|one| match one.join() {
                    Ok(ended) => ended,
                    Err(panic) => std::panic::resume_unwind(panic),
                });
                // All have ended before the first failure is told.
                ended
                    .collect::<Vec<Result<()>>>()
                    .into_iter()
                    .collect::<Result<()>>()
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn one(&self, fuzz: &Path, built: &Path, name: &str) -> Result<()> {
        let corpus = fuzz.join("corpus").join(name);
        let artifacts = fuzz.join("artifacts").join(name);
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to make `{}`", folder.display()))?;
        }
        match name {
            "load" => seed(&corpus)?,
            "iso" => {}
            _ => copy(&fuzz.join("seeds").join(name), &corpus.join("seed"))?,
        }
        process::run(
            std::process::Command::new(built.join(name))
                .arg(format!("-max_total_time={}", self.seconds))
                .args(["-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1"])
                // What each new input reached is thousands of lines.
                .arg("-verbosity=0")
                .arg(format!("-artifact_prefix={}/", artifacts.display()))
                .arg(&corpus),
        )
    }
}

/// The loader begins with the specs that are there.
fn seed(corpus: &Path) -> Result<()> {
    let root = paths::repository();
    let cases = fs::read_dir(root.join("tests/cases")).context("failed to list the cases")?;
    for case in cases.filter_map(Result::ok) {
        let input = case.path().join("input.yaml");
        if fs::metadata(&input).is_ok_and(|facts| facts.len() < 16 * 1024) {
            copy(&input, &corpus.join(case.file_name()))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("failed to copy `{}`", from.display()))
}
