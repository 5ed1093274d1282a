//! Folders of the user, by the XDG base directory specification.
//! <https://specifications.freedesktop.org/basedir-spec/latest/>

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::HostError;

/// Where the program keeps what is its own. The environment is an argument, so that tests have their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Configuration: `~/.config/trustnet-vm`.
    pub config: PathBuf,
    /// Data that lasts: the login key, and in session mode pools; `~/.local/share/trustnet-vm`.
    pub data: PathBuf,
    /// Journals and locks: `~/.local/state/trustnet-vm`.
    pub state: PathBuf,
    /// What can be made again: `~/.cache/trustnet-vm`.
    pub cache: PathBuf,
    /// What is gone after a log-out: `$XDG_RUNTIME_DIR/trustnet-vm`, else below `state`.
    pub runtime: PathBuf,
}

impl Paths {
    /// Reads the folders from an environment. None if there is no home.
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let absolute = |name: &str| {
            var(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = absolute("HOME")?;
        let base = |name: &str, fallback: &str| {
            absolute(name)
                .unwrap_or_else(|| home.join(fallback))
                .join("trustnet-vm")
        };
        let state = base("XDG_STATE_HOME", ".local/state");
        Some(Self {
            config: base("XDG_CONFIG_HOME", ".config"),
            data: base("XDG_DATA_HOME", ".local/share"),
            cache: base("XDG_CACHE_HOME", ".cache"),
            runtime: absolute("XDG_RUNTIME_DIR")
                .map_or_else(|| state.join("run"), |dir| dir.join("trustnet-vm")),
            state,
        })
    }
}

/// Makes a folder and its parents; new ones can be entered by the user only.
///
/// # Errors
/// The folder cannot be made.
pub fn private_dir(path: &Path) -> Result<(), HostError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(HostError::file("create folder", path))
}

/// Writes a file that only the user may read.
///
/// # Errors
/// It cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}
