//! Local builds: what is there now is taken, and its digest with it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use trustnet_core::artifact::{ArtifactId, ArtifactKind, Entry, Verified, VerifiedBy};

use super::error::CacheError;
use super::store::disk::{create, hash};
use super::store::{Incoming, Store, key_of};
use crate::error::HostError;

/// Takes a file of this machine into the store. The copy is hashed, not the file, which may change meanwhile; where
/// the file system can, the copy shares its blocks.
///
/// # Errors
/// It cannot be read, or is no file.
pub fn take(store: &Store, artifact: &ArtifactId, path: &Path) -> Result<Entry, CacheError> {
    let incoming = Incoming {
        artifact: artifact.clone(),
        kind: ArtifactKind::File,
        source: path.display().to_string(),
        verified: Verified::by(VerifiedBy::LocalBuild),
    };
    let mut from = File::open(path).map_err(HostError::file("read", path))?;
    let facts = from.metadata().map_err(HostError::file("read", path))?;
    if !facts.is_file() {
        return Err(CacheError::Content {
            what: artifact.to_string(),
            why: format!("`{}` is no file", path.display()),
        });
    }
    let key = key_of(artifact);
    let Some(_lock) = store.lock(&key, &())? else {
        return Err(CacheError::Stopped);
    };
    let staging = store.partial(&key).with_extension("copy");
    let taken = copy(store, &mut from, &staging, &incoming);
    if taken.is_err() {
        // The first error counts; nothing may be there at all.
        let _ = fs::remove_file(&staging);
    }
    taken
}

fn copy(
    store: &Store,
    from: &mut File,
    staging: &Path,
    incoming: &Incoming,
) -> Result<Entry, CacheError> {
    let failed = || HostError::file("write", staging);
    let mut copy = create(staging)?;
    io::copy(from, &mut copy).map_err(failed())?;
    copy.sync_all().map_err(failed())?;
    let (digest, size) = File::open(staging).and_then(hash).map_err(failed())?;
    store.adopt(staging, &digest)?;
    store.record(&digest, size, incoming)
}
