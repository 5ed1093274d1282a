//! Getting files over HTTP, resumed, bounded and verified; it knows nothing of the cache.

/// What a file must be, as far as that is known, and whether it is that.
mod content;
/// What goes wrong with a download.
pub mod error;
/// Over HTTP and HTTPS.
pub mod http;
/// Out of this machine's own files.
pub mod local;
/// A file that is not whole yet, and what is known of where it comes from.
mod partial;
/// URLs as they may be shown.
mod shown;
/// Attempts at a file, until it is whole.
mod transfer;
/// Waiting for a server, so that it can be stopped.
mod waiting;

use std::path::Path;

use trustnet_core::artifact::{Checksum, Digest};

pub use error::DownloadError;
pub use http::{Http, Limits};
pub use local::WithLocal;
pub use shown::shown;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `https://…` or `http://…`, without a password in it.
    pub url: String,
    /// Headers beside the usual ones.
    pub headers: Vec<(String, String)>,
}

/// What a file must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its checksum. Without one there is only [`Fetch::unvouched`].
    pub checksum: Checksum,
    /// Its size, where that is known.
    pub size: Option<u64>,
}

/// What has been received, whole and as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
}

/// How far a download has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there.
    pub received: u64,
    /// Bytes that are to come in all, where that is known.
    pub total: Option<u64>,
}

/// Who watches a download.
pub trait Watch: Sync {
    /// It has come so far.
    fn progress(&self, _progress: Progress) {}

    /// It failed, and is tried again.
    fn again(&self, _why: &DownloadError) {}

    /// Whether to stop.
    fn stopped(&self) -> bool {
        false
    }
}

impl Watch for () {}

/// Where files come from. The door to the network: a test may put a folder behind it.
pub trait Fetch: Send + Sync {
    /// A small document, whole, of at most so many bytes: an index, a list of checksums. Nothing has
    /// verified it.
    ///
    /// # Errors
    /// It is not to be had, or larger.
    fn document(
        &self,
        request: &Request,
        limit: u64,
        watch: &dyn Watch,
    ) -> Result<Vec<u8>, DownloadError>;

    /// A file, to this path, whole, synced and verified. What a former attempt left there is gone on with
    /// where the server can. After a failure that may pass something may be left there for the next attempt;
    /// after one that will not, nothing is.
    ///
    /// # Errors
    /// It is not to be had, or is not what was expected.
    fn file(
        &self,
        request: &Request,
        to: &Path,
        expected: &Expected,
        watch: &dyn Watch,
    ) -> Result<Received, DownloadError>;

    /// A file of which nothing is known but, perhaps, its size: only for who has said that it need not be. It
    /// always comes from its beginning, as nothing would tell that two halves belong together; after a failure
    /// nothing is left.
    ///
    /// # Errors
    /// It is not to be had, has another size or none that can be known, or is a web page.
    fn unvouched(
        &self,
        request: &Request,
        to: &Path,
        size: Option<u64>,
        watch: &dyn Watch,
    ) -> Result<Received, DownloadError>;
}

impl Request {
    /// This URL, and nothing beside.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
        }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl Expected {
    /// This digest, and any size.
    #[must_use]
    pub fn digest(digest: Digest) -> Self {
        Self {
            checksum: digest.into(),
            size: None,
        }
    }
}
