//! Where an artifact comes from, and what vouches for it.

use std::fmt;

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
