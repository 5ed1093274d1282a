//! What is measured: a registry in a process of its own; a server that does nothing; SQLite.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Rows of a commit of SQLite's, as many as there are connections.
const ROWS: usize = 64;

/// A server in a process of its own.
pub struct Served {
    child: Child,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Served {
    /// A registry; a root, or a secondary of one.
    pub fn root(program: &str, folder: &Path, root: Option<SocketAddr>) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let mut config = json!({
            "registry": {"role": "root", "ipv6_address": "::1", "port": free_port(), "domain": "example.org"},
            "database": {"path": folder.join("registry.db")},
            "limits": {"registration_burst": 1_000_000, "registrations_per_second": 1_000_000.0},
        });
        if let Some(root) = root {
            config["registry"]["role"] = json!("secondary");
            config["registry"]["root_registry"] = json!({"address": root.to_string()});
            config["replication"] = json!({"enabled": true});
        }
        let path = folder.join("registry.yml");
        // JSON is YAML.
        fs::write(&path, config.to_string()).expect("a configuration");
        Self::start(Command::new(program).arg("--config").arg(path))
    }

    /// A server that reads a request and answers.
    pub fn nothing() -> Self {
        let this = std::env::current_exe().expect("this program");
        Self::start(Command::new(this).arg("nothing"))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a server");
        let lines = BufReader::new(child.stdout.take().expect("its words")).lines();
        let mut lines = lines.map(|line| line.expect("its words"));
        let address = lines.find_map(|line| {
            let words: Value = serde_json::from_str(&line).ok()?;
            words.get("address")?.as_str()?.parse().ok()
        });
        // Whoever writes what nobody reads stands still one day.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.expect("a server that says where it answers"),
        }
    }

    /// The most memory that it had resident so far, in bytes.
    pub fn resident(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .expect("a number");
        kib * 1024
    }

    /// Waits until its directory has come so far.
    pub async fn until_version(&self, version: u64) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let health = ask(self.address, "/api/health").await;
            if health["replication"]["version"].as_u64() >= Some(version) {
                return;
            }
            assert!(Instant::now() < end, "it is not there: {health}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a change that leads to a version, from now on.
    pub fn watch(&self, version: u64) -> JoinHandle<()> {
        let (address, since) = (self.address, version - 1);
        tokio::spawn(async move {
            let path = format!("/api/changes?since={since}&wait=30");
            let changes = ask(address, &path).await;
            assert_eq!(changes["to_version"].as_u64(), Some(version));
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has. A registry takes the next one if somebody is quicker.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("[::1]:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

async fn ask(address: SocketAddr, path: &str) -> Value {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
    socket
        .write_all(request.as_bytes())
        .await
        .expect("a question");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("an answer");
    let body = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a body")
        + 4;
    let end = answer.iter().rposition(|&byte| byte == b'}').expect("JSON") + 1;
    let start = body
        + answer[body..]
            .iter()
            .position(|&byte| byte == b'{')
            .expect("JSON");
    serde_json::from_slice(&answer[start..end]).expect("JSON")
}

/// Serves: a bare handler for every path that the registry has.
pub async fn nothing() {
    use axum::Router;
    use axum::routing::{get, post};
    let router = Router::new()
        .route(
            "/api/heartbeat",
            post(|_: axum::body::Bytes| async { "{}" }),
        )
        .route("/api/register", post(|_: axum::body::Bytes| async { "{}" }))
        .route("/api/nodes/{id}", get(|| async { "{}" }));
    let listener = tokio::net::TcpListener::bind("[::1]:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    println!("{}", json!({"address": address.to_string()}));
    std::io::stdout().flush().expect("words that are heard");
    let listener = axum::serve::ListenerExt::tap_io(listener, |socket| {
        socket.set_nodelay(true).expect("no delay");
    });
    axum::serve(listener, router).await.expect("a server");
}

/// Rows a second that SQLite takes durably, 64 a commit.
pub fn sqlite(path: &Path, rows: usize) -> f64 {
    let mut database = rusqlite::Connection::open(path).expect("a database");
    database
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE nodes (id BLOB PRIMARY KEY, rest BLOB) WITHOUT ROWID;")
        .expect("a table");
    let since = Instant::now();
    for first in (0..rows).step_by(ROWS) {
        let batch = database.transaction().expect("a transaction");
        for row in first..(first + ROWS).min(rows) {
            let id = (row as u64)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .to_be_bytes();
            batch
                .prepare_cached("INSERT INTO nodes VALUES (?1, ?2)")
                .and_then(|mut insert| insert.execute(rusqlite::params![id, [0_u8; 250]]))
                .expect("a row");
        }
        batch.commit().expect("a commit");
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2⁵²")]
    let rows = rows as f64;
    rows / since.elapsed().as_secs_f64()
}
