//! A node that writes what a test wants.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use trustnet_core::network::NodeId;
use trustnet_core::network::signature::{Message, SigningKey, sign};

use super::registry::Registry;

pub struct Node {
    key: SigningKey,
    name: String,
    sequence: AtomicU64,
    token: Option<String>,
    /// How many seconds its clock is late.
    late: i64,
}

impl Node {
    pub fn new(number: u32) -> Self {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        Self {
            key: SigningKey::from_seed(seed),
            name: format!("node-{number}"),
            sequence: AtomicU64::new(0),
            token: None,
            late: 0,
        }
    }

    /// It goes by another name.
    pub fn called(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Its clock is so many seconds late.
    pub fn late(mut self, seconds: i64) -> Self {
        self.late = seconds;
        self
    }

    /// It shows a join token.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn id(&self) -> NodeId {
        self.key.public().node_id()
    }

    pub async fn register(&self, at: &Registry, port: u16) -> Response {
        self.try_register(at, port).await.expect("an answer")
    }

    /// The answer, if one comes: the registry may be killed meanwhile.
    pub async fn try_register(&self, at: &Registry, port: u16) -> reqwest::Result<Response> {
        let body = json!({
            "node_name": self.name,
            "ipv6_address": "2001:db8::7",
            "port": port,
            "domain": "example.org",
            "registry_address": at.address.to_string(),
            "public_key": self.key.public().to_string(),
        });
        self.send(at, Method::POST, "/api/register", &body).await
    }

    pub async fn beat(&self, at: &Registry) -> Response {
        let body = json!({
            "node_id": self.id().to_string(),
            "sequence": self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            "peers_known": 0,
            "uptime_seconds": 0,
        });
        let answer = self.send(at, Method::POST, "/api/heartbeat", &body).await;
        answer.expect("an answer")
    }

    pub async fn leave(&self, at: &Registry) -> Response {
        let path = format!("/api/nodes/{}", self.id());
        let answer = self.send(at, Method::DELETE, &path, &Value::Null).await;
        answer.expect("an answer")
    }

    /// Keeps another node out, as the administrator.
    pub async fn ban(&self, at: &Registry, node: &Self) -> Response {
        let path = format!("/api/nodes/{}/ban", node.id());
        let answer = self.send(at, Method::PUT, &path, &Value::Null).await;
        answer.expect("an answer")
    }

    /// Lets another node in again, as the administrator.
    pub async fn unban(&self, at: &Registry, node: &Self) -> Response {
        let path = format!("/api/nodes/{}/ban", node.id());
        let answer = self.send(at, Method::DELETE, &path, &Value::Null).await;
        answer.expect("an answer")
    }

    /// The key that it is known by.
    pub fn public(&self) -> String {
        self.key.public().to_string()
    }

    async fn send(
        &self,
        at: &Registry,
        method: Method,
        path: &str,
        body: &Value,
    ) -> reqwest::Result<Response> {
        let body = if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(body).expect("JSON")
        };
        let now = jiff::Timestamp::now().as_second() - self.late;
        let message = Message {
            method: method.as_str(),
            path,
            body: &body,
        };
        let headers = sign(&self.key, &message, u64::try_from(now).expect("after 1970"));
        let mut request = at.http().request(method, at.url(path));
        for (name, value) in headers.pairs() {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if !body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        request.send().await
    }
}
