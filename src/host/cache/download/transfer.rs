//! A file over HTTP: attempts that go on where the last one stopped, until it is whole.

use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{
    CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE, TRANSFER_ENCODING,
};

use super::content::Content;
use super::http::Http;
use super::partial::{Origin, Partial};
use super::{DownloadError, Progress, Request, Watch};

/// What one attempt came to.
enum Attempt {
    /// All is there.
    Whole,
    /// What was there before is of no use: begin anew.
    Anew,
}

impl Http {
    /// One attempt at a file: goes on where the last one stopped, if the server can.
    fn attempt(
        &self,
        request: &Request,
        partial: &mut Partial,
        expected: &Content,
        watch: &dyn Watch,
    ) -> Result<Attempt, DownloadError> {
        let url = &request.url;
        // Without a checksum nothing tells that two halves belong together.
        let known = expected.checksum.is_some();
        let origin = partial
            .origin()
            .filter(|origin| known && origin.url == *url);
        if origin.is_none() && partial.length > 0 {
            partial.restart()?;
        }
        let more = resume(partial.length, origin.as_ref());
        let response = self.ask(request, &more, watch)?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // What is there is not the file: else nothing had been asked.
            return Ok(Attempt::Anew);
        }
        let begins = begins_at(&response);
        match begins {
            Some(start) if start == partial.length => {}
            None if response.status() == StatusCode::OK => partial.restart()?,
            _ => return Ok(Attempt::Anew),
        }
        if partial.length == 0 {
            let origin = validator(url, response.headers()).filter(|_| known);
            partial.remember(origin.as_ref());
        }
        let total = response
            .content_length()
            .map(|rest| rest.saturating_add(partial.length));
        self.check_total(url, total, expected)?;
        if !known && total.is_none() && expected.size.is_none() && !is_chunked(&response) {
            return Err(DownloadError::Endless { url: url.clone() });
        }
        let most = expected.size.unwrap_or(self.limits.size);
        let read = self.read(url, response, watch, |bytes| {
            if partial.length + bytes.len() as u64 > most {
                return Err(too_much(
                    url,
                    expected,
                    most,
                    partial.length + bytes.len() as u64,
                ));
            }
            partial.add(bytes)?;
            watch.progress(Progress {
                received: partial.length,
                total: total.or(expected.size),
            });
            Ok(())
        });
        read?;
        match expected.size {
            // A connection that ends a body without a length by just ending may have ended too early.
            Some(size) if partial.length < size => Err(DownloadError::Broken {
                url: url.clone(),
                received: partial.length,
                source: None,
            }),
            _ => Ok(Attempt::Whole),
        }
    }

    /// Whether so many bytes are right, before they come.
    fn check_total(
        &self,
        url: &str,
        total: Option<u64>,
        expected: &Content,
    ) -> Result<(), DownloadError> {
        match (total, expected.size) {
            (Some(found), Some(size)) if found != size => Err(DownloadError::Size {
                url: url.to_owned(),
                expected: size,
                found,
            }),
            (Some(found), None) if found > self.limits.size => Err(DownloadError::TooLarge {
                url: url.to_owned(),
                limit: self.limits.size,
            }),
            _ => Ok(()),
        }
    }

    /// Tries until what is there has an end, be it right or wrong.
    pub(super) fn receive(
        &self,
        request: &Request,
        partial: &mut Partial,
        expected: &Content,
        watch: &dyn Watch,
    ) -> Result<(), DownloadError> {
        for last in [false, true] {
            let ended = self.persist(&request.url, watch, || {
                let before = partial.length;
                let ended = self.attempt(request, partial, expected, watch);
                // Bytes of a former attempt count like those of a former run.
                partial.resumed |= before > 0 && partial.length > before;
                ended
            });
            // What was resumed may be of two contents: once more, from the beginning.
            let mixed = match ended {
                Ok(Attempt::Whole) => partial.resumed && expected.is_unlike(partial),
                Ok(Attempt::Anew) => true,
                Err(DownloadError::Size { .. } | DownloadError::TooLarge { .. })
                    if partial.resumed && !last =>
                {
                    true
                }
                Err(error) => return Err(error),
            };
            if !mixed {
                break;
            }
            if !last {
                partial.restart()?;
            }
        }
        Ok(())
    }
}

fn too_much(url: &str, expected: &Content, limit: u64, found: u64) -> DownloadError {
    let url = url.to_owned();
    match expected.size {
        Some(expected) => DownloadError::Size {
            url,
            expected,
            found,
        },
        None => DownloadError::TooLarge { url, limit },
    }
}

/// The headers that ask for the rest of a file, if it is still the same one.
fn resume(length: u64, origin: Option<&Origin>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let validator = origin.and_then(|origin| origin.validator.parse().ok());
    let range = format!("bytes={length}-").parse().ok();
    if let (true, Some(validator), Some(range)) = (length > 0, validator, range) {
        headers.insert(IF_RANGE, validator);
        headers.insert(RANGE, range);
    }
    headers
}

/// Whether a body says itself where it ends.
fn is_chunked(response: &Response) -> bool {
    let coding = response.headers().get(TRANSFER_ENCODING);
    coding.is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

/// Where a part of a file begins; none for a whole file, or for what cannot be read.
fn begins_at(response: &Response) -> Option<u64> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return None;
    }
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .parse()
        .ok()
}

/// What tells this content from another at the same place. A weak ETag does not tell bytes apart.
fn validator(url: &str, headers: &HeaderMap) -> Option<Origin> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let strong = text(ETAG).filter(|etag| !etag.starts_with("W/"));
    let validator = strong.or_else(|| text(LAST_MODIFIED))?;
    Some(Origin {
        url: url.to_owned(),
        validator: validator.to_owned(),
    })
}
