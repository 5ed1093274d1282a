//! Locks between processes: `flock` on files in the state folder. The kernel lets go of them when a
//! process ends, however it ends.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::error::HostError;
use crate::paths::private_dir;

/// How often a lock that another has is asked for.
const AGAIN: Duration = Duration::from_millis(10);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says at once that another process has it.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn try_take(path: &Path) -> Result<Option<Self>, HostError> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(HostError::file("lock", path)(error.into())),
        }
    }

    /// Takes the lock, and waits for it until `stop` says so; none then. The kernel would wait on
    /// through every signal, so it is asked again and again.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn take_unless(path: &Path, stop: impl Fn() -> bool) -> Result<Option<Self>, HostError> {
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(Some(lock));
            }
            if stop() {
                return Ok(None);
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Takes the lock, and waits for it, however long that is.
    ///
    /// # Errors
    /// The file cannot be made.
    #[cfg(feature = "fake")]
    pub fn take(path: &Path) -> Result<Self, HostError> {
        let file = open(path)?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(HostError::file("lock", path)(error.into())),
            }
        }
    }
}

fn open(path: &Path) -> Result<File, HostError> {
    if let Some(folder) = path.parent() {
        private_dir(folder)?;
    }
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(HostError::file("open", path))
}
