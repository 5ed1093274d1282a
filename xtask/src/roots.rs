//! Files of other distributions' kinds, for tests that need no machine of their own: made once of Debian's
//! packages for each state of their lists.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;

use crate::{apt, inputs, mirror, paths, process, speak};

/// The release that they are made of: OpenRC, BusyBox and DNF are in it.
const SUITE: &str = "bookworm";

/// What is left out of each: the tests read none of it.
const LEFT_OUT: [&str; 4] = [
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
];

/// One root file system.
struct Root {
    /// What it is called, and its variable: `TRUSTNET_VM_TEST_ROOT_<NAME>`.
    name: &'static str,
    /// What is in it beside the essential packages.
    packages: &'static [&'static str],
    /// A script of the repository that is run on it.
    finish: Option<&'static str>,
}

const ROOTS: [Root; 2] = [
    Root {
        name: "openrc",
        packages: &["openrc", "busybox", "openssh-server", "mount"],
        finish: Some("tests/support/alpine-like.sh"),
    },
    Root {
        name: "dnf",
        packages: &["dnf", "rpm", "createrepo-c", "openssh-server", "mount"],
        finish: None,
    },
];

/// The archives, built where they are not there, each with the variable that tells the tests of it.
pub fn build() -> Result<Vec<(String, PathBuf)>> {
    let cache = paths::root_cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("failed to make `{}`", cache.display()))?;
    // Two builds at once are one build: the second waits and finds the first one's.
    let lock = cache.join(".lock");
    let held =
        File::create(&lock).with_context(|| format!("failed to open `{}`", lock.display()))?;
    rustix::fs::flock(&held, FlockOperation::LockExclusive)
        .with_context(|| format!("failed to lock `{}`", lock.display()))?;
    let mut built = Vec::new();
    for root in &ROOTS {
        let archive = cache.join(format!("{}-{}.tar", root.name, &digest(root)?[..12]));
        if !archive.exists() {
            speak::note(&format!("roots: building `{}`", root.name));
            let unfinished = cache.join(format!(".{}.unfinished.tar", root.name));
            process::run(&mut command(root, &unfinished))?;
            fs::rename(&unfinished, &archive)
                .with_context(|| format!("failed to name `{}`", archive.display()))?;
        }
        built.push((variable(root), archive));
    }
    Ok(built)
}

fn variable(root: &Root) -> String {
    format!("TRUSTNET_VM_TEST_ROOT_{}", root.name.to_ascii_uppercase())
}

/// The digest of what a root is made of in this repository.
fn digest(root: &Root) -> Result<String> {
    let repository = paths::repository();
    let mut inputs = vec![repository.join("xtask/src/roots.rs")];
    inputs.extend(root.finish.map(|script| repository.join(script)));
    inputs::digest(&repository, &inputs)
}

fn command(root: &Root, output: &Path) -> Command {
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=essential"]);
    command.arg(format!("--include={}", root.packages.join(",")));
    for hidden in LEFT_OUT {
        command.arg(format!("--dpkgopt=path-exclude={hidden}"));
    }
    if let Some(script) = root.finish {
        let script = paths::repository().join(script);
        command.arg(format!("--customize-hook={}", script.display()));
    }
    let sites = apt::sites().unwrap_or_default();
    let archive = mirror::of_suite(SUITE, &sites, apt::release().ok().as_ref());
    command.arg(SUITE).arg(output).arg(archive);
    command
}
