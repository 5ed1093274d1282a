//! An image in the store.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use trustnet_core::artifact::{ArtifactId, ArtifactKind, Digest, Entry, Verified, VerifiedBy};

use super::{Found, ImageName, Login, Packed, find};
use crate::cache::download::{Progress, Watch};
use crate::cache::error::CacheError;
use crate::cache::store::disk::create;
use crate::cache::store::{Incoming, Store};
use crate::cache::url::{Fetched, still_good};
use crate::error::HostError;

/// How many bytes are written at once.
const BUFFER: usize = 256 * 1024;

/// Which image is wanted, and as which artifact.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The artifact; its architecture is the image's.
    pub artifact: &'a ArtifactId,
    /// The image. By a tag alone it is looked up each time; the entry's source then says which it was.
    pub image: &'a ImageName,
    /// As whom the registry is asked.
    pub login: &'a Login,
    /// What the file must hash to, where a lock says so.
    pub expected: Option<&'a Digest>,
}

/// Gets an image into the store, if it is not there as it should be. One that is known by its digest and is
/// there needs no registry.
///
/// # Errors
/// It cannot be pulled, or is another than expected; nothing is left then.
pub fn fetch(store: &Store, wanted: &Wanted<'_>, watch: &dyn Watch) -> Result<Fetched, CacheError> {
    let there = |pinned: &str| -> Result<Option<Fetched>, CacheError> {
        let entry = recorded(store, wanted, pinned)?;
        Ok(entry.map(|entry| Fetched {
            entry,
            fetched: false,
        }))
    };
    if wanted.image.is_pinned()
        && let Some(fetched) = there(&wanted.image.to_string())?
    {
        return Ok(fetched);
    }
    let found = find(wanted.image, wanted.artifact.arch(), wanted.login)?;
    let key = Digest::of(format!("{} {}", found.pinned, wanted.artifact.arch()).as_bytes());
    let Some(_lock) = store.lock(&key, watch)? else {
        return Err(CacheError::Stopped);
    };
    // Another process may have been first.
    if let Some(fetched) = there(&found.pinned)? {
        return Ok(fetched);
    }
    let staging = store.partial(&key).with_extension("oci");
    let entry = pack(store, wanted, &found, &staging, watch);
    if entry.is_err() {
        // The first error counts; nothing may be there at all.
        let _ = fs::remove_file(&staging);
    }
    Ok(Fetched {
        entry: entry?,
        fetched: true,
    })
}

/// The entry of just this image as this artifact, whose bytes are still what they were.
fn recorded(store: &Store, wanted: &Wanted<'_>, pinned: &str) -> Result<Option<Entry>, CacheError> {
    let same = |entry: &Entry| {
        entry.source == pinned
            && entry.verified.by == VerifiedBy::Manifest
            && match wanted.expected {
                Some(digest) => entry.sha256 == *digest,
                // What came from another machine is what a lock says, or is pulled here.
                None => !entry.imported,
            }
    };
    let Some(entry) = store.entry(wanted.artifact).filter(same) else {
        return Ok(None);
    };
    Ok(still_good(store, &entry.sha256)?.then_some(entry))
}

fn pack(
    store: &Store,
    wanted: &Wanted<'_>,
    found: &Found,
    staging: &Path,
    watch: &dyn Watch,
) -> Result<Entry, CacheError> {
    let mut out = Watched {
        file: BufWriter::with_capacity(BUFFER, create(staging)?),
        progress: Progress {
            received: 0,
            total: Some(found.size()),
        },
        watch,
    };
    let packed = found.fetch(&mut out);
    if watch.stopped() {
        return Err(CacheError::Stopped);
    }
    let Packed { sha256, size, .. } = packed?;
    let failed = || HostError::file("write", staging);
    let file = out
        .file
        .into_inner()
        .map_err(io::IntoInnerError::into_error);
    file.and_then(|file: File| file.sync_all())
        .map_err(failed())?;
    if let Some(digest) = wanted.expected.filter(|digest| **digest != sha256) {
        return Err(CacheError::Content {
            what: wanted.artifact.to_string(),
            why: format!("its digest is {sha256}, not {digest}"),
        });
    }
    store.adopt(staging, &sha256)?;
    let incoming = Incoming {
        artifact: wanted.artifact.clone(),
        kind: ArtifactKind::Oci,
        source: found.pinned.clone(),
        verified: Verified::with(VerifiedBy::Manifest, &found.digest),
    };
    store.record(&sha256, size, &incoming)
}

/// The file, and who watches it grow.
struct Watched<'a> {
    file: BufWriter<File>,
    progress: Progress,
    watch: &'a dyn Watch,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.watch.stopped() {
            return Err(io::Error::other("interrupted"));
        }
        let written = self.file.write(bytes)?;
        self.progress.received += written as u64;
        self.watch.progress(self.progress);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
