//! What is recorded of an artifact that is in the cache.

use serde::{Deserialize, Serialize};

use super::{ArtifactId, ArtifactKind, Digest};

/// What is recorded of an artifact: which it is, what it holds, where that came from, how it was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// How it was fetched.
    pub kind: ArtifactKind,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// How many bytes there are.
    pub size: u64,
    /// Where they came from: a URL, a path, an image.
    pub source: String,
    /// How they were verified.
    pub verified: Verified,
    /// When they were put into the cache, in UTC, as RFC 3339 has it.
    pub when: String,
    /// Whether they came in an archive that another machine exported.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

/// How an artifact was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verified {
    /// By what.
    pub by: VerifiedBy,
    /// By which: the URL of a list, a key's fingerprint, the digest of a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What vouched for an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerifiedBy {
    /// A checksum that was known before: in the service's definition, or in the lock file.
    Pin,
    /// The publisher's list of checksums, fetched over https.
    Checksums,
    /// The publisher's list of checksums, signed.
    SignedChecksums,
    /// The signed index of a package archive.
    SignedIndex,
    /// The manifest of a container image, itself known by its digest.
    Manifest,
    /// Nobody else: it was built on this machine, and hashed when it was taken.
    LocalBuild,
    /// Nobody else: it was a file of this machine.
    LocalFile,
    /// Nobody: the user took it without a checksum and without a signature.
    Nobody,
}

impl Verified {
    /// By this, and no more to say.
    #[must_use]
    pub fn by(by: VerifiedBy) -> Self {
        Self { by, detail: None }
    }

    /// By this, and by which.
    #[must_use]
    pub fn with(by: VerifiedBy, detail: impl Into<String>) -> Self {
        Self {
            by,
            detail: Some(detail.into()),
        }
    }
}

impl VerifiedBy {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "a pinned checksum",
            Self::Checksums => "the publisher's checksums",
            Self::SignedChecksums => "the publisher's signed checksums",
            Self::SignedIndex => "the archive's signed index",
            Self::Manifest => "the image's manifest",
            Self::LocalBuild => "a local build, as it was",
            Self::LocalFile => "nobody: a local file, as it was",
            Self::Nobody => "nobody: it was taken without a checksum",
        }
    }
}
