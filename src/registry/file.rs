//! Files that are replaced: whole, or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::sqlite;

/// Puts a text in place of a file's, durably, so that a reader sees the old one or the new one; through a symbolic link, if it
/// is one. The file keeps its mode; a new one has 0600. One process at a time may do that.
///
/// # Errors
/// The folder cannot be written; the file is as it was then.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&path).map_or(0o600, |old| old.permissions().mode());
    let new = sqlite::beside(&path, "new");
    // What a kill has left.
    let _ = fs::remove_file(&new);
    let written = write(&new, text, mode).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        // What went wrong before is what is told.
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(sqlite::folder(&path))?.sync_all()
}

fn write(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}
