//! What goes wrong with a download.

use std::error::Error;
use std::io;
use std::time::Duration;

use trustnet_core::artifact::Checksum;

use crate::error::HostError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No HTTP client can be made: no certificate authorities, say.
    #[error("failed to make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// That is no URL that can be fetched.
    #[error("failed to fetch `{url}`: {why}")]
    Url {
        /// What was written.
        url: String,
        /// Why.
        why: &'static str,
    },
    /// The server was not reached, or the connection broke.
    #[error("failed to fetch `{url}`")]
    Connection {
        /// From where.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The connection broke while the body came.
    #[error("failed to fetch `{url}`: the connection ended after {received} bytes")]
    Broken {
        /// From where.
        url: String,
        /// How many bytes are there.
        received: u64,
        /// Why, where something said so.
        source: Option<io::Error>,
    },
    /// The server says no.
    #[error("failed to fetch `{url}`: the server says {status}")]
    Status {
        /// From where.
        url: String,
        /// Its status, a number and words.
        status: reqwest::StatusCode,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server sends people on to where we do not go.
    #[error("failed to fetch `{url}`: {why}")]
    Redirect {
        /// From where.
        url: String,
        /// Why not.
        why: String,
    },
    /// Nothing comes, or next to nothing.
    #[error("failed to fetch `{url}`: only {got} bytes came in {} s", .within.as_secs_f64())]
    Stalled {
        /// From where.
        url: String,
        /// How much came.
        got: u64,
        /// In which time.
        within: Duration,
    },
    /// There is more than may be.
    #[error("failed to fetch `{url}`: it is larger than {limit} bytes")]
    TooLarge {
        /// From where.
        url: String,
        /// What may be.
        limit: u64,
    },
    /// There is more or less than was expected.
    #[error("failed to fetch `{url}`: it has {found} bytes, and {expected} were expected")]
    Size {
        /// From where.
        url: String,
        /// What was expected.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// It is something else.
    #[error("failed to fetch `{url}`: what came has {found}, and {expected} was expected{}", if *.html { "; it is a web page" } else { "" })]
    Checksum {
        /// From where.
        url: String,
        /// What was expected.
        expected: Checksum,
        /// What came.
        found: Checksum,
        /// Whether it is a web page.
        html: bool,
    },
    /// It is a web page.
    #[error("failed to fetch `{url}`: what came is a web page")]
    WebPage {
        /// From where.
        url: String,
    },
    /// Nothing tells when all of it has come.
    #[error(
        "failed to fetch `{url}`: the server does not say how long it is, so nothing would tell a part from the whole"
    )]
    Endless {
        /// From where.
        url: String,
    },
    /// It is a file of this machine, and cannot be read.
    #[error("failed to read `{url}`")]
    Read {
        /// Its URL.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// It could not be written.
    #[error(transparent)]
    File(#[from] HostError),
    /// The user interrupted.
    #[error("interrupted while `{url}` was fetched")]
    Stopped {
        /// From where.
        url: String,
    },
}

impl DownloadError {
    /// Whether it may go better in a moment.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connection { source, .. } => !source.is_builder() && !is_certificate(source),
            Self::Broken { .. } | Self::Stalled { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::Client(_)
            | Self::Url { .. }
            | Self::Redirect { .. }
            | Self::TooLarge { .. }
            | Self::Size { .. }
            | Self::Checksum { .. }
            | Self::WebPage { .. }
            | Self::Endless { .. }
            | Self::Read { .. }
            | Self::File(_)
            | Self::Stopped { .. } => false,
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Client(_) => Some("install the package `ca-certificates`, or set SSL_CERT_FILE"),
            Self::Connection { source, .. } if is_certificate(source) => {
                Some("the server's certificate is checked always; SSL_CERT_FILE adds an authority")
            }
            Self::Connection { .. } => {
                Some("is there a network, or a proxy (HTTPS_PROXY) to go through?")
            }
            Self::Checksum { html: true, .. } | Self::WebPage { .. } => {
                Some("is there a log-in page between here and there?")
            }
            Self::Endless { .. } => Some("give its checksum"),
            Self::Checksum { .. } | Self::Size { .. } => Some(
                "either the publisher changed it, or somebody on the way did: find out before you change the checksum",
            ),
            _ => None,
        }
    }
}

/// Whether the server's certificate was refused.
fn is_certificate(error: &reqwest::Error) -> bool {
    let mut next = Error::source(error);
    while let Some(cause) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
            return true;
        }
        // An I/O error names not what it wraps as its source, but that one's source.
        let wrapped = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    false
}
