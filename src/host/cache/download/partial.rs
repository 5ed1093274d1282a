//! A file that is not whole yet, and what is known of where it comes from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use trustnet_core::artifact::{Checksum, Digest};

use crate::error::HostError;
use crate::hashing::Hashing;
use crate::settling::Settling;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// Where the bytes of a file that is not whole come from, kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The URL that was asked.
    pub url: String,
    /// What tells this content from another at the same place: a strong ETag, or a date.
    pub validator: String,
}

/// A file that grows.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    /// How many bytes are there.
    pub length: u64,
    /// Whether bytes of a former attempt are among them.
    pub resumed: bool,
    hashing: Hashing,
    settling: Settling,
}

impl Partial {
    /// Opens what is there, or begins.
    pub(super) fn open(path: &Path, checksum: Option<&Checksum>) -> Result<Self, HostError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)
            .map_err(HostError::file("open", path))?;
        let mut partial = Self {
            path: path.to_owned(),
            file,
            length: 0,
            resumed: false,
            hashing: Hashing::new(matches!(checksum, Some(Checksum::Sha512(_)))),
            settling: Settling::default(),
        };
        partial
            .read_again()
            .map_err(HostError::file("read", path))?;
        partial.resumed = partial.length > 0;
        Ok(partial)
    }

    fn read_again(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                read => self.count(&buffer[..read])?,
            }
        }
    }

    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hashing.add(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Adds bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        self.file
            .write_all(bytes)
            .and_then(|()| self.settling.wrote(&self.file, bytes.len() as u64))
            .and_then(|()| self.count(bytes))
            .map_err(HostError::file("write", &self.path))
    }

    /// Throws away what is there, and begins anew.
    pub(super) fn restart(&mut self) -> Result<(), HostError> {
        self.forget_origin();
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)).map(|_| ()))
            .map_err(HostError::file("truncate", &self.path))?;
        self.length = 0;
        self.resumed = false;
        self.hashing.restart();
        Ok(())
    }

    /// The checksum and the digest of what is there.
    pub(super) fn sums(&self) -> (Checksum, Digest) {
        let digest = Digest::from_bytes(self.hashing.sha256());
        let sha512 = self.hashing.sha512().map(Checksum::Sha512);
        let checksum = sha512.unwrap_or(Checksum::Sha256(digest));
        (checksum, digest)
    }

    /// Where the bytes come from, if that is known.
    pub(super) fn origin(&self) -> Option<Origin> {
        let json = fs::read(origin_path(&self.path)).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Remembers where the bytes come from. Where that fails, the next attempt begins anew.
    pub(super) fn remember(&self, origin: Option<&Origin>) {
        let json = origin.and_then(|origin| serde_json::to_vec(origin).ok());
        let written = json.is_some_and(|json| fs::write(origin_path(&self.path), json).is_ok());
        if !written {
            self.forget_origin();
        }
    }

    fn forget_origin(&self) {
        forget_origin(&self.path);
    }

    /// Whether it begins like a web page.
    pub(super) fn is_html(&mut self) -> bool {
        let mut head = [0; 256];
        let read = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.read(&mut head))
            .unwrap_or(0);
        let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
        let head = head.trim_start();
        head.starts_with("<!doctype html") || head.starts_with("<html")
    }

    /// It is whole: puts it on the disk.
    pub(super) fn finish(self) -> Result<(), HostError> {
        self.settling
            .finish(&self.file)
            .map_err(HostError::file("sync", &self.path))?;
        forget_origin(&self.path);
        Ok(())
    }

    /// It is nothing: removes it.
    pub(super) fn remove(self) {
        self.forget_origin();
        let _ = fs::remove_file(&self.path);
    }
}

fn forget_origin(path: &Path) {
    let _ = fs::remove_file(origin_path(path));
}

fn origin_path(path: &Path) -> PathBuf {
    path.with_extension("origin")
}
