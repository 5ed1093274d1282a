//! Out of this machine's own files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::content::Content;
use super::partial::Partial;
use super::{DownloadError, Expected, Fetch, Progress, Received, Request, Watch, shown};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// What `file:///path` names comes from this machine, and everything else from another door. What comes is copied,
/// and verified like what comes over a network.
pub struct WithLocal<'a>(pub &'a dyn Fetch);

impl Fetch for WithLocal<'_> {
    fn document(
        &self,
        request: &Request,
        limit: u64,
        watch: &dyn Watch,
    ) -> Result<Vec<u8>, DownloadError> {
        let Some(path) = local(&request.url)? else {
            return self.0.document(request, limit, watch);
        };
        let (file, _) = open(&request.url, &path)?;
        let mut text = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut text)
            .map_err(unreadable(&request.url))?;
        if text.len() as u64 > limit {
            return Err(DownloadError::TooLarge {
                url: request.url.clone(),
                limit,
            });
        }
        Ok(text)
    }

    fn file(
        &self,
        request: &Request,
        to: &Path,
        expected: &Expected,
        watch: &dyn Watch,
    ) -> Result<Received, DownloadError> {
        match local(&request.url)? {
            Some(path) => copy(&request.url, &path, to, &expected.into(), watch),
            None => self.0.file(request, to, expected, watch),
        }
    }

    fn unvouched(
        &self,
        request: &Request,
        to: &Path,
        size: Option<u64>,
        watch: &dyn Watch,
    ) -> Result<Received, DownloadError> {
        let checksum = None;
        match local(&request.url)? {
            Some(path) => copy(&request.url, &path, to, &Content { checksum, size }, watch),
            None => self.0.unvouched(request, to, size, watch),
        }
    }
}

/// The path that a URL names on this machine; none for a URL of another kind.
fn local(url: &str) -> Result<Option<PathBuf>, DownloadError> {
    let bad = |why| DownloadError::Url {
        url: shown(url),
        why,
    };
    match Url::parse(url) {
        Ok(parsed) if parsed.scheme() == "file" => parsed
            .to_file_path()
            .map(Some)
            .map_err(|()| bad("it names no file of this machine: write `file:///path`")),
        // Who fetches it says what is wrong with it.
        _ => Ok(None),
    }
}

/// Opens a file, and gives its size. A pipe or a device has no end that it could be trusted to come to.
fn open(url: &str, path: &Path) -> Result<(File, u64), DownloadError> {
    let facts = std::fs::metadata(path).map_err(unreadable(url))?;
    if !facts.is_file() {
        return Err(unreadable(url)(io::Error::other("it is no file")));
    }
    Ok((File::open(path).map_err(unreadable(url))?, facts.len()))
}

fn unreadable(url: &str) -> impl FnOnce(io::Error) -> DownloadError {
    let url = url.to_owned();
    move |source| DownloadError::Read { url, source }
}

fn copy(
    url: &str,
    path: &Path,
    to: &Path,
    content: &Content,
    watch: &dyn Watch,
) -> Result<Received, DownloadError> {
    let (mut from, found) = open(url, path)?;
    if let Some(expected) = content.size.filter(|expected| *expected != found) {
        return Err(DownloadError::Size {
            url: url.to_owned(),
            expected,
            found,
        });
    }
    let mut partial = Partial::open(to, content.checksum.as_ref())?;
    if content.is_there(&partial) {
        return content.conclude(url, partial);
    }
    let copied = pass_on(url, (&mut from, found), &mut partial, watch);
    match copied {
        Ok(()) => content.conclude(url, partial),
        Err(error) => {
            partial.remove();
            Err(error)
        }
    }
}

fn pass_on(
    url: &str,
    (from, total): (&mut File, u64),
    partial: &mut Partial,
    watch: &dyn Watch,
) -> Result<(), DownloadError> {
    partial.restart()?;
    let mut buffer = vec![0; CHUNK];
    loop {
        if watch.stopped() {
            let url = url.to_owned();
            return Err(DownloadError::Stopped { url });
        }
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => partial.add(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(url)(error)),
        }
        watch.progress(Progress {
            received: partial.length,
            total: Some(total),
        });
    }
}
