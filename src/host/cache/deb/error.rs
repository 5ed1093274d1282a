//! What goes wrong with an archive. The variant says what was being done, to what; the source says why.

use trustnet_core::deb::{ClosureError, IndexError, ReleaseFileError};

use super::fetch::FetchError;
use super::signature::SignatureError;
use crate::error::HostError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// A file could not be fetched.
    #[error("failed to fetch `{url}`")]
    Fetch {
        /// From where.
        url: String,
        /// Why.
        source: FetchError,
    },
    /// Nothing may be fetched, and something is not there.
    #[error("failed to find `{url}` in the cache, and nothing may be fetched")]
    Offline {
        /// Where it would be.
        url: String,
    },
    /// A `Release` file is not signed as it must be.
    #[error("failed to verify `{url}`")]
    Signature {
        /// Which.
        url: String,
        /// Why.
        source: SignatureError,
    },
    /// A `Release` file is no good.
    #[error("failed to use `{url}`")]
    ReleaseFile {
        /// Which.
        url: String,
        /// Why.
        source: ReleaseFileError,
    },
    /// A `Release` file does not list an index.
    #[error("failed to find `{path}` in `{url}`: it is not listed")]
    NotListed {
        /// The index.
        path: String,
        /// The `Release` file.
        url: String,
    },
    /// A file is not what the archive lists.
    #[error("failed to verify `{url}`: {why}")]
    Content {
        /// Which.
        url: String,
        /// Why.
        why: String,
    },
    /// An index cannot be read.
    #[error("failed to read the package index")]
    Index(#[from] IndexError),
    /// What was asked for cannot be had.
    #[error("failed to resolve packages")]
    Closure(#[from] ClosureError),
    /// A file of the cache.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl DebError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Offline { .. } => Some("fetch it once while there is a network"),
            Self::Signature {
                source: SignatureError::Start(_),
                ..
            } => Some("install `gpgv`"),
            Self::ReleaseFile {
                source: ReleaseFileError::Expired { .. },
                ..
            } => Some(
                "try another mirror; or allow expired indexes, for a release that is no longer kept",
            ),
            Self::ReleaseFile {
                source: ReleaseFileError::Future { .. },
                ..
            } => Some("look at the clock of this host"),
            Self::Content { .. } => Some(
                "the mirror may be in the middle of an update: try again later, or another one",
            ),
            Self::Fetch { .. }
            | Self::Signature { .. }
            | Self::ReleaseFile { .. }
            | Self::NotListed { .. }
            | Self::Index(_)
            | Self::Closure(_)
            | Self::Host(_) => None,
        }
    }
}
