//! Nodes, and the requests that they send, signed beforehand.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Value, json};
use trustnet_core::network::NodeId;
use trustnet_core::network::signature::{Message, SigningKey, sign};

/// Nodes with keys of their own.
pub struct Nodes {
    keys: Vec<SigningKey>,
    first: usize,
    created: u64,
}

impl Nodes {
    /// So many.
    pub fn make(number: usize) -> Self {
        Self::make_from(0, number)
    }

    /// So many, others than those before.
    pub fn make_from(first: usize, number: usize) -> Self {
        let key = |place: usize| {
            let mut seed = [7; 32];
            seed[..8].copy_from_slice(&(place as u64).to_be_bytes());
            SigningKey::from_seed(seed)
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            keys: (first..first + number).map(key).collect(),
            first,
            created: now.expect("a clock that is set").as_secs(),
        }
    }

    /// A registration of each.
    pub fn registrations(&self) -> Vec<Vec<u8>> {
        let requests = self.keys.iter().enumerate().map(|(place, key)| {
            let body = json!({
                "node_name": format!("node-{}", self.first + place),
                "ipv6_address": "2001:db8::100",
                "port": 9000,
                "domain": "example.org",
                "registry_address": "[2001:db8::1]:8000",
                "public_key": key.public().to_string(),
            });
            self.post(key, "/api/register", &body)
        });
        requests.collect()
    }

    /// So many heartbeats, of each node in turn, with sequences above one.
    pub fn beats(&self, number: usize, above: u64) -> Vec<Vec<u8>> {
        let ids: Vec<NodeId> = self.keys.iter().map(|key| key.public().node_id()).collect();
        let requests = (0..number).map(|beat| {
            let place = beat % ids.len();
            let body = json!({
                "node_id": ids[place].to_string(),
                "sequence": above + beat as u64 + 1,
                "peers_known": 5,
                "uptime_seconds": 60,
            });
            self.post(&self.keys[place], "/api/heartbeat", &body)
        });
        requests.collect()
    }

    /// So many reads, of each node in turn.
    pub fn reads(&self, number: usize) -> Vec<Vec<u8>> {
        let ids = self.keys.iter().map(|key| key.public().node_id());
        let ids: Vec<NodeId> = ids.collect();
        let requests =
            (0..number).map(|read| get(&format!("/api/nodes/{}", ids[read % ids.len()])));
        requests.collect()
    }

    fn post(&self, key: &SigningKey, path: &str, body: &Value) -> Vec<u8> {
        let body = body.to_string();
        let message = Message {
            method: "POST",
            path,
            body: body.as_bytes(),
        };
        let mut head =
            format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n");
        for (name, value) in sign(key, &message, self.created).pairs() {
            write!(head, "{name}: {value}\r\n").expect("text takes everything");
        }
        write!(head, "content-length: {}\r\n\r\n{body}", body.len())
            .expect("text takes everything");
        head.into_bytes()
    }
}

/// A read.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}
