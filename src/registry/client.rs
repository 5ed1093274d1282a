//! What a secondary says to its root, and what it answers.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use axum::body::Bytes;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use trustnet_api::network::{
    Changes, ErrorBody, ErrorCode, FORWARDER, QUEUED_AT, RegistryHealth, Snapshot,
};
use trustnet_core::network::{Endpoint, Probe};

use crate::forward::SignedRequest;
use crate::transport::Transport;

/// The most changes that are asked for at once.
pub const MAX_CHANGES: usize = 1000;
/// The most bytes of an answer that has no list.
const MAX_ANSWER: usize = 256 * 1024;
/// The most bytes of an answer with changes.
const MAX_CHANGES_BYTES: usize = 8 * 1024 * 1024;
/// The most bytes of a snapshot: some millions of nodes.
const MAX_SNAPSHOT: u64 = 2 * 1024 * 1024 * 1024;
/// How many pieces of a snapshot may wait to be read.
const PIECES: usize = 64;

/// Calls the root.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    transport: Transport,
    timeout: Duration,
    /// `Bearer …`, marked as secret: it is printed nowhere.
    token: Option<HeaderValue>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The token is none.
    #[error(
        "the join token has characters that no header may have: write one line of letters and digits"
    )]
    Token,
    /// The system does not let it be.
    #[error("prepare HTTP requests: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer, or not a whole one.
    #[error("no answer: {}", innermost(.0))]
    Http(#[from] reqwest::Error),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// The answer has another status than is of use.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// The changes asked for are no longer known: a snapshot is due.
    #[error("it does not know the changes since that version")]
    Gone,
    /// The answer has more bytes than any such answer.
    #[error("its answer has more than {0} bytes")]
    TooLarge(u64),
    /// The answer cannot be read.
    #[error("its answer cannot be read: {0}")]
    Form(String),
}

/// An answer to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its `Retry-After`.
    pub retry_after: Option<String>,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// Why the root refused; nothing, if it did not, or not in its own words.
    #[must_use]
    pub fn refusal(&self) -> Option<ErrorBody> {
        if !(400..500).contains(&self.status) {
            return None;
        }
        serde_json::from_slice(&self.body).ok()
    }

    /// Why the root refused, in one word.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        self.refusal().map(|refusal| refusal.code)
    }
}

impl Client {
    /// A client that waits so long for an answer, and shows this token.
    ///
    /// # Errors
    /// The token is none, or the system lacks something.
    pub fn new(
        timeout: Duration,
        token: Option<&str>,
        transport: Transport,
    ) -> Result<Self, ClientError> {
        let token = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        let mut token = token.transpose().map_err(|_| ClientError::Token)?;
        if let Some(token) = &mut token {
            token.set_sensitive(true);
        }
        let http = transport
            .client()
            .connect_timeout(timeout)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self {
            http,
            transport,
            timeout,
            token,
        })
    }

    /// What a registry says of itself. One that is not well says it, too.
    ///
    /// # Errors
    /// No registry answers there.
    pub async fn probe(&self, at: Endpoint) -> Result<Probe, CallError> {
        let request = self.http.get(self.url(at, "/api/health"));
        let response = self.send(request, self.timeout).await?;
        let status = response.status();
        if status != StatusCode::OK && status != StatusCode::SERVICE_UNAVAILABLE {
            return Err(CallError::Status(status));
        }
        let body = self.body(response, MAX_ANSWER).await?;
        let health: RegistryHealth = serde_json::from_slice(&body).map_err(form)?;
        Ok(Probe {
            id: health.node_id.parse().map_err(form)?,
            role: health.role,
            version: health.replication.version,
        })
    }

    /// The whole directory, read while it comes.
    ///
    /// # Errors
    /// It does not come whole, or not at the pace of a piece within the time for an answer.
    pub async fn snapshot(&self, at: Endpoint) -> Result<Snapshot, CallError> {
        let request = self.http.get(self.url(at, "/api/snapshot"));
        let response = self.send(request, self.timeout).await?;
        if response.status() != StatusCode::OK {
            return Err(CallError::Status(response.status()));
        }
        let (pieces, reader) = sync_channel(PIECES);
        let parsing = tokio::task::spawn_blocking(move || {
            let reader = io::BufReader::with_capacity(64 * 1024, Pieces::new(reader));
            serde_json::from_reader::<_, Snapshot>(reader)
        });
        let come = self.pieces(response, pieces).await;
        let parsed = parsing.await.map_err(form)?;
        come?;
        parsed.map_err(form)
    }

    async fn pieces(
        &self,
        mut response: Response,
        pieces: SyncSender<io::Result<Bytes>>,
    ) -> Result<(), CallError> {
        let mut left = MAX_SNAPSHOT;
        while let Some(piece) = self.piece(&mut response).await? {
            left = left
                .checked_sub(piece.len() as u64)
                .ok_or(CallError::TooLarge(MAX_SNAPSHOT))?;
            let mut next = Ok(piece);
            // The reader may be slower than the network: then this waits, and other tasks go on.
            while let Err(error) = pieces.try_send(next) {
                match error {
                    std::sync::mpsc::TrySendError::Full(piece) => next = piece,
                    // It has read enough to know that it is no snapshot, and says so.
                    std::sync::mpsc::TrySendError::Disconnected(_) => return Ok(()),
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Ok(())
    }

    async fn piece(&self, response: &mut Response) -> Result<Option<Bytes>, CallError> {
        match tokio::time::timeout(self.timeout, response.chunk()).await {
            Ok(piece) => Ok(piece?),
            Err(_) => Err(CallError::Timeout),
        }
    }

    /// What changed since a version; the root may hold the question for some seconds.
    ///
    /// # Errors
    /// [`CallError::Gone`], if only a snapshot can tell.
    pub async fn changes(
        &self,
        at: Endpoint,
        since: u64,
        hold: Duration,
    ) -> Result<Changes, CallError> {
        let limit = MAX_CHANGES;
        let wait = hold.as_secs();
        let path = format!("/api/changes?since={since}&limit={limit}&wait={wait}");
        let request = self.http.get(self.url(at, &path));
        let response = self.send(request, self.timeout + hold).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::GONE => return Err(CallError::Gone),
            other => return Err(CallError::Status(other)),
        }
        let body = self.body(response, MAX_CHANGES_BYTES).await?;
        serde_json::from_slice(&body).map_err(form)
    }

    /// Hands a write on, whole. `queued`: when it was taken, if it waited.
    ///
    /// # Errors
    /// There is no answer, or none that is a registry's.
    pub async fn forward(
        &self,
        at: Endpoint,
        request: &SignedRequest,
        queued: Option<Timestamp>,
    ) -> Result<Answer, CallError> {
        let method = Method::from_bytes(request.method.as_bytes()).map_err(form)?;
        let mut call = self.http.request(method, self.url(at, &request.path));
        for (name, value) in request.signature.pairs() {
            call = call.header(name, value);
        }
        if let Some(authorization) = &request.authorization {
            let mut value = HeaderValue::from_str(authorization).map_err(form)?;
            value.set_sensitive(true);
            call = call.header(AUTHORIZATION, value);
        }
        if let Some(token) = &self.token {
            call = call.header(FORWARDER, token.clone());
        }
        if let Some(queued) = queued {
            call = call.header(QUEUED_AT, queued.to_string());
        }
        if !request.body.is_empty() {
            call = call
                .header(CONTENT_TYPE, "application/json")
                .body(request.body.clone());
        }
        let response = self.send(call, self.timeout).await?;
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after,
            body: self.body(response, MAX_ANSWER).await?.into(),
        })
    }

    fn url(&self, at: Endpoint, path: &str) -> String {
        self.transport.url(at, path)
    }

    async fn send(&self, request: RequestBuilder, within: Duration) -> Result<Response, CallError> {
        match tokio::time::timeout(within, request.send()).await {
            Ok(response) => Ok(response?),
            Err(_) => Err(CallError::Timeout),
        }
    }

    /// A body of a bounded size, whose pieces come in time.
    async fn body(&self, mut response: Response, most: usize) -> Result<Vec<u8>, CallError> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut response).await? {
            if body.len() + piece.len() > most {
                return Err(CallError::TooLarge(most as u64));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

impl CallError {
    /// Whether someone answers, and TLS does not come about with them: they are not trusted, or speak something else.
    #[must_use]
    pub fn is_of_tls(&self) -> bool {
        let Self::Http(error) = self else {
            return false;
        };
        let mut why: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = why {
            if error.is::<rustls::Error>() {
                return true;
            }
            // An `io::Error` does not name what it was made of as its source.
            why = match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
                Some(Some(within)) => Some(within),
                _ => error.source(),
            };
        }
        false
    }
}

/// The innermost reason: what is above it names the address again.
#[must_use]
pub fn innermost(error: &reqwest::Error) -> String {
    let mut why: &dyn std::error::Error = error;
    while let Some(source) = why.source() {
        why = source;
    }
    why.to_string()
}

fn form(error: impl std::fmt::Display) -> CallError {
    CallError::Form(error.to_string())
}

/// What comes over the network, as a blocking reader takes it.
struct Pieces {
    inbox: Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Pieces {
    fn new(inbox: Receiver<io::Result<Bytes>>) -> Self {
        Self {
            inbox,
            piece: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.inbox.recv() {
                Ok(piece) => self.piece = piece?,
                Err(_) => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
