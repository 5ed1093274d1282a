//! A file of 500 MB to a sshd on loopback: our own connection beside scp(1) with its default settings, in turn.
//! A line a measurement: who, then seconds. The target is in memory: what a disk does with 500 MB would be all
//! that one sees. Arguments: how often, the size in MB, and who, for one alone.

#![expect(clippy::expect_used, reason = "a measurement ends where it expects")]
#![expect(clippy::print_stdout, reason = "the figures are its result")]

#[path = "../support/sshd.rs"]
#[expect(dead_code, reason = "it uses little of it")]
mod sshd;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sshd::Sshd;
use trustnet_core::artifact::{Arch, ArtifactId};
use trustnet_host::cache::file::take;
use trustnet_host::cache::store::Store;

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |otherwise| {
        args.next()
            .map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (rounds, size): (u64, u64) = (number(5), number(500));
    let only = std::env::args().nth(3);
    let guest = Sshd::start();
    let source = guest.shared("source");
    let mut file = File::create(&source).expect("a file");
    let random = File::open("/dev/urandom").expect("randomness");
    io::copy(&mut random.take(size * 1_000_000), &mut file).expect("room");
    let target = Path::new("/run/target");
    let seen = guest.path("/run/target");
    let folder = guest.shared("store");
    let store = Store::open(&folder).expect("a store");
    let id = ArtifactId::new("one", "1", Arch::Amd64, "one").expect("a name");
    let entry = take(&store, &id, &source).expect("it is taken");
    for _ in 0..rounds {
        let store = Store::open(&folder).expect("a store");
        let since = Instant::now();
        store.verify_one(&entry.sha256).expect("it is as it was");
        println!("look {:.3}", since.elapsed().as_secs_f64());
        for (who, copy) in [("put", put as fn(&Sshd, &Path, &Path)), ("scp", scp)] {
            if only.as_deref().is_some_and(|only| only != who) {
                continue;
            }
            let since = Instant::now();
            copy(&guest, &source, target);
            let took = since.elapsed();
            assert_eq!(
                fs::metadata(&seen).expect("it is there").len(),
                size * 1_000_000
            );
            fs::remove_file(&seen).expect("it is there");
            println!("{who} {:.3}", took.as_secs_f64());
            // What is still on its way to the disk is nobody's.
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Connecting included, as scp's is.
fn put(guest: &Sshd, source: &Path, target: &Path) {
    let mut file = File::open(source).expect("a file");
    let size = file.metadata().expect("a file").len();
    let target = target.to_str().expect("UTF-8");
    let mut shell = guest.connect();
    shell
        .put(&mut file, size, target, 0o644, &mut |_| {})
        .expect("it is written");
}

fn scp(guest: &Sshd, source: &Path, target: &Path) {
    let status = Command::new("scp")
        .args(["-q", "-F", "none", "-P", &guest.port.to_string(), "-i"])
        .arg(guest.login_key())
        .args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(["-o", "LogLevel=ERROR"])
        .arg(source)
        .arg(format!("root@127.0.0.1:{}", target.display()))
        .status();
    assert!(status.expect("scp starts").success());
}
