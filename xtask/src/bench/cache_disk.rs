//! What a cache disk for ten guests costs the host.

use std::process::Command;

use super::rows::Row;
use crate::{paths, process, speak};

/// The test that measures it, with a real session daemon.
const TEST: &str = "a_cache_disk_for_ten_costs_the_host_one_copy";

/// Bytes that the daemon writes, as the kernel counts them, in copies of the artifacts.
pub fn row() -> Row {
    speak::note("bench: ten guests that share a cache disk of 500 MiB");
    let mut command = process::cargo();
    command
        .args(["test", "--quiet", "--test", "guests_contract", "--"])
        .args(["--exact", TEST, "--nocapture"])
        .env("TRUSTNET_VM_TEST_ARTIFACTS_MIB", "500")
        .current_dir(paths::repository());
    let copies = copies(&mut command);
    speak::note(&format!("  {copies:?} copies"));
    Row {
        what: "bytes that the host writes for ten guests that share a cache disk of 500 MiB"
            .to_owned(),
        found: copies.map_or_else(
            || "not measured".to_owned(),
            |copies| format!("{copies:.3} copies"),
        ),
        must: "one copy (at most 1.05)",
        reached: copies.map(|copies| copies <= 1.05),
        note: None,
        outcomes: Vec::new(),
    }
}

fn copies(command: &mut Command) -> Option<f64> {
    let output = command.output().ok()?;
    read(&String::from_utf8_lossy(&output.stderr))
}

/// The figure in what the test says.
fn read(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("ten guests, "))?;
    let (before, _) = line.split_once(" copies")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_figure_is_read_from_what_the_test_says() {
        let text =
            "running 1 test\nten guests, 500 MiB: 524963770 bytes written, 1.001 copies, 4.89 s\n.";
        assert_eq!(super::read(text), Some(1.001));
        assert_eq!(super::read("test failed"), None);
    }
}
