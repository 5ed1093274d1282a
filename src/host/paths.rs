//! Folders of the user, by the XDG base directory specification.
//! <https://specifications.freedesktop.org/basedir-spec/latest/>

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::HostError;

/// Where the program keeps what is its own. The environment is an argument, so that tests have their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Configuration: `~/.config/trustnet-vm`.
    pub config: PathBuf,
    /// Data that lasts: the login keys of VMs, generated secrets, and in session mode pools; `~/.local/share/trustnet-vm`.
    pub data: PathBuf,
    /// Journals and locks: `~/.local/state/trustnet-vm`.
    pub state: PathBuf,
    /// What can be made again: `~/.cache/trustnet-vm`.
    pub cache: PathBuf,
    /// Artifacts for guests: below `cache`, or for root `/var/cache/trustnet-vm/artifacts`.
    pub artifacts: PathBuf,
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
        let cache = base("XDG_CACHE_HOME", ".cache");
        Some(Self {
            config: base("XDG_CONFIG_HOME", ".config"),
            data: base("XDG_DATA_HOME", ".local/share"),
            artifacts: cache.join("artifacts"),
            cache,
            runtime: absolute("XDG_RUNTIME_DIR")
                .map_or_else(|| state.join("run"), |dir| dir.join("trustnet-vm")),
            state,
        })
    }
}

/// Where root's artifacts are, for all guests of the machine.
const OF_THE_MACHINE: &str = "/var/cache/trustnet-vm/artifacts";

impl Paths {
    /// The same for the user that this process runs as: root's artifacts are the machine's, unless
    /// XDG_CACHE_HOME says otherwise.
    pub fn of_process(var: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        Self::of_user(var, rustix::process::geteuid().is_root())
    }

    fn of_user(var: impl Fn(&str) -> Option<OsString>, root: bool) -> Option<Self> {
        let mut paths = Self::from_env(&var)?;
        let said = var("XDG_CACHE_HOME").is_some_and(|path| Path::new(&path).is_absolute());
        if root && !said {
            paths.artifacts = PathBuf::from(OF_THE_MACHINE);
        }
        Some(paths)
    }
}

/// Makes a folder and its parents; new ones can be entered by the user only.
///
/// # Errors
/// The folder cannot be made.
pub fn private_dir(path: &Path) -> Result<(), HostError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(HostError::file("create folder", path))
}

/// Writes a file that only the user may read: made anew beside its place and put there whole, so that
/// neither a link nor an older file with another mode has a say in where the bytes go.
///
/// # Errors
/// It cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let staging = path.with_file_name(name);
    match fs::remove_file(&staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staging)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&staging, path));
    if written.is_err() {
        // The first error counts; nothing may be there at all.
        let _ = fs::remove_file(&staging);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use std::ffi::OsString;
    use std::path::Path;

    use super::{Paths, write_private};

    #[test]
    fn artifacts_are_in_the_users_cache_and_those_of_root_are_the_machines() {
        let artifacts = |cache: Option<&'static str>, root| {
            let var = move |name: &str| match name {
                "HOME" => Some(OsString::from("/home/ada")),
                "XDG_CACHE_HOME" => cache.map(OsString::from),
                _ => None,
            };
            Paths::of_user(var, root).expect("a home").artifacts
        };
        for (cache, root, path) in [
            (None, false, "/home/ada/.cache/trustnet-vm/artifacts"),
            (Some("/fast"), false, "/fast/trustnet-vm/artifacts"),
            (Some("/fast"), true, "/fast/trustnet-vm/artifacts"),
            (
                Some("not/absolute"),
                true,
                "/var/cache/trustnet-vm/artifacts",
            ),
            (None, true, "/var/cache/trustnet-vm/artifacts"),
        ] {
            assert_eq!(artifacts(cache, root), Path::new(path));
        }
    }

    #[test]
    fn a_private_file_is_private_and_leaves_what_a_link_points_at_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("theirs"), "theirs").expect("a file");
        symlink(path("theirs"), path("link")).expect("a link");
        fs::write(path("open"), "old").expect("a file");
        fs::set_permissions(path("open"), fs::Permissions::from_mode(0o644)).expect("a mode");
        for name in ["link", "open", "new"] {
            write_private(&path(name), b"secret").expect("it is written");
            let facts = fs::symlink_metadata(path(name)).expect("it is there");
            assert!(facts.is_file(), "{name}");
            assert_eq!(facts.permissions().mode() & 0o777, 0o600, "{name}");
            assert_eq!(
                fs::read(path(name)).expect("it is there"),
                b"secret",
                "{name}"
            );
        }
        assert_eq!(fs::read(path("theirs")).expect("it is there"), b"theirs");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 4);
    }
}
