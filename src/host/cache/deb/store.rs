//! What is kept of archives: signed `Release` files with what their servers know them by, and indexes by the digest
//! that a `Release` file gives them. Nothing here is trusted: signatures and digests are looked at with each use.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use trustnet_core::artifact::Digest;
use trustnet_core::deb::Listed;

use super::fetch::Validators;
use crate::error::HostError;
use crate::paths;

/// The folder of all that is kept.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

/// A signed `Release` file as it was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Where it is from.
    pub url: String,
    /// When its mirror was last asked for it, in seconds since 1970.
    pub checked: i64,
    /// By what its server knows it.
    pub validators: Validators,
    /// The file.
    pub in_release: String,
}

/// zstd's level: a fifth of the size, and read faster than a disk does.
const LEVEL: i32 = 3;

impl Store {
    /// In this folder, which need not be there.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The `Release` file that was kept from this URL; none, if there is none that can be read.
    pub fn release(&self, url: &str) -> Option<Kept> {
        let text = fs::read(self.release_path(url)).ok()?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        (kept.url == url).then_some(kept)
    }

    /// Keeps a `Release` file.
    pub fn keep_release(&self, kept: &Kept) -> Result<(), HostError> {
        let path = self.release_path(&kept.url);
        let doing = HostError::file("write", &path);
        let text = serde_json::to_vec(kept).map_err(io::Error::from);
        text.and_then(|text| write(&path, |file| file.write_all(&text)))
            .map_err(doing)
    }

    /// The index that has this digest; none, if there is none that still has it.
    pub fn index(&self, listed: &Listed) -> Option<String> {
        let file = File::open(self.index_path(listed)).ok()?;
        let decoder = zstd::Decoder::new(file).ok()?;
        let mut bytes = Vec::with_capacity(usize::try_from(listed.size).ok()?);
        decoder
            .take(listed.size.saturating_add(1))
            .read_to_end(&mut bytes)
            .ok()?;
        (Digest::of(&bytes) == listed.sha256)
            .then_some(bytes)
            .and_then(|bytes| String::from_utf8(bytes).ok())
    }

    /// Keeps an index.
    pub fn keep_index(&self, listed: &Listed, text: &str) -> Result<(), HostError> {
        let path = self.index_path(listed);
        write(&path, |file| {
            let mut encoder = zstd::Encoder::new(file, LEVEL)?;
            encoder.write_all(text.as_bytes())?;
            encoder.finish().map(drop)
        })
        .map_err(HostError::file("write", &path))
    }

    /// A folder for files in passing.
    pub fn scratch(&self) -> Result<Scratch, HostError> {
        paths::private_dir(&self.root)?;
        let path = self.root.join(unique("scratch"));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(HostError::file("create folder", &path))?;
        Ok(Scratch(path))
    }

    fn release_path(&self, url: &str) -> PathBuf {
        let name = format!("{}.json", Digest::of(url.as_bytes()));
        self.root.join("releases").join(name)
    }

    fn index_path(&self, listed: &Listed) -> PathBuf {
        let name = format!("{}.zst", listed.sha256);
        self.root.join("packages").join(name)
    }
}

/// A folder that goes with its owner.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is a few files that nobody reads.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes a file beside its place, and puts it there once it is whole and on the disk.
pub fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staging = folder.join(unique(&name));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&staging)
        .and_then(|mut file| {
            fill(&mut file)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&staging, path));
    if written.is_err() {
        // The first error counts; nothing may be there at all.
        let _ = fs::remove_file(&staging);
    }
    written
}

/// A name that no other process and no other thread has.
fn unique(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".{name}.{}.{count}.new", std::process::id())
}
