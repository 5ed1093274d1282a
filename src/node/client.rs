//! What a node says to registries, and what they answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use trustnet_api::network::{
    ErrorBody, ErrorCode, Heartbeat, HeartbeatAnswer, MAX_PAGE, NodeList, NodeRecord, NodeState,
    Peer, Peers, RegisterAnswer, RegisterRequest,
};
use trustnet_core::network::signature::{Message, SigningKey, sign};
use trustnet_core::network::{Answer, Endpoint, NodeId};
use trustnet_registry::client::innermost;
use trustnet_registry::transport::Transport;

use crate::bans::BanList;

/// The most bytes of an answer that are read.
const MAX_ANSWER: usize = 1 << 20;
/// The most pages of banned nodes that are read: as many nodes as there may be peers.
const MAX_PAGES: usize = 10;

/// Calls registries.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    transport: Transport,
    key: SigningKey,
    id: NodeId,
    /// `Bearer …`, marked as secret: it is printed nowhere.
    token: Option<HeaderValue>,
    /// The last signature's time: it never goes back, wherever the wall clock goes.
    signed_at: AtomicU64,
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

impl Client {
    /// A client that waits so long for an answer.
    ///
    /// # Errors
    /// The token is none.
    pub fn new(
        key: SigningKey,
        token: Option<&str>,
        transport: Transport,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let token = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        let mut token = token.transpose().map_err(|_| ClientError::Token)?;
        if let Some(token) = &mut token {
            token.set_sensitive(true);
        }
        let http = transport.client().timeout(timeout).build()?;
        Ok(Self {
            http,
            transport,
            id: key.public().node_id(),
            key,
            token,
            signed_at: AtomicU64::new(0),
        })
    }

    /// Registers the node, and hears of some peers. `at_seconds` is the wall clock's time.
    pub async fn register(
        &self,
        at: Endpoint,
        request: &RegisterRequest,
        at_seconds: u64,
    ) -> (Answer, Vec<Peer>) {
        let sent = self.post(at, "/api/register", request, at_seconds).await;
        let answer = match sent {
            Ok(response) if response.status() == StatusCode::ACCEPTED => Ok(Answer::Queued),
            Ok(response) => match read::<RegisterAnswer>(response).await {
                Ok(answer) => return self.registered(answer),
                Err(refused) => Err(refused),
            },
            Err(failed) => Err(failed),
        };
        (answer.unwrap_or_else(|failed| failed), Vec::new())
    }

    fn registered(&self, answer: RegisterAnswer) -> (Answer, Vec<Peer>) {
        if answer.node_id.parse() != Ok(self.id) {
            let why = format!("it registered another node, {}", answer.node_id);
            return (Answer::Failed(why), Vec::new());
        }
        let interval = answer.heartbeat_interval.saturating_mul(1000);
        (Answer::Registered { interval }, answer.peers)
    }

    /// Sends a heartbeat.
    pub async fn beat(&self, at: Endpoint, beat: &Heartbeat, at_seconds: u64) -> Answer {
        let sent = self.post(at, "/api/heartbeat", beat, at_seconds).await;
        let answer = match sent {
            Ok(response) if response.status() == StatusCode::ACCEPTED => Ok(()),
            Ok(response) => read::<HeartbeatAnswer>(response).await.map(|_| ()),
            Err(failed) => Err(failed),
        };
        answer.map_or_else(|failed| failed, |()| Answer::Beaten)
    }

    /// Looks into the directory, whether the node is there as it says.
    pub async fn find(&self, at: Endpoint, request: &RegisterRequest) -> Answer {
        let path = format!("/api/nodes/{}", self.id);
        let response = match self.get(at, &path).await {
            Ok(response) if response.status() == StatusCode::NOT_FOUND => return Answer::Absent,
            Ok(response) => response,
            Err(failed) => return failed,
        };
        match read::<NodeRecord>(response).await {
            Ok(record) if is_as_said(&record, request) => Answer::Present,
            Ok(_) => Answer::Absent,
            Err(failed) => failed,
        }
    }

    /// Some active peers; none, if there is no answer.
    pub async fn peers(&self, at: Endpoint, count: usize) -> Vec<Peer> {
        let path = format!("/api/nodes/{}/peers?count={count}", self.id);
        let Ok(response) = self.get(at, &path).await else {
            return Vec::new();
        };
        read::<Peers>(response)
            .await
            .map_or_else(|_| Vec::new(), |peers| peers.peers)
    }

    /// Whom the administrator keeps out; `None`, if there is no whole answer.
    pub async fn banned(&self, at: Endpoint) -> Option<BanList> {
        let mut list = BanList::default();
        let mut after = String::new();
        for number in 0..MAX_PAGES {
            let path = format!("/api/nodes?state=banned&limit={MAX_PAGE}{after}");
            let page: NodeList = read(self.get(at, &path).await.ok()?).await.ok()?;
            if number == 0 {
                list.version = page.version;
            }
            list.nodes
                .extend(page.nodes.into_iter().map(|node| node.node_id));
            // What is no id leads nowhere.
            let Some(next) = page.next.and_then(|next| next.parse::<NodeId>().ok()) else {
                return Some(list);
            };
            after = format!("&after={next}");
        }
        tracing::warn!(%at, "more nodes are banned than are looked at");
        Some(list)
    }

    /// Whether a node is surely not in the directory.
    pub async fn lacks(&self, at: Endpoint, id: NodeId) -> bool {
        let Ok(response) = self.get(at, &format!("/api/nodes/{id}")).await else {
            return false;
        };
        let answer = read::<NodeRecord>(response).await;
        matches!(
            answer,
            Err(Answer::Refused {
                code: ErrorCode::NotFound,
                ..
            })
        )
    }

    async fn get(&self, at: Endpoint, path: &str) -> Result<Response, Answer> {
        let request = self.http.get(self.transport.url(at, path));
        request.send().await.map_err(|error| failed(&error))
    }

    async fn post(
        &self,
        at: Endpoint,
        path: &str,
        body: &impl Serialize,
        at_seconds: u64,
    ) -> Result<Response, Answer> {
        let body = serde_json::to_vec(body).map_err(|error| Answer::Failed(error.to_string()))?;
        let message = Message {
            method: Method::POST.as_str(),
            path,
            body: &body,
        };
        let created = self.signed_at.fetch_max(at_seconds, Ordering::Relaxed);
        let headers = sign(&self.key, &message, created.max(at_seconds));
        let mut request = self
            .http
            .post(self.transport.url(at, path))
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers.pairs() {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        let sent = request.body(body).send().await;
        sent.map_err(|error| failed(&error))
    }
}

fn is_as_said(record: &NodeRecord, request: &RegisterRequest) -> bool {
    record.node_name == request.node_name
        && record.public_key == request.public_key
        && record.ipv6_address.to_string() == request.ipv6_address
        && record.port == request.port
        && record.registry_address == request.registry_address
        && record.state != NodeState::Banned
}

/// The answer that was asked for; else what was said in its place.
async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Answer> {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let body = body(response).await?;
    if status.is_success() {
        let unread = |error| Answer::Failed(format!("its answer is none: {error}"));
        return serde_json::from_slice(&body).map_err(unread);
    }
    Err(match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(ErrorBody { code, message, .. }) => Answer::Refused {
            code,
            message,
            retry_after: retry_after.map(|seconds| seconds.saturating_mul(1000)),
        },
        Err(_) => Answer::Failed(format!("it answers {status}")),
    })
}

async fn body(mut response: Response) -> Result<Vec<u8>, Answer> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Answer::Failed("its answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failed(error: &reqwest::Error) -> Answer {
    if error.is_timeout() {
        return Answer::Failed("no answer in time".to_owned());
    }
    Answer::Failed(innermost(error))
}
