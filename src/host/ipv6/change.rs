//! A change of the kernel's switches, made: first the file that keeps it, then the running kernel; taken back the other
//! way round. Killed in between, the next run finds in the file what was there before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use trustnet_core::ipv6::{Change, FILE};

use super::look::switch;

/// Why a change was not made, or not in whole.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// Our file was not written, or not removed.
    #[error("failed to {doing} `{path}`")]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel did not take a value.
    #[error("failed to set {key} to {value}")]
    Switch {
        /// The switch.
        key: String,
        /// The value.
        value: String,
        /// Why.
        source: io::Error,
    },
}

/// Whether this user may change the switches of the machine whose files are below this folder.
#[must_use]
pub fn may_switch(root: &Path) -> bool {
    root != Path::new("/") || rustix::process::geteuid().is_root()
}

/// Makes a change on the machine whose files are below this folder: `/` for this one.
///
/// # Errors
/// [`SwitchError`]; the same change can be made again.
pub fn apply(root: &Path, change: &Change) -> Result<(), SwitchError> {
    let path = root.join(FILE.trim_start_matches('/'));
    if let Some(text) = &change.new {
        write(&path, text).map_err(failed("write", &path))?;
    }
    for setting in &change.settings {
        let place = switch(root, &setting.interface, &setting.name);
        let set = |value: &str| {
            // Never made: where the kernel has no such switch, there is none.
            let mut file = OpenOptions::new().write(true).open(&place)?;
            file.write_all(value.as_bytes())
        };
        match set(&setting.becomes) {
            // The interface went away since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(|source| SwitchError::Switch {
                key: setting.key(),
                value: setting.becomes.clone(),
                source,
            })?,
        }
    }
    if change.new.is_none() {
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(failed("remove", &path))?,
        }
        sync_folder(&path).map_err(failed("remove", &path))?;
    }
    Ok(())
}

/// Puts a file there whole: readable for all, as others in that folder are.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    // Not read at the machine's start: only what ends in `.conf` is. A killed run may have left one.
    let staging = path.with_extension("conf.new");
    match fs::remove_file(&staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&staging)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&staging, path))
        .and_then(|()| sync_folder(path));
    if written.is_err() {
        // The first error counts; nothing may be there at all.
        let _ = fs::remove_file(&staging);
    }
    written
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SwitchError {
    let path = path.to_owned();
    move |source| SwitchError::File {
        doing,
        path,
        source,
    }
}
