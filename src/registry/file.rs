//! Files that are replaced: whole, or not at all.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::process::geteuid;

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

/// The mode of a file with a secret, if others may read it than who has to. Of a file of our own that is anybody else.
/// One of somebody else's is laid open to our group, or we could not read it ourselves: so Kubernetes mounts Secrets.
#[must_use]
pub fn laid_open(facts: &Metadata) -> Option<u32> {
    let ours = facts.uid() == geteuid().as_raw();
    let mode = facts.permissions().mode() & 0o7777;
    (mode & others(ours) != 0).then_some(mode)
}

/// The bits of a mode that lay a secret open.
fn others(ours: bool) -> u32 {
    if ours { 0o077 } else { 0o037 }
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

#[cfg(test)]
mod tests {
    use super::{laid_open, others};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown};

    #[test]
    fn a_secret_of_somebody_elses_may_be_read_by_our_group_and_by_nobody_more() {
        for (ours, mode, open) in [
            (true, 0o600, false),
            (true, 0o400, false),
            (true, 0o640, true),
            (false, 0o440, false),
            (false, 0o640, false),
            (false, 0o460, true),
            (false, 0o444, true),
        ] {
            assert_eq!(mode & others(ours) != 0, open, "{ours} {mode:o}");
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        let facts = |mode| {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(file.path(), mode).expect("set");
            laid_open(&fs::metadata(file.path()).expect("it is there"))
        };
        assert_eq!(facts(0o600), None);
        assert_eq!(facts(0o440), Some(0o440));
        // Only root gives files away.
        if chown(file.path(), Some(65_534), None).is_ok() {
            assert_eq!(facts(0o440), None);
            assert_eq!(facts(0o444), Some(0o444));
        }
    }
}
