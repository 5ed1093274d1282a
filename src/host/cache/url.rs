//! Artifacts behind a URL: nothing is taken that nobody vouches for.

use trustnet_core::artifact::{
    ArtifactId, ArtifactKind, Checksum, Digest, Entry, Trust, UrlSource,
};

use super::download::{Expected, Fetch, Request, Watch};
use super::error::CacheError;
use super::store::disk::checksum_of;
use super::store::{Incoming, Store};
use super::vouch::{key, unverifiable, verified, vouched};
use crate::error::HostError;

/// What a fetch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What is in the store now.
    pub entry: Entry,
    /// Whether it had to be fetched; else it was there, and its bytes hash to what they should.
    pub fetched: bool,
}

/// Gets an artifact into the store, if it is not there as it should be.
///
/// # Errors
/// Nothing vouches for it, or what vouches does not; it is not to be had, or is something else.
pub fn fetch(
    store: &Store,
    from: &dyn Fetch,
    artifact: &ArtifactId,
    source: &UrlSource,
    watch: &dyn Watch,
) -> Result<Fetched, CacheError> {
    let Some(trust) = &source.trust else {
        return Err(unverifiable(artifact.to_string(), &source.url));
    };
    let incoming = Incoming {
        artifact: artifact.clone(),
        kind: ArtifactKind::Url,
        source: source.url.clone(),
        verified: verified(trust),
    };
    if let Some(entry) = recorded(store, &incoming, trust)? {
        return Ok(Fetched {
            entry,
            fetched: false,
        });
    }
    let expected = Expected {
        checksum: vouched(from, &artifact.to_string(), &source.url, trust, watch)?,
        size: source.size,
    };
    get(store, from, &incoming, &expected, watch)
}

/// Gets a file of a known checksum into the store: one process does, and others wait and use it.
fn get(
    store: &Store,
    from: &dyn Fetch,
    incoming: &Incoming,
    expected: &Expected,
    watch: &dyn Watch,
) -> Result<Fetched, CacheError> {
    let key = key(&incoming.source, &expected.checksum);
    let Some(_lock) = store.lock(&key, watch)? else {
        return Err(CacheError::Stopped);
    };
    if let Some(digest) = there(store, incoming, &expected.checksum)? {
        let size = store.size(&digest)?;
        return Ok(Fetched {
            entry: store.record(&digest, size, incoming)?,
            fetched: false,
        });
    }
    let partial = store.partial(&key);
    let received = from.file(&Request::new(&incoming.source), &partial, expected, watch)?;
    store.adopt(&partial, &received.digest)?;
    Ok(Fetched {
        entry: store.record(&received.digest, received.size, incoming)?,
        fetched: true,
    })
}

/// The entry of just this artifact from just this source, verified in just this way, whose bytes are still
/// what they were.
fn recorded(
    store: &Store,
    incoming: &Incoming,
    trust: &Trust,
) -> Result<Option<Entry>, CacheError> {
    let same = |entry: &Entry| {
        entry.source == incoming.source
            && entry.verified == incoming.verified
            && match trust {
                Trust::Pinned(Checksum::Sha256(digest)) => entry.sha256 == *digest,
                // Whether it has this checksum, the file itself will say.
                Trust::Pinned(Checksum::Sha512(_)) => false,
                Trust::Published { .. } => !entry.imported,
            }
    };
    let Some(entry) = store.entry(&incoming.artifact).filter(same) else {
        return Ok(None);
    };
    Ok(still_good(store, &entry.sha256)?.then_some(entry))
}

/// The digest of the file with this checksum, if it is in the store and its bytes are still what they were.
fn there(
    store: &Store,
    incoming: &Incoming,
    checksum: &Checksum,
) -> Result<Option<Digest>, CacheError> {
    let digest = match checksum {
        Checksum::Sha256(digest) => *digest,
        Checksum::Sha512(_) => match store.entry(&incoming.artifact) {
            Some(entry) if store.have(&entry.sha256) => {
                let path = store.path(&entry.sha256);
                let found = checksum_of(&path, checksum).map_err(HostError::file("read", path))?;
                if found != *checksum {
                    return Ok(None);
                }
                entry.sha256
            }
            _ => return Ok(None),
        },
    };
    Ok(still_good(store, &digest)?.then_some(digest))
}

/// Whether a blob is there and still what it was; one that is not is moved aside, and got again.
pub(super) fn still_good(store: &Store, digest: &Digest) -> Result<bool, CacheError> {
    match store.verify_one(digest) {
        Ok(_) => Ok(true),
        Err(CacheError::Missing(_)) => Ok(false),
        Err(error @ CacheError::Damaged { .. }) => {
            tracing::warn!(%error, "it is fetched again");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
