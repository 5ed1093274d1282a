//! Where things lie: the repository, and the user's own directories by the XDG rules.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest)
        .parent()
        .unwrap_or(Path::new("/"))
        .to_path_buf()
}

/// Where built images are kept: they can be built again at any time.
pub fn image_cache() -> Result<PathBuf> {
    Ok(user_cache()?.join("images"))
}

/// What can be made or fetched again at any time.
pub fn user_cache() -> Result<PathBuf> {
    Ok(user_directory("XDG_CACHE_HOME", ".cache")?.join("trustnet-vm"))
}

/// Where the roots of tests are kept: they can be made again at any time.
pub fn root_cache() -> Result<PathBuf> {
    Ok(user_directory("XDG_CACHE_HOME", ".cache")?.join("trustnet-vm/roots"))
}

/// What the program keeps for the user in session mode.
pub fn data() -> Result<PathBuf> {
    Ok(user_directory("XDG_DATA_HOME", ".local/share")?.join("trustnet-vm"))
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => repository().join(directory),
        None => repository().join("target"),
    }
}

fn user_directory(variable: &str, below_home: &str) -> Result<PathBuf> {
    // The XDG rules say that a relative path is to be ignored.
    if let Some(directory) = env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
    {
        return Ok(directory);
    }
    let home =
        env::var_os("HOME").with_context(|| format!("neither {variable} nor HOME is set"))?;
    Ok(PathBuf::from(home).join(below_home))
}
