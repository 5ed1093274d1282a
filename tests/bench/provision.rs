//! Services brought into a guest behind a sshd on loopback: a run with nothing to do beside `ssh HOST true`, and
//! twenty small files beside one, in turn. A line a measurement: who, then seconds, or the number of round trips
//! in `trips-one` and `trips-twenty`. Argument: how often.

#![expect(clippy::expect_used, reason = "a measurement ends where it expects")]
#![expect(clippy::print_stdout, reason = "the figures are its result")]

#[path = "../provision/exchanges.rs"]
#[expect(dead_code, unused_imports, reason = "it counts, and does not test")]
mod exchanges;
#[path = "../support/sshd.rs"]
#[expect(dead_code, reason = "it uses little of it")]
mod sshd;
#[path = "../provision/stage.rs"]
#[expect(dead_code, reason = "it uses little of it")]
mod stage;

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use serde_json::json;
use sshd::Sshd;
use stage::{Folder, Things, bring, program_of};
use trustnet_core::provision::Program;

fn main() {
    let rounds = std::env::args().nth(1);
    let rounds: usize = rounds.map_or(5, |text| text.parse().expect("a number"));
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    for round in 0..rounds {
        for (who, number) in [("one", 1), ("twenty", 20)] {
            let program = files(number, &round.to_string());
            let (taken, trips, _) = timed(who, || exchanges::counted(&guest, &program, &nothing));
            assert_eq!(taken, number);
            println!("trips-{who} {trips}");
        }
        let program = files(20, &round.to_string());
        assert_eq!(
            timed("nothing", || bring(&guest, &program, &nothing).taken()),
            0
        );
        timed("ssh", || ssh(&guest));
    }
}

/// Connecting included, as ssh's is.
fn timed<T>(who: &str, work: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let result = work();
    println!("{who} {:.4}", since.elapsed().as_secs_f64());
    result
}

/// A service of so many files, each with this word in it.
fn files(number: usize, word: &str) -> Program {
    let mut text = String::from(
        "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: files }\nspec:\n  version: \"1\"\n  files:\n",
    );
    for index in 0..number {
        let line = format!("    - {{ path: /etc/files-{number}/{index}, content: \"{word}\" }}");
        writeln!(text, "{line}").expect("a line");
    }
    program_of(&[&text], json!([{"name": "files"}]), &Things::default())
}

fn ssh(guest: &Sshd) {
    let status = Command::new("ssh")
        .args(["-q", "-F", "none", "-p", &guest.port.to_string(), "-i"])
        .arg(guest.login_key())
        .args(["-o", "StrictHostKeyChecking=no"])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
        .args(["root@127.0.0.1", "true"])
        .status();
    assert!(status.expect("ssh starts").success());
}
