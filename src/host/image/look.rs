//! What is looked at of a file to judge it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use trustnet_core::image::{HEAD, Sample, TAIL};

/// A file, open, with its first and last bytes.
#[derive(Debug)]
pub struct Look {
    /// The file, at its beginning.
    pub file: File,
    /// Its length in bytes.
    pub length: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Look {
    /// Opens a regular file and reads its ends.
    ///
    /// # Errors
    /// It is not there, not a regular file, or cannot be read.
    pub fn at(path: &Path) -> io::Result<Self> {
        // Before it is opened: a named pipe would wait for somebody who writes.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let file = File::open(path)?;
        Self::of(file)
    }

    /// Reads the ends of a file that is open.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let read = |from: u64, most: u64| {
            let mut bytes = vec![0; usize::try_from(most.min(length - from)).unwrap_or_default()];
            file.read_exact_at(&mut bytes, from).map(|()| bytes)
        };
        let head = read(0, HEAD)?;
        let tail = read(length.saturating_sub(TAIL), TAIL)?;
        Ok(Self {
            file,
            length,
            head,
            tail,
        })
    }

    /// Whether it begins as qcow2 does.
    #[must_use]
    pub fn is_qcow2(&self) -> bool {
        self.head.starts_with(trustnet_core::image::qcow2::MAGIC)
    }

    /// What is judged.
    #[must_use]
    pub fn sample(&self) -> Sample<'_> {
        Sample {
            head: &self.head,
            tail: &self.tail,
            length: Some(self.length),
        }
    }
}

#[cfg(test)]
mod tests;
