//! A registry on loopback, and a client of bare sockets that sends what it is told.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use trustnet_api::network::{RegistryConfig, RegistryRole};
use trustnet_core::network::signature::{Message, SigningKey, sign};
use trustnet_core::network::{NodeId, RegistrySettings};
use trustnet_registry::clock::Clock;
use trustnet_registry::service::RegistryService;

pub struct Stage {
    pub service: RegistryService,
    /// It lives as long as the registry.
    _folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the code.
    pub fn refusal(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body["status"], "error", "{self:?}");
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        let code = body["code"].as_str().expect("a code");
        (self.status, code.to_owned())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let start = format!("\r\n{name}: ");
        let (_, rest) = self.head.split_once(&start)?;
        rest.split("\r\n").next()
    }
}

pub fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

pub fn settings(folder: &TempDir) -> RegistrySettings {
    let config = json!({
        "registry": { "role": "root", "ipv6_address": "::1" },
        "database": { "path": folder.path().join("data/registry.db") },
    });
    let config: RegistryConfig = serde_json::from_value(config).expect("a configuration");
    let mut settings = RegistrySettings::resolve(&config).expect("valid");
    // Any that is free.
    settings.port = 0;
    settings
}

impl Stage {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut RegistrySettings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = settings(&folder);
        change(&mut settings);
        Self::of(folder, &settings).await
    }

    /// On a database that is made before.
    pub async fn on(make: impl AsyncFnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(&folder);
        make(&settings.database).await;
        Self::of(folder, &settings).await
    }

    async fn of(folder: TempDir, settings: &RegistrySettings) -> Self {
        let service = RegistryService::start(settings, Clock::system())
            .await
            .expect("it starts");
        Self {
            service,
            _folder: folder,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address())
            .await
            .expect("it listens")
    }

    pub fn now(&self) -> u64 {
        self.service.registry().now_seconds()
    }

    /// Sends bytes on a connection of their own, and reads until its end.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // It may be cut before all is sent.
        let _ = stream.write_all(bytes).await;
        read(&mut stream).await.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.raw(&request(method, path, headers, body)).await
    }

    /// Sends a request that is signed just now.
    pub async fn signed(&self, key: &SigningKey, method: &str, path: &str, body: &[u8]) -> Answer {
        self.signed_at(key, method, path, body, self.now()).await
    }

    pub async fn signed_at(
        &self,
        key: &SigningKey,
        method: &str,
        path: &str,
        body: &[u8],
        created: u64,
    ) -> Answer {
        self.raw(&signed(key, method, path, body, created)).await
    }

    pub async fn register(&self, number: u8, name: &str) -> Answer {
        let body = registration(number, name);
        self.signed(&key(number), "POST", "/api/register", &body)
            .await
    }

    pub async fn beat(&self, number: u8, sequence: u64) -> Answer {
        let body = beat(number, sequence);
        self.signed(&key(number), "POST", "/api/heartbeat", &body)
            .await
    }
}

/// Reads one answer. `None`, if the connection ends before one.
pub async fn read(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    loop {
        if let Some(answer) = whole(&bytes) {
            return Some(answer);
        }
        let mut more = [0; 16 * 1024];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return whole(&bytes),
            Ok(count) => bytes.extend_from_slice(&more[..count]),
        }
    }
}

fn whole(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end + 2]).to_lowercase();
    let rest = &bytes[end + 4..];
    let status = head.get(9..12)?.parse().ok()?;
    let answer = |body: Vec<u8>| Answer {
        status,
        head: head.clone(),
        body,
    };
    if head.contains("\r\ntransfer-encoding: chunked") {
        return chunks(rest).map(answer);
    }
    let (_, length) = head
        .split_once("\r\ncontent-length: ")
        .unwrap_or(("", "0\r\n"));
    let length: usize = length.split("\r\n").next()?.parse().ok()?;
    (rest.len() >= length).then(|| answer(rest[..length].to_vec()))
}

fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = rest.get(end + 2..)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let mut bytes = format!("{text}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub fn signed(key: &SigningKey, method: &str, path: &str, body: &[u8], created: u64) -> Vec<u8> {
    signed_with(key, method, path, body, created, &[])
}

pub fn signed_with(
    key: &SigningKey,
    method: &str,
    path: &str,
    body: &[u8],
    created: u64,
    more: &[(&str, &str)],
) -> Vec<u8> {
    let signature = sign(key, &Message { method, path, body }, created);
    let mut headers = signature.pairs().to_vec();
    if !body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    headers.extend_from_slice(more);
    request(method, path, &headers, body)
}

pub fn key(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32])
}

pub fn id(number: u8) -> NodeId {
    key(number).public().node_id()
}

pub fn registration(number: u8, name: &str) -> Vec<u8> {
    let body = json!({
        "node_name": name,
        "ipv6_address": "2001:db8::7",
        "port": 9000,
        "domain": "example.org",
        "registry_address": "[2001:db8::1]:8000",
        "public_key": key(number).public().to_string(),
    });
    body.to_string().into_bytes()
}

pub fn beat(number: u8, sequence: u64) -> Vec<u8> {
    let body = json!({
        "node_id": id(number).to_string(),
        "sequence": sequence,
        "peers_known": 0,
        "uptime_seconds": 1,
    });
    body.to_string().into_bytes()
}

pub fn secondary(settings: &mut RegistrySettings) {
    settings.role = RegistryRole::Secondary;
}
