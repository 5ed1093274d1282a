//! Getting files from a mirror.

use std::fs::File;
use std::io::{self, Read, Write};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use serde::{Deserialize, Serialize};

use crate::cache::download::Limits;
use crate::cache::download::http::client;

/// Where files come from. A file is given as it comes: who asks verifies it.
pub trait Fetch {
    /// Writes what is at a URL, of at most so many bytes; nothing, if it is still what it was.
    ///
    /// # Errors
    /// It is not to be had, or larger; what was written is then of no use.
    fn get(
        &self,
        url: &str,
        known: Option<&Validators>,
        limit: u64,
        sink: &mut dyn Write,
    ) -> Result<Answer, FetchError>;
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All of it was written.
    Whole(Validators),
    /// It is what it was.
    NotModified,
}

/// By what a server knows which version of a file one has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Validators {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is not there.
    #[error("it is not there")]
    NotFound,
    /// The server refused.
    #[error("the server says {0}")]
    Status(StatusCode),
    /// It is larger than it may be.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// The server was not reached.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// It stopped in the middle, or could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A mirror over HTTP and HTTPS, or in a folder by `file:///path`.
#[derive(Debug)]
pub struct Mirror {
    client: Client,
}

impl Mirror {
    /// A client with the proxy of the environment.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new() -> Result<Self, FetchError> {
        let client = client(&Limits::default(), None, false)?;
        Ok(Self { client })
    }
}

impl Fetch for Mirror {
    fn get(
        &self,
        url: &str,
        known: Option<&Validators>,
        limit: u64,
        sink: &mut dyn Write,
    ) -> Result<Answer, FetchError> {
        if let Some(path) = url.strip_prefix("file://") {
            let file = File::open(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => FetchError::NotFound,
                _ => error.into(),
            })?;
            copy(file, limit, sink)?;
            return Ok(Answer::Whole(Validators::default()));
        }
        let mut request = self.client.get(url);
        for (name, value) in known.into_iter().flat_map(conditions) {
            request = request.header(name, value);
        }
        let response = request.send()?;
        match response.status() {
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Answer::NotModified),
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::NotFound),
            status => return Err(FetchError::Status(status)),
        }
        let validators = validators(&response);
        copy(response, limit, sink)?;
        Ok(Answer::Whole(validators))
    }
}

fn conditions(known: &Validators) -> impl Iterator<Item = (HeaderName, &str)> {
    let etag = known.etag.as_deref().map(|etag| (IF_NONE_MATCH, etag));
    let time = known.last_modified.as_deref();
    etag.into_iter()
        .chain(time.map(|time| (IF_MODIFIED_SINCE, time)))
}

fn validators(response: &Response) -> Validators {
    let text = |headers: &HeaderMap, name| {
        let value = headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    Validators {
        etag: text(response.headers(), ETAG),
        last_modified: text(response.headers(), LAST_MODIFIED),
    }
}

fn copy(source: impl Read, limit: u64, sink: &mut dyn Write) -> Result<(), FetchError> {
    let copied = io::copy(&mut source.take(limit.saturating_add(1)), sink)?;
    if copied > limit {
        return Err(FetchError::TooLarge(limit));
    }
    Ok(())
}
