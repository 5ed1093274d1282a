//! What the tests of services in real guests need of the network, fetched before they run without one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{apt, mirror, paths, process, speak};

/// Fetches it with the program's own `cache fetch`, unless it is there, and gives the folder: `cache` and `config`
/// are the program's folders, and beside them are the spec and its lock. What is locked belongs to the image's
/// packages, and so does the folder.
pub fn fetch(image: &Path) -> Result<PathBuf> {
    let root = paths::repository();
    let source = root.join("tests/guests_services");
    let image = image.file_stem().context("the image has no name")?;
    let folder = paths::user_cache()?.join("test-artifacts").join(image);
    let services = folder.join("config/trustnet-vm/services");
    fs::create_dir_all(&services)
        .with_context(|| format!("failed to make `{}`", services.display()))?;
    for (name, place) in [
        ("vms.yaml", &folder),
        ("asker.yaml", &services),
        ("caddy.yaml", &services),
    ] {
        fs::copy(source.join(name), place.join(name))
            .with_context(|| format!("failed to copy `{name}` to `{}`", place.display()))?;
    }
    let fetched = process::status(command(&folder, true)?.arg("--offline"))?;
    if !fetched.success() {
        speak::note("artifacts: fetching what the services of the tests need");
        process::run(&mut command(&folder, false)?)?;
    }
    Ok(folder)
}

fn command(folder: &Path, quiet: bool) -> Result<Command> {
    let mirrors = mirror::of_image(
        &apt::sites().unwrap_or_default(),
        apt::release().ok().as_ref(),
    );
    // The one that the tests run: they have been built.
    let mut command = Command::new(paths::target().join("debug/trustnet-vm"));
    command
        .args(["cache", "fetch", "--filename"])
        .arg(folder.join("vms.yaml"))
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("XDG_CONFIG_HOME", folder.join("config"));
    // One that the environment names goes before the host's own.
    for (named, variable, own) in [
        (
            "TRUSTNET_VM_MIRROR",
            "TRUSTNET_VM_DEB_MIRROR",
            mirrors.archive,
        ),
        (
            "TRUSTNET_VM_SECURITY_MIRROR",
            "TRUSTNET_VM_DEB_SECURITY_MIRROR",
            mirrors.security,
        ),
    ] {
        if let Some(mirror) = env::var(named).ok().or(own) {
            command.env(variable, mirror);
        }
    }
    if quiet {
        command.arg("--quiet").stderr(std::process::Stdio::null());
    }
    Ok(command)
}
