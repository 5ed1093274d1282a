//! Over HTTP and HTTPS.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, RANGE, RETRY_AFTER};
use reqwest::{Certificate, StatusCode, Url, redirect};

use super::content::Content;
use super::partial::Partial;
use super::waiting::{Body, LOOK, unless_stopped};
use super::{DownloadError, Expected, Fetch, Received, Request, Watch, shown};

/// The longest that a server may make us wait before we ask again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The bounds of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// In this time …
    pub idle: Duration,
    /// … at least so many bytes come, or it has stalled.
    pub least: u64,
    /// How often it is tried.
    pub tries: u32,
    /// How long before the second time; before each further one it is twice as long.
    pub pause: Duration,
    /// How often a server may send us on.
    pub redirects: usize,
    /// The largest file, where its size is not known before.
    pub size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(30),
            least: 30 * 1024,
            tries: 5,
            pause: Duration::from_millis(500),
            redirects: 10,
            size: 64 << 30,
        }
    }
}

/// Files over HTTP and HTTPS, by way of the system's proxies. The certificates of servers are always
/// verified, against the system's authorities or those of SSL_CERT_FILE.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    pub(super) limits: Limits,
}

impl Http {
    /// A client with these bounds.
    ///
    /// # Errors
    /// There is none: no authorities are installed, say.
    pub fn new(limits: Limits) -> Result<Self, DownloadError> {
        Self::build(limits, None, false)
    }

    /// A client that goes past every proxy, and trusts this authority besides.
    #[cfg(test)]
    pub(crate) fn direct(limits: Limits, authority: Option<&[u8]>) -> Self {
        Self::build(limits, authority, true).expect("a client")
    }

    fn build(
        limits: Limits,
        authority: Option<&[u8]>,
        direct: bool,
    ) -> Result<Self, DownloadError> {
        let authority = authority.map(Certificate::from_pem).transpose();
        let client = authority.and_then(|authority| client(&limits, authority, direct));
        Ok(Self {
            client: client.map_err(DownloadError::Client)?,
            limits,
        })
    }

    /// Asks, and gives the answer where it is a good one.
    pub(super) fn ask(
        &self,
        request: &Request,
        more: &HeaderMap,
        watch: &dyn Watch,
    ) -> Result<Response, DownloadError> {
        let url = &request.url;
        let mut asked = self
            .client
            .get(address(url)?)
            .header(ACCEPT_ENCODING, "identity");
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        let asked = asked.headers(more.clone());
        let response = unless_stopped(url, watch, || asked.send())?;
        let response = response.map_err(|error| broken(url, error))?;
        let status = response.status();
        let asked_for_rest = more.contains_key(RANGE);
        if status == StatusCode::OK
            || asked_for_rest
                && matches!(
                    status,
                    StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
                )
        {
            return Ok(response);
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        Err(DownloadError::Status {
            url: url.clone(),
            status,
            retry_after,
        })
    }

    /// Tries, and tries again where that may help.
    pub(super) fn persist<T>(
        &self,
        url: &str,
        watch: &dyn Watch,
        mut attempt: impl FnMut() -> Result<T, DownloadError>,
    ) -> Result<T, DownloadError> {
        let mut pause = self.limits.pause;
        for _ in 1..self.limits.tries {
            match attempt() {
                Err(error) if error.may_pass() => {
                    watch.again(&error);
                    let asked = match &error {
                        DownloadError::Status { retry_after, .. } => *retry_after,
                        _ => None,
                    };
                    wait(url, asked.unwrap_or(pause).min(LONGEST_PAUSE), watch)?;
                    pause = pause.saturating_mul(2);
                }
                ended => return ended,
            }
        }
        attempt()
    }

    /// Reads a body to its end, piece by piece.
    pub(super) fn read(
        &self,
        url: &str,
        response: Response,
        watch: &dyn Watch,
        mut take: impl FnMut(&[u8]) -> Result<(), DownloadError>,
    ) -> Result<(), DownloadError> {
        let body = Body::of(response);
        let (mut since, mut got) = (Instant::now(), 0);
        let stalled = |got| DownloadError::Stalled {
            url: url.to_owned(),
            got,
            within: self.limits.idle,
        };
        loop {
            let piece = match body.next(url, watch)? {
                Ok(piece) if piece.is_empty() => return Ok(()),
                Ok(piece) => piece,
                Err(error) if timed_out(&error) => return Err(stalled(got)),
                Err(error) => {
                    return Err(DownloadError::Broken {
                        url: url.to_owned(),
                        received: got,
                        source: Some(error),
                    });
                }
            };
            take(&piece)?;
            got += piece.len() as u64;
            body.again(piece);
            if since.elapsed() >= self.limits.idle {
                if got < self.limits.least {
                    return Err(stalled(got));
                }
                (since, got) = (Instant::now(), 0);
            }
        }
    }
}

impl Http {
    fn bring(
        &self,
        request: &Request,
        to: &Path,
        content: &Content,
        watch: &dyn Watch,
    ) -> Result<Received, DownloadError> {
        let mut partial = Partial::open(to, content.checksum.as_ref())?;
        // The last run may have come to its end, and no further.
        if !content.is_there(&partial)
            && let Err(error) = self.receive(request, &mut partial, content, watch)
        {
            let may_go_on = error.may_pass() || matches!(error, DownloadError::Stopped { .. });
            if !may_go_on || content.checksum.is_none() || partial.length == 0 {
                partial.remove();
            }
            return Err(error);
        }
        content.conclude(&request.url, partial)
    }
}

impl Fetch for Http {
    fn document(
        &self,
        request: &Request,
        limit: u64,
        watch: &dyn Watch,
    ) -> Result<Vec<u8>, DownloadError> {
        let url = &request.url;
        let too_large = || DownloadError::TooLarge {
            url: url.clone(),
            limit,
        };
        self.persist(url, watch, || {
            let response = self.ask(request, &HeaderMap::new(), watch)?;
            if response
                .content_length()
                .is_some_and(|length| length > limit)
            {
                return Err(too_large());
            }
            let mut text = Vec::new();
            self.read(url, response, watch, |bytes| {
                if text.len() as u64 + bytes.len() as u64 > limit {
                    return Err(too_large());
                }
                text.extend_from_slice(bytes);
                Ok(())
            })?;
            Ok(text)
        })
    }

    fn file(
        &self,
        request: &Request,
        to: &Path,
        expected: &Expected,
        watch: &dyn Watch,
    ) -> Result<Received, DownloadError> {
        self.bring(request, to, &expected.into(), watch)
    }

    fn unvouched(
        &self,
        request: &Request,
        to: &Path,
        size: Option<u64>,
        watch: &dyn Watch,
    ) -> Result<Received, DownloadError> {
        let checksum = None;
        self.bring(request, to, &Content { checksum, size }, watch)
    }
}

/// The client behind all downloads: each of its reads ends within the idle time, nothing is decompressed on the way.
pub(in crate::cache) fn client(
    limits: &Limits,
    authority: Option<Certificate>,
    direct: bool,
) -> Result<Client, reqwest::Error> {
    // It is there already, if somebody else has put it there; then it does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("trustnet-vm/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .timeout(limits.idle)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .redirect(policy(limits.redirects));
    let builder = if direct { builder.no_proxy() } else { builder };
    builder.tls_certs_merge(authority).build()
}

/// Sends us on a bounded number of times, and never from https to http.
fn policy(most: usize) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        let was_safe = attempt.previous().iter().any(|url| url.scheme() == "https");
        if was_safe && attempt.url().scheme() != "https" {
            attempt.error("it sends us from https to http")
        } else if attempt.previous().len() > most {
            attempt.error("it sends us on again and again")
        } else {
            attempt.follow()
        }
    })
}

/// The URL, where it is one that we fetch.
fn address(url: &str) -> Result<Url, DownloadError> {
    let bad = |why| DownloadError::Url {
        url: shown(url),
        why,
    };
    let parsed = Url::parse(url).map_err(|_| bad("it is no URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(bad("only https and http are fetched"));
    }
    if parsed.password().is_some() || !parsed.username().is_empty() {
        // It would be shown and recorded with it.
        return Err(DownloadError::Url {
            url: parsed.host_str().unwrap_or_default().to_owned(),
            why: "a URL is no place for a name or a password",
        });
    }
    Ok(parsed)
}

fn broken(url: &str, error: reqwest::Error) -> DownloadError {
    let url = url.to_owned();
    if error.is_redirect() {
        let why = std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), ToString::to_string);
        return DownloadError::Redirect { url, why };
    }
    DownloadError::Connection {
        url,
        source: error.without_url(),
    }
}

fn timed_out(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::TimedOut
        || error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<reqwest::Error>())
            .is_some_and(reqwest::Error::is_timeout)
}

fn wait(url: &str, pause: Duration, watch: &dyn Watch) -> Result<(), DownloadError> {
    let until = Instant::now() + pause;
    loop {
        if watch.stopped() {
            return Err(DownloadError::Stopped {
                url: url.to_owned(),
            });
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK));
    }
}
