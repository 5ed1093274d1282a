//! `cargo xtask demo`: the main job, from a bare checkout to a guest that speaks.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::resident::Resident;
use crate::{image, paths, process, setup, speak};

const GUEST: &str = "simple-vm";
const SPEC: &str = "examples/simple-vm.yaml";
const IMAGE: &str = "debian-12.qcow2";
/// Where the session's pool of images is, below what the program keeps for its user.
const POOL: &str = "images";
/// What the guest is asked: one shell line, so that it works over any SSH.
const INTRODUCE: &str = "echo \"host name   $(hostname)\"; \
     echo \"system      $(. /etc/os-release; echo \"$PRETTY_NAME\"), Linux $(uname -r)\"; \
     echo \"up since    $(uptime -s)\"; echo; ip -brief address; echo; df -h /; echo; lsblk";

/// Do the main job: set up, build, make the image, create a guest, log in
#[derive(clap::Args)]
pub struct Demo {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Take away what the demo has made
    #[arg(long)]
    clean: bool,
}

impl Demo {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode> {
        setup::ensure(self.yes, false)?;
        let resident = Resident::with(&image::program()?)?;
        if self.clean {
            return clean(&resident);
        }
        offer(&image::build(false)?, &resident)?;
        let spec = resident.readable(SPEC)?;
        process::run(resident.command().arg("create").arg(&spec))?;
        process::run(
            resident
                .command()
                .args(["ssh", GUEST, "--", "sh", "-c", INTRODUCE]),
        )?;
        let (program, spec) = (shown(&resident.program), shown(&spec));
        speak::note(&format!(
            "\nthe guest is yours. Next:\n  \
             {program} ssh {GUEST}\n  \
             {program} list\n  \
             {program} get {GUEST} -o yaml\n  \
             {program} plan {spec}\n  \
             cargo xtask demo --clean    # takes all of it away"
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Puts the image where the session's pool finds it. One that is there already stays: guests may be backed by it.
fn offer(built: &Path, resident: &Resident) -> Result<()> {
    let pool = resident.data.join(POOL);
    let place = &pool.join(IMAGE);
    if place.exists() {
        if !same(built, place)? {
            speak::note(&format!(
                "demo: `{}` is another image than the one built; it is used as it is",
                place.display()
            ));
        }
        return Ok(());
    }
    fs::create_dir_all(&pool).with_context(|| format!("failed to make `{}`", pool.display()))?;
    let unfinished = pool.join(format!(".{IMAGE}.unfinished"));
    fs::copy(built, &unfinished)
        .with_context(|| format!("failed to copy the image to `{}`", pool.display()))?;
    resident.own(&pool)?;
    resident.own(&unfinished)?;
    fs::rename(&unfinished, place)
        .with_context(|| format!("failed to name `{}`", place.display()))?;
    speak::note(&format!("demo: put the image at `{}`", place.display()));
    Ok(())
}

fn clean(resident: &Resident) -> Result<ExitCode> {
    process::run(resident.command().args(["destroy", GUEST, "--yes"]))?;
    let place = resident.data.join(POOL).join(IMAGE);
    if !place.exists() {
        speak::note(&format!("demo: `{}` is gone already", place.display()));
    } else if !was_built(&place)? {
        speak::note(&format!(
            "demo: kept `{}`: it is none of the images built here",
            place.display()
        ));
    } else if let Some(volume) = backed_by(&place, &resident.data)? {
        speak::note(&format!(
            "demo: kept `{}`: `{}` is backed by it",
            place.display(),
            volume.display()
        ));
    } else {
        fs::remove_file(&place)
            .with_context(|| format!("failed to remove `{}`", place.display()))?;
        speak::note(&format!("demo: removed `{}`", place.display()));
    }
    resident.move_out()?;
    speak::note(&format!(
        "demo: built images stay in `{}` for the next time",
        paths::image_cache()?.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Whether a file is a copy of an image that was built here, by this state of the recipe or another.
fn was_built(place: &Path) -> Result<bool> {
    for candidate in qcow2_files(&paths::image_cache()?)? {
        if same(&candidate, place)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A volume below `directory` whose content rests on the image.
fn backed_by(image: &Path, directory: &Path) -> Result<Option<PathBuf>> {
    for volume in qcow2_files(directory)? {
        let mut info = Command::new("qemu-img");
        info.args(["info", "--force-share", "--backing-chain"])
            .arg(&volume);
        if volume != image && process::output(&mut info)?.contains(&*image.to_string_lossy()) {
            return Ok(Some(volume));
        }
    }
    Ok(None)
}

fn qcow2_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !directory.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(directory)
        .with_context(|| format!("failed to list `{}`", directory.display()))?
    {
        let path = entry
            .with_context(|| format!("failed to list `{}`", directory.display()))?
            .path();
        if path.is_dir() {
            found.extend(qcow2_files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "qcow2")
        {
            found.push(path);
        }
    }
    Ok(found)
}

fn same(one: &Path, other: &Path) -> Result<bool> {
    let open = |path: &Path| {
        File::open(path).with_context(|| format!("failed to open `{}`", path.display()))
    };
    let (one, other) = (open(one)?, open(other)?);
    if one.metadata().context("failed to look at an image")?.len()
        != other
            .metadata()
            .context("failed to look at an image")?
            .len()
    {
        return Ok(false);
    }
    let (mut one, mut other) = (
        BufReader::with_capacity(1 << 20, one),
        BufReader::with_capacity(1 << 20, other),
    );
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let read = one.read(&mut left).context("failed to read an image")?;
        if read == 0 {
            return Ok(true);
        }
        other
            .read_exact(&mut right[..read])
            .context("failed to read an image")?;
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}

fn shown(program: &Path) -> String {
    program
        .strip_prefix(paths::repository())
        .unwrap_or(program)
        .display()
        .to_string()
}
