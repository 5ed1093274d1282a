//! What goes wrong with the cache.

use std::path::PathBuf;

use trustnet_core::artifact::Digest;
use trustnet_core::artifact::checksums::ChecksumsError;

use super::download::DownloadError;
use super::oci::OciError;
use crate::error::HostError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file of the cache could not be read or written.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file could not be fetched.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// An image could not be pulled.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// What was to be put into the cache is not what it should be.
    #[error("failed to put {what} into the cache: {why}")]
    Content {
        /// Which artifact.
        what: String,
        /// Why.
        why: String,
    },
    /// A file in the cache is no longer what it was.
    #[error(
        "failed to use {digest} from the cache: its bytes have changed (they hash to {found}); moved to `{moved}`"
    )]
    Damaged {
        /// Its digest.
        digest: Digest,
        /// What its bytes have now.
        found: Digest,
        /// Where it was put.
        moved: PathBuf,
    },
    /// A file is not in the cache.
    #[error("failed to find {0} in the cache")]
    Missing(Digest),
    /// Nothing vouches for a file.
    #[error("failed to fetch {what} from `{url}`: nothing says what it must be")]
    Unverifiable {
        /// What.
        what: String,
        /// From where.
        url: String,
    },
    /// The publisher's list does not vouch for the file.
    #[error("failed to verify {what} by `{url}`: {source}")]
    Checksums {
        /// What.
        what: String,
        /// The list.
        url: String,
        /// Why.
        source: ChecksumsError,
    },
    /// A signature is not good.
    #[error("failed to verify the signature of `{what}`: {why}")]
    Signature {
        /// What is signed.
        what: String,
        /// Why.
        why: String,
    },
    /// An archive of artifacts is not one.
    #[error("failed to import artifacts: {0}; nothing was taken from it")]
    Import(String),
    /// An archive of artifacts cannot be written.
    #[error("failed to export artifacts: {0}")]
    Export(String),
    /// No version is what was asked for.
    #[error("failed to find a version for `{request}` at `{url}`: {why}")]
    Version {
        /// What was asked for.
        request: String,
        /// Where versions were looked up.
        url: String,
        /// Why.
        why: String,
    },
    /// The user interrupted.
    #[error("interrupted")]
    Stopped,
}

impl CacheError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Damaged { .. } | Self::Missing(_) => Some("fetch it again"),
            Self::Unverifiable { .. } => {
                Some("give its sha256, or the URL of the publisher's list of checksums")
            }
            Self::Import(_) => Some("export it again where it comes from"),
            Self::Download(error) => error.hint(),
            Self::Oci(error) => error.hint(),
            Self::Checksums { .. }
            | Self::Signature { .. }
            | Self::Host(_)
            | Self::Content { .. }
            | Self::Export(_)
            | Self::Version { .. }
            | Self::Stopped => None,
        }
    }
}
