//! What went wrong with the world. The variant says what was being done, to what; the source says why.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::cache::error::CacheError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The hypervisor was not reached.
    #[error("failed to connect to `{uri}`")]
    Connect {
        /// The connection URI.
        uri: String,
        /// Why.
        source: BackendError,
    },
    /// The hypervisor refused something about a domain, a network or itself.
    #[error("failed to {doing}")]
    Vm {
        /// What was being done, to what.
        doing: String,
        /// Why.
        source: BackendError,
    },
    /// The hypervisor refused something about a pool or a volume.
    #[error("failed to {doing}")]
    Storage {
        /// What was being done, to what.
        doing: String,
        /// Why.
        source: BackendError,
    },
    /// A file of the user's own.
    #[error("failed to {doing} `{path}`")]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A secret that is given by reference was not found.
    #[error("failed to read the secret from {from}: {why}")]
    Secret {
        /// The reference.
        from: String,
        /// Why.
        why: String,
        /// The next action, where it is not to look at the reference.
        hint: Option<String>,
    },
    /// A key could not be made or read.
    #[error("failed to {doing}: {why}")]
    Key {
        /// What was being done, to what.
        doing: String,
        /// Why.
        why: String,
    },
    /// An artifact is not there, or is not what it should be.
    #[error(transparent)]
    Artifact(Box<CacheError>),
    /// The journal cannot be read.
    #[error("failed to read the journal `{path}`: {why}")]
    Journal {
        /// The journal's folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Why a hypervisor refused, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// What kind of refusal.
    pub kind: BackendErrorKind,
    /// The hypervisor's own words.
    pub message: String,
}

/// What kind of refusal; decided by code, never by text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendErrorKind {
    /// The thing is not there, and the hypervisor is sure of it.
    NotFound,
    /// The thing is there already.
    Exists,
    /// The hypervisor, or this version of it, cannot do that.
    Unsupported,
    /// Anything else.
    Other,
}

/// What went wrong, and why, and why that: the error and its sources in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl BackendError {
    /// A refusal in our own words, for what the hypervisor itself cannot say.
    pub fn other(message: impl Into<String>) -> Self {
        Self {
            kind: BackendErrorKind::Other,
            message: message.into(),
        }
    }
}

impl HostError {
    /// Wraps an error about a domain, a network or the host.
    pub fn vm<E: Into<BackendError>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::Vm {
            doing,
            source: source.into(),
        }
    }

    /// Wraps an error about a pool or a volume.
    pub fn storage<E: Into<BackendError>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::Storage {
            doing,
            source: source.into(),
        }
    }

    /// Wraps an error about a file of the user's own.
    pub fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}
