//! What a file must be, and who says so: a checksum that was known before, or its publisher's list.

use trustnet_core::artifact::{
    Checksum, Digest, Signature, Trust, Verified, VerifiedBy, checksums,
};

use super::download::{Fetch, Request, Watch};
use super::error::CacheError;
use super::signature;

/// The longest list of checksums, and the longest signature.
const LIST: u64 = 4 << 20;

/// By what goes what is on its way: by its digest where that is known before.
pub(crate) fn key(url: &str, checksum: &Checksum) -> Digest {
    match checksum {
        Checksum::Sha256(digest) => *digest,
        Checksum::Sha512(_) => Digest::of(format!("{url} {checksum}").as_bytes()),
    }
}

/// The checksum that the file behind a URL must have.
///
/// # Errors
/// What should say so is not to be had, is signed badly, or says nothing of the file.
pub(crate) fn vouched(
    from: &dyn Fetch,
    what: &str,
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
    let safe = ["https://", "file://"]
        .iter()
        .any(|way| list_url.starts_with(way));
    if signed.is_none() && !safe {
        // Whoever can change the file on its way can change such a list too.
        return Err(unverifiable(what, url));
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
        what: what.to_owned(),
        url: list_url.clone(),
        source,
    })
}

/// How what is vouched for in this way is recorded.
pub(crate) fn verified(trust: &Trust) -> Verified {
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

/// What is said where nobody vouches for a file.
pub(crate) fn unverifiable(what: impl Into<String>, url: &str) -> CacheError {
    CacheError::Unverifiable {
        what: what.into(),
        url: url.to_owned(),
    }
}
