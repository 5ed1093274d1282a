//! `cargo xtask soak`: a registry is killed under load, again and again.

use std::process::ExitCode;

use anyhow::Result;

use crate::process;

/// The tests that kill in a loop, and what tells each how often.
const LOOPS: [(&str, &str, &str); 2] = [
    (
        "store",
        "killed::what_was_told_before_kills_under_load_is_there_after_them",
        "TRUSTNET_REGISTRY_TEST_KILLS",
    ),
    (
        "follow",
        "killed::what_a_root_told_before_kills_under_load_is_there_after_them",
        "TRUSTNET_REGISTRY_TEST_PROGRAM_KILLS",
    ),
];

/// Kill a registry under load many times, and compare what it has with what it told
#[derive(clap::Args)]
pub struct Soak {
    /// How often its writer is killed, and how often its program
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
}

impl Soak {
    /// Does it: each loop says at its end how many kills there were, and how many writes were told.
    pub fn run(&self) -> Result<ExitCode> {
        for (test, name, kills) in LOOPS {
            process::run(
                process::cargo()
                    .args(["test", "--quiet", "--locked", "-p", "trustnet-registry"])
                    .args(["--test", test, "--", "--exact", name])
                    .env(kills, self.kills.to_string()),
            )?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
