//! Where an artifact comes from, and what vouches for it.

use std::fmt;

use trustnet_api::service::Checksums;

use super::Digest;
use super::digest::{hex, unhex};

/// A checksum that a file must have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256.
    Sha256(Digest),
    /// SHA-512.
    Sha512([u8; 64]),
}

/// A file behind a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlSource {
    /// `https://…`; `http://…` only where a digest is pinned.
    pub url: String,
    /// Its size, where it is known before.
    pub size: Option<u64>,
    /// What vouches for it; nothing is fetched without.
    pub trust: Option<Trust>,
}

/// What vouches for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Its checksum is known before.
    Pinned(Checksum),
    /// The publisher's list of checksums.
    Published {
        /// Where the list is.
        url: String,
        /// The name of the file in the list; else the last part of its URL.
        name: Option<String>,
        /// What vouches for the list; else its https.
        signature: Option<Signature>,
    },
}

/// A signature over a publisher's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// OpenPGP.
    OpenPgp {
        /// Where the detached signature is; none where the list itself is clearsigned.
        url: Option<String>,
        /// The publisher's keys, exported, with or without armour.
        keys: Vec<u8>,
    },
    /// minisign, or signify.
    Minisign {
        /// Where the signature is.
        url: String,
        /// The publisher's key: its second line.
        key: String,
    },
}

impl Trust {
    /// A publisher's list, as it was written; `keys` gives what a file with keys holds, by its name.
    ///
    /// # Errors
    /// The keys cannot be had.
    pub fn published<E>(
        list: &Checksums,
        keys: impl FnOnce(&str) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let signature = match (&list.minisign, &list.minisign_key, &list.keyring) {
            (Some(url), Some(key), _) => Some(Signature::Minisign {
                url: url.clone(),
                key: key.clone(),
            }),
            (_, _, Some(keyring)) => Some(Signature::OpenPgp {
                url: list.signature.clone(),
                keys: keys(keyring)?,
            }),
            _ => None,
        };
        Ok(Self::Published {
            url: list.url.clone(),
            name: list.name.clone(),
            signature,
        })
    }
}

impl Checksum {
    /// Reads the digits of a checksum; their number tells which.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let bytes = unhex(digits)?;
        match bytes.len() {
            32 => bytes
                .try_into()
                .ok()
                .map(|b| Self::Sha256(Digest::from_bytes(b))),
            64 => bytes.try_into().ok().map(Self::Sha512),
            _ => None,
        }
    }

    /// Reads a checksum with its algorithm before it: `sha256:…` or `sha512:…`, as one is shown.
    #[must_use]
    pub fn labelled(text: &str) -> Option<Self> {
        let (algorithm, digits) = text.split_once(':')?;
        Self::parse(digits).filter(|checksum| checksum.algorithm() == algorithm)
    }

    /// The name of the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "sha256:{digest}"),
            Self::Sha512(bytes) => write!(f, "sha512:{}", hex(bytes)),
        }
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for Checksum {
    fn from(digest: Digest) -> Self {
        Self::Sha256(digest)
    }
}
