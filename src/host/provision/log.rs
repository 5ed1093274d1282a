//! What was said while a guest was provisioned, in a file of the user's own.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::HostError;
use crate::journal;
use crate::paths::{Paths, private_dir};

/// A log that has grown beyond this many bytes makes room for a new one.
const MOST: u64 = 4 << 20;
/// What one run may write: a guest that talks without end fills no disk of the host.
const MOST_OF_A_RUN: u64 = 64 << 20;
/// The log of a VM, opened.
#[derive(Debug)]
pub struct Log {
    file: Mutex<(File, u64)>,
    path: PathBuf,
}

/// Where the log of a VM is.
#[must_use]
pub fn log_file(paths: &Paths, uri: &str, vm: &str) -> PathBuf {
    journal::connection_dir(paths, uri)
        .join("logs")
        .join(format!("{vm}.log"))
}

impl Log {
    /// Opens a log to write behind what is there. Only the user may read it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, HostError> {
        if let Some(folder) = path.parent() {
            private_dir(folder)?;
        }
        if fs::metadata(path).is_ok_and(|facts| facts.len() > MOST) {
            fs::rename(path, path.with_extension("log.1"))
                .map_err(HostError::file("make room for", path))?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(HostError::file("open", path))?;
        Ok(Self {
            file: Mutex::new((file, MOST_OF_A_RUN)),
            path: path.to_owned(),
        })
    }

    /// Writes a line. A log that cannot be written stops nobody's work.
    pub fn line(&self, text: &str) {
        let mut inner = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, left) = &mut *inner;
        if *left == 0 {
            return;
        }
        *left = left.saturating_sub(text.len() as u64 + 1);
        let end = if *left == 0 {
            "\n(the rest is left out)"
        } else {
            ""
        };
        if let Err(error) = file.write_all(format!("{text}{end}\n").as_bytes()) {
            tracing::debug!(path = %self.path.display(), %error, "the log cannot be written");
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The last lines of a log, those of the file before it included where it has too few. None where nothing was
/// ever written.
///
/// # Errors
/// It cannot be read.
pub fn last_lines(path: &Path, count: usize) -> Result<Option<Vec<String>>, HostError> {
    let read = |path: &Path| match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::file("read", path)(error)),
    };
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() < count
        && let Some(before) = read(&path.with_extension("log.1"))?
    {
        lines.splice(0..0, before.lines().map(str::to_owned));
    }
    Ok(Some(lines.split_off(lines.len().saturating_sub(count))))
}

#[cfg(test)]
mod tests {
    use super::{Log, MOST_OF_A_RUN};

    #[test]
    fn a_guest_that_talks_without_end_fills_no_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::open(&folder.path().join("web.log")).expect("a log");
        let line = "x".repeat(1 << 20);
        for _ in 0..70 {
            log.line(&line);
        }
        let size = std::fs::metadata(log.path()).expect("the file").len();
        assert!(size < MOST_OF_A_RUN + (2 << 20), "{size}");
        let text = std::fs::read_to_string(log.path()).expect("the file");
        assert!(text.ends_with("\n(the rest is left out)\n"));
    }
}
