//! The store: blobs by their digest, with readable entries.
//!
//! Below its root: `sha256/<digest>` are the blobs, `index/<arch>/<service>/<version>/<name>.json` the
//! entries, `partial/` what is not whole yet, `damaged/` what is no longer what it was, `locks/` locks. A blob
//! has its name only once its bytes are on the disk and hash to it.

/// Looking after the store.
mod check;
/// Files and folders of the store.
pub(crate) mod disk;
/// What was hashed in this run.
mod looked;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use trustnet_core::artifact::{ArtifactId, ArtifactKind, Digest, Entry, Verified};

use super::download::Watch;
use super::error::CacheError;
use crate::error::HostError;
use crate::lock::Lock;
pub use check::{Pruned, Report};
pub use disk::hash;
use disk::{create, files, open_dir, pass_on, size_of, sync_dir};
use looked::{Looked, Stamp};

/// The folders below the root.
const FOLDERS: [&str; 5] = ["sha256", "index", "partial", "damaged", "locks"];

/// A store of artifacts.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    looked: Looked,
}

/// What is known of an artifact before it is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// How it is fetched.
    pub kind: ArtifactKind,
    /// Where it comes from.
    pub source: String,
    /// How it is verified.
    pub verified: Verified,
}

impl Store {
    /// Opens the store at a folder, which is made where it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(root: &Path) -> Result<Self, HostError> {
        for name in FOLDERS {
            open_dir(&root.join(name))?;
        }
        Ok(Self {
            root: root.to_owned(),
            looked: Looked::default(),
        })
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a blob is there. Whether it is still what it was, only [`Store::verify_one`] says.
    #[must_use]
    pub fn have(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Where a blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("sha256").join(digest.to_string())
    }

    /// The size of a blob.
    ///
    /// # Errors
    /// It is not there.
    pub fn size(&self, digest: &Digest) -> Result<u64, HostError> {
        let path = self.path(digest);
        let facts = fs::metadata(&path).map_err(HostError::file("read", path))?;
        Ok(facts.len())
    }

    /// The one process that may fetch what goes by this key; others wait. None where the watcher says stop.
    ///
    /// # Errors
    /// The lock cannot be made.
    pub fn lock(&self, key: &Digest, watch: &dyn Watch) -> Result<Option<Lock>, HostError> {
        let path = self.root.join("locks").join(key.to_string());
        Lock::take_unless(&path, || watch.stopped())
    }

    /// Where something that goes by this key may grow until it is whole. Only who holds the key's lock
    /// may write there.
    #[must_use]
    pub fn partial(&self, key: &Digest) -> PathBuf {
        self.root.join("partial").join(key.to_string())
    }

    /// Takes a stream in: hashed while it is written, given its name only once it is whole, synced and what
    /// was expected.
    ///
    /// # Errors
    /// It cannot be read or written, or is not what was expected; nothing is left then.
    pub fn insert(
        &self,
        stream: &mut dyn Read,
        digest: Option<&Digest>,
        size: Option<u64>,
        incoming: &Incoming,
    ) -> Result<Entry, CacheError> {
        let key = digest
            .copied()
            .unwrap_or_else(|| key_of(&incoming.artifact));
        let Some(_lock) = self.lock(&key, &())? else {
            return Err(CacheError::Stopped);
        };
        let staging = self.partial(&key).with_extension("insert");
        let taken = self.take_in(stream, digest, size, incoming, &staging);
        if taken.is_err() {
            // The first error counts; nothing may be there at all.
            let _ = fs::remove_file(&staging);
        }
        taken
    }

    fn take_in(
        &self,
        stream: &mut dyn Read,
        digest: Option<&Digest>,
        size: Option<u64>,
        incoming: &Incoming,
        staging: &Path,
    ) -> Result<Entry, CacheError> {
        let mut file = create(staging)?;
        // One byte more than expected tells that there is more.
        let mut stream = stream.take(size.map_or(u64::MAX, |size| size.saturating_add(1)));
        let (found, length) =
            pass_on(&mut stream, &mut file).map_err(HostError::file("write", staging))?;
        file.sync_all().map_err(HostError::file("sync", staging))?;
        let unlike = |why: String| CacheError::Content {
            what: incoming.artifact.to_string(),
            why,
        };
        if let Some(size) = size.filter(|size| *size != length) {
            let (more, length) = if length > size {
                ("more than ", size)
            } else {
                ("", length)
            };
            return Err(unlike(format!("it has {more}{length} bytes, not {size}")));
        }
        if let Some(digest) = digest.filter(|digest| **digest != found) {
            return Err(unlike(format!("its digest is {found}, not {digest}")));
        }
        self.adopt(staging, &found)?;
        self.record(&found, length, incoming)
    }

    /// Gives a file below the root, whole, synced and known to hash to this, its name in the store.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub(super) fn adopt(&self, staging: &Path, digest: &Digest) -> Result<(), HostError> {
        moment("whole");
        let path = self.path(digest);
        fs::rename(staging, &path).map_err(HostError::file("write", &path))?;
        sync_dir(&self.root.join("sha256"))?;
        moment("named");
        Ok(())
    }

    /// Records an artifact whose blob is there.
    ///
    /// # Errors
    /// The entry cannot be written.
    pub fn record(
        &self,
        digest: &Digest,
        size: u64,
        incoming: &Incoming,
    ) -> Result<Entry, CacheError> {
        let Incoming {
            artifact,
            kind,
            source,
            verified,
        } = incoming.clone();
        let entry = Entry {
            artifact,
            kind,
            sha256: *digest,
            size,
            source,
            verified,
            when: now(),
            imported: false,
        };
        self.put_entry(&entry)?;
        moment("recorded");
        Ok(entry)
    }

    /// Writes an entry, over one of the same artifact.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn put_entry(&self, entry: &Entry) -> Result<(), CacheError> {
        let path = self.entry_path(&entry.artifact);
        let folder = path.parent().unwrap_or(&self.root);
        open_dir(folder)?;
        let mut json = serde_json::to_vec_pretty(entry).map_err(|error| CacheError::Content {
            what: entry.artifact.to_string(),
            why: error.to_string(),
        })?;
        json.push(b'\n');
        // A name that no artifact can have.
        let staging = folder.join(format!(".{}.{}", entry.artifact.name(), std::process::id()));
        let written = create(&staging).and_then(|mut file| {
            file.write_all(&json)
                .and_then(|()| file.sync_all())
                .and_then(|()| fs::rename(&staging, &path))
                .map_err(HostError::file("write", &path))
        });
        if written.is_err() {
            let _ = fs::remove_file(&staging);
        }
        written?;
        Ok(sync_dir(folder)?)
    }

    fn entry_path(&self, id: &ArtifactId) -> PathBuf {
        self.root
            .join("index")
            .join(id.arch().as_str())
            .join(id.service())
            .join(id.version())
            .join(format!("{}.json", id.name()))
    }

    /// The entry of an artifact, where there is one.
    #[must_use]
    pub fn entry(&self, id: &ArtifactId) -> Option<Entry> {
        read_entry(&self.entry_path(id)).filter(|entry| entry.artifact == *id)
    }

    /// All entries, in the order of their artifacts. What is no entry is left out; [`Store::verify`] tells.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, HostError> {
        Ok(self.index()?.0)
    }

    /// The entries, and the files of the index that are none.
    pub(super) fn index(&self) -> Result<(Vec<Entry>, Vec<PathBuf>), HostError> {
        let (mut entries, mut strange) = (Vec::new(), Vec::new());
        for path in files(&self.root.join("index"))? {
            match read_entry(&path).filter(|entry| self.entry_path(&entry.artifact) == path) {
                Some(entry) => entries.push(entry),
                None => strange.push(path),
            }
        }
        entries.sort_by(|a, b| a.artifact.cmp(&b.artifact));
        Ok((entries, strange))
    }

    /// The entries that name a digest which begins with these digits.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn why(&self, prefix: &str) -> Result<Vec<Entry>, HostError> {
        let prefix = prefix
            .strip_prefix("sha256:")
            .unwrap_or(prefix)
            .to_ascii_lowercase();
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.sha256.to_string().starts_with(&prefix));
        Ok(entries)
    }

    /// All blobs, with their sizes.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn blobs(&self) -> Result<Vec<(Digest, u64)>, HostError> {
        let mut blobs = Vec::new();
        for path in files(&self.root.join("sha256"))? {
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(digest) = name.and_then(|name| Digest::parse(name).ok()) {
                blobs.push((digest, size_of(&path)));
            }
        }
        Ok(blobs)
    }

    /// Hashes a blob again, unless that was done in this run and the file has not changed since, and gives its path where
    /// it is still what it was. To be asked before a blob is used.
    ///
    /// # Errors
    /// It is not there, or is not what it was; it is moved aside then, and the next fetch gets it again.
    pub fn verify_one(&self, digest: &Digest) -> Result<PathBuf, CacheError> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CacheError::Missing(*digest));
            }
            Err(error) => return Err(HostError::file("read", path)(error).into()),
        };
        let facts = file.metadata().map_err(HostError::file("look at", &path))?;
        let stamp = Stamp::of(&facts);
        if self.looked.knows(digest, &stamp) {
            return Ok(path);
        }
        let (found, _) = hash(file).map_err(HostError::file("read", &path))?;
        if found == *digest {
            self.looked.note(digest, stamp);
            return Ok(path);
        }
        let moved = self.root.join("damaged").join(digest.to_string());
        fs::rename(&path, &moved).map_err(HostError::file("move aside", &path))?;
        Err(CacheError::Damaged {
            digest: *digest,
            found,
            moved,
        })
    }
}

/// The key of an artifact whose digest is not known yet.
pub(super) fn key_of(id: &ArtifactId) -> Digest {
    Digest::of(id.to_string().as_bytes())
}

fn read_entry(path: &Path) -> Option<Entry> {
    let json = fs::read(path).ok()?;
    serde_json::from_slice(&json).ok()
}

/// Now, to the second.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}

/// A moment at which tests end the process.
#[cfg(feature = "fake")]
pub(crate) fn moment(name: &str) {
    crate::fake::at(name);
}

#[cfg(not(feature = "fake"))]
pub(crate) fn moment(_name: &str) {}
