//! `cargo xtask image`: the base image, built once for each state of its recipe.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;

use crate::mirror::Mirrors;
use crate::recipe::{self, Recipe};
use crate::{apt, mirror, paths, process, speak};

const NAME: &str = "debian-12";

/// Build the base image debian-12 from Debian packages, and print its path
#[derive(clap::Args)]
pub struct Image {
    /// Build it although it is there
    #[arg(long)]
    force: bool,
}

impl Image {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode> {
        speak::result(&build(self.force)?.display().to_string());
        Ok(ExitCode::SUCCESS)
    }
}

/// The image of the recipe as it is now; built when it is not there, or when `force` says so.
pub fn build(force: bool) -> Result<PathBuf> {
    let root = paths::repository();
    let directory = root.join("images").join(NAME);
    let script = root.join("images/build-debian.sh");
    let recipe = Recipe::read(&directory)?;
    let digest = recipe::digest(&root, &[directory.clone(), script.clone()])?;
    let cache = paths::image_cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("failed to make `{}`", cache.display()))?;
    let name = &recipe.metadata.name;
    let image = cache.join(format!("{name}-{}.qcow2", &digest[..12]));
    // Two builds at once are one build: the second waits and finds the first one's.
    let lock = cache.join(format!(".{name}.lock"));
    let held =
        File::create(&lock).with_context(|| format!("failed to open `{}`", lock.display()))?;
    rustix::fs::flock(&held, FlockOperation::LockExclusive)
        .with_context(|| format!("failed to lock `{}`", lock.display()))?;
    if !force && image.exists() {
        return Ok(image);
    }
    let began = Instant::now();
    let unfinished = cache.join(format!(".{name}.unfinished"));
    let mirrors = mirror::for_recipe(
        &recipe,
        &apt::sites().unwrap_or_default(),
        apt::release().ok().as_ref(),
    );
    speak::note(&format!(
        "image: building `{name}` from {}",
        mirrors.archive
    ));
    process::run(&mut build_command(
        &script,
        &recipe,
        &mirrors,
        &directory.join("root"),
        &unfinished,
    ))?;
    fs::rename(&unfinished, &image)
        .with_context(|| format!("failed to name `{}`", image.display()))?;
    let size = fs::metadata(&image)
        .with_context(|| format!("failed to look at `{}`", image.display()))?
        .len();
    speak::note(&format!(
        "image: {} MiB in {} s",
        size >> 20,
        began.elapsed().as_secs()
    ));
    Ok(image)
}

fn build_command(
    script: &Path,
    recipe: &Recipe,
    mirrors: &Mirrors,
    overlay: &Path,
    output: &Path,
) -> Command {
    let spec = &recipe.spec;
    let mut command = Command::new(script);
    command
        .env("SUITE", &spec.suite)
        .env("ARCHITECTURE", &spec.architecture)
        .env("PACKAGES", spec.packages.join(" "))
        .env("MASK", spec.mask.join(" "))
        .env("COMMAND_LINE", &spec.kernel_command_line)
        .env("ROOT_MIB", spec.root_mib.to_string())
        .env("ESP_MIB", spec.esp_mib.to_string())
        .env("MIRROR", &spec.mirror)
        .env("SECURITY_MIRROR", &spec.security_mirror)
        .env("BUILD_MIRROR", &mirrors.archive)
        .env("BUILD_SECURITY_MIRROR", &mirrors.security)
        .env("OVERLAY", overlay)
        .env("OUTPUT", output);
    command
}
