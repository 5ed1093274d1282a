//! Looking after the store: hashing all again, and removing what nobody needs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use trustnet_core::artifact::{Digest, Entry};

use super::Store;
use super::disk::{files, size_of, subfolders};
use crate::cache::error::CacheError;
use crate::error::HostError;
use crate::lock::Lock;

/// What a check of the whole store found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many blobs are what they should be.
    pub good: usize,
    /// How many bytes these are.
    pub bytes: u64,
    /// Blobs whose bytes have changed; moved aside.
    pub damaged: Vec<Digest>,
    /// Entries without a blob.
    pub missing: Vec<Entry>,
    /// Blobs without an entry.
    pub orphans: Vec<Digest>,
    /// Files in the index that are no entries.
    pub unreadable: Vec<PathBuf>,
}

/// What was removed, or would be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The blobs, and their sizes.
    pub blobs: Vec<(Digest, u64)>,
    /// Files that were never whole, or are damaged, and their sizes.
    pub leftovers: Vec<(PathBuf, u64)>,
}

impl Pruned {
    /// How much room that is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let blobs = self.blobs.iter().map(|(_, size)| size);
        let leftovers = self.leftovers.iter().map(|(_, size)| size);
        blobs.chain(leftovers).sum()
    }
}

impl Store {
    /// Hashes everything again, and tells what is damaged, missing, or named by nothing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn verify(&self, seen: &mut dyn FnMut(&Digest)) -> Result<Report, CacheError> {
        let (entries, unreadable) = self.index()?;
        let named: BTreeSet<Digest> = entries.iter().map(|entry| entry.sha256).collect();
        let mut report = Report {
            unreadable,
            ..Report::default()
        };
        for (digest, size) in self.blobs()? {
            seen(&digest);
            match self.verify_one(&digest) {
                Ok(_) => {
                    report.good += 1;
                    report.bytes += size;
                    if !named.contains(&digest) {
                        report.orphans.push(digest);
                    }
                }
                Err(CacheError::Damaged { .. }) => report.damaged.push(digest),
                Err(CacheError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let gone =
            |entry: &Entry| !self.have(&entry.sha256) && !report.damaged.contains(&entry.sha256);
        report.missing = entries.into_iter().filter(gone).collect();
        Ok(report)
    }

    /// Removes what is not to be kept, what was never whole, and what promises something that is not there; or only
    /// tells what that is.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn prune(&self, keep: &BTreeSet<Digest>, dry_run: bool) -> Result<Pruned, CacheError> {
        let mut pruned = Pruned::default();
        let remove = |path: &Path| {
            if dry_run {
                return Ok(());
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(HostError::file("remove", path)(error))
                }
                _ => Ok(()),
            }
        };
        // Entries first: one without a blob would promise what is not there.
        let (entries, strange) = self.index()?;
        for entry in entries {
            if !keep.contains(&entry.sha256) || !self.have(&entry.sha256) {
                remove(&self.entry_path(&entry.artifact))?;
                pruned.entries.push(entry);
            }
        }
        for (digest, size) in self.blobs()? {
            // Whoever has just put it there is about to say what it is for.
            let lock = self.root.join("locks").join(digest.to_string());
            if let (false, Some(_lock)) = (keep.contains(&digest), Lock::try_take(&lock)?) {
                remove(&self.path(&digest))?;
                pruned.blobs.push((digest, size));
            }
        }
        let strange = strange.into_iter().map(|path| (path, None));
        for (path, _lock) in self.leftovers()?.into_iter().chain(strange) {
            let size = size_of(&path);
            remove(&path)?;
            pruned.leftovers.push((path, size));
        }
        if !dry_run {
            self.remove_empty_folders()?;
        }
        Ok(pruned)
    }

    /// What is not whole and nobody is at work on, with the lock that keeps it so, and what is damaged.
    fn leftovers(&self) -> Result<Vec<(PathBuf, Option<Lock>)>, HostError> {
        let mut found = Vec::new();
        for path in files(&self.root.join("partial"))? {
            let key = path.strip_prefix(self.root.join("partial")).ok();
            let key = key.and_then(|rest| rest.iter().next()).map(Path::new);
            let Some(stem) = key.and_then(Path::file_stem) else {
                continue;
            };
            if let Some(lock) = Lock::try_take(&self.root.join("locks").join(stem))? {
                found.push((path, Some(lock)));
            }
        }
        let damaged = files(&self.root.join("damaged"))?;
        found.extend(damaged.into_iter().map(|path| (path, None)));
        Ok(found)
    }

    /// Folders of the index in which nothing is any more; one that fills at the same moment stays.
    fn remove_empty_folders(&self) -> Result<(), HostError> {
        let index = self.root.join("index");
        for arch in subfolders(&index)? {
            for service in subfolders(&arch)? {
                for version in subfolders(&service)? {
                    let _ = fs::remove_dir(version);
                }
                let _ = fs::remove_dir(service);
            }
            let _ = fs::remove_dir(arch);
        }
        Ok(())
    }
}
