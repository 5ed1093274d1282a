//! Artifacts behind a URL: nothing is taken that nobody vouches for.

use trustnet_core::artifact::{
    ArtifactId, ArtifactKind, Checksum, Digest, Entry, Signature, Trust, UrlSource, Verified,
    VerifiedBy, checksums,
};

use super::download::{Expected, Fetch, Request, Watch};
use super::error::CacheError;
use super::signature;
use super::store::disk::checksum_of;
use super::store::{Incoming, Store};
use crate::error::HostError;

/// The longest list of checksums, and the longest signature.
const LIST: u64 = 4 << 20;

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
        return Err(unverifiable(artifact, &source.url));
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
        checksum: vouched(from, artifact, &source.url, trust, watch)?,
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

/// By what goes what is on its way: by its digest where that is known before.
fn key(url: &str, checksum: &Checksum) -> Digest {
    match checksum {
        Checksum::Sha256(digest) => *digest,
        Checksum::Sha512(_) => Digest::of(format!("{url} {checksum}").as_bytes()),
    }
}

/// The checksum that a file must have.
fn vouched(
    from: &dyn Fetch,
    artifact: &ArtifactId,
    url: &str,
    trust: &Trust,
    watch: &dyn Watch,
) -> Result<Checksum, CacheError> {
    let (list_url, name, signed) = match trust {
        Trust::Pinned(checksum) => return Ok(*checksum),
        Trust::Published {
            url,
            name,
            signature,
        } => (url, name, signature),
    };
    if signed.is_none() && !list_url.starts_with("https://") {
        // Whoever can change the file on its way can change such a list too.
        return Err(unverifiable(artifact, url));
    }
    let document = |url: &str| from.document(&Request::new(url), LIST, watch);
    let list = document(list_url)?;
    let list = match signed {
        None => list,
        Some(Signature::OpenPgp { url: None, keys }) => {
            signature::clearsigned(list_url, &list, keys)?
        }
        Some(Signature::OpenPgp {
            url: Some(url),
            keys,
        }) => {
            signature::detached(list_url, &list, &document(url)?, keys)?;
            list
        }
        Some(Signature::Minisign { url, key }) => {
            signature::minisign(list_url, &list, &document(url)?, key)?;
            list
        }
    };
    let last = url
        .split(['?', '#'])
        .next()
        .and_then(|path| path.rsplit('/').next());
    let name = name.as_deref().or(last).unwrap_or_default();
    checksums::find(&String::from_utf8_lossy(&list), name).map_err(|source| CacheError::Checksums {
        artifact: artifact.clone(),
        url: list_url.clone(),
        source,
    })
}

/// How what is vouched for in this way is recorded.
fn verified(trust: &Trust) -> Verified {
    match trust {
        Trust::Pinned(_) => Verified::by(VerifiedBy::Pin),
        Trust::Published {
            url,
            signature: None,
            ..
        } => Verified::with(VerifiedBy::Checksums, url),
        Trust::Published {
            url,
            signature: Some(signature),
            ..
        } => {
            let by = match signature {
                Signature::OpenPgp { keys, .. } => {
                    format!("OpenPGP keys {}", Digest::of(keys).short())
                }
                Signature::Minisign { key, .. } => format!("minisign key {key}"),
            };
            Verified::with(VerifiedBy::SignedChecksums, format!("{url}, {by}"))
        }
    }
}

fn unverifiable(artifact: &ArtifactId, url: &str) -> CacheError {
    CacheError::Unverifiable {
        artifact: artifact.clone(),
        url: url.to_owned(),
    }
}
