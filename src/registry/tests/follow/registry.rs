//! A registry as a process of its own.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use trustnet_api::network::{Changes, NodeList, NodeRecord, RegistryHealth};
use trustnet_registry::transport::Transport;

use super::certificates::Authority;

/// How long anything may take to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry, its folder, and its process while it has one.
pub struct Registry {
    folder: TempDir,
    pub address: SocketAddr,
    process: Option<Child>,
    transport: Transport,
    http: reqwest::Client,
}

/// A port that nobody has at the moment.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}

impl Registry {
    /// A registry that does not run yet. `more` is laid over its configuration.
    pub fn new(root: Option<SocketAddr>, more: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = free_port();
        let transport = plain();
        let registry = Self {
            folder,
            address,
            process: None,
            http: client(&transport),
            transport,
        };
        registry.configure(root, more);
        registry
    }

    /// A registry that speaks TLS, and verifies its root by this authority.
    pub fn secured(root: Option<SocketAddr>, authority: &Authority) -> Self {
        let mut registry = Self::new(root, &json!({}));
        let folder = registry.folder.path();
        let tls = authority.certify(folder, &["::1"]);
        let ca = authority.write(folder);
        registry.transport = Transport::new(Some(&ca), None, &[]).expect("an authority");
        registry.http = client(&registry.transport);
        registry.configure(
            root,
            &json!({ "registry": {
                "tls": { "certificate": tls.certificate, "key": tls.key },
                "ca": ca,
            } }),
        );
        registry
    }

    /// Writes the configuration. JSON is YAML.
    pub fn configure(&self, root: Option<SocketAddr>, more: &Value) {
        let mut config = json!({
            "registry": { "role": "root", "ipv6_address": "::1", "port": self.address.port() },
            "database": { "path": self.database() },
            "heartbeat": { "interval": 5 },
            "limits": { "registration_burst": 1_000_000, "registrations_per_second": 1_000_000.0 },
        });
        if let Some(root) = root {
            config["registry"]["role"] = json!("secondary");
            config["registry"]["root_registry"] = json!({ "address": root.to_string() });
            config["replication"] = json!({
                "sync_timeout": 2,
                "root_refresh_interval": 2,
                "backoff": { "initial": 1, "max": 1 },
            });
        }
        lay_over(&mut config, more);
        let text = serde_json::to_string_pretty(&config).expect("JSON");
        fs::write(self.config(), text).expect("written");
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("registry.yml")
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("data/registry.db")
    }

    fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_trustnet-registry"));
        program.arg("--config").arg(self.config());
        program
    }

    /// Starts it, and waits until it answers.
    pub async fn start(&mut self) {
        self.launch();
        self.until("it answers", |_| true).await;
    }

    /// Starts it.
    pub fn launch(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let process = self.program().stdout(log).stderr(Stdio::inherit()).spawn();
        self.process = Some(process.expect("it starts"));
    }

    /// Ends it without a word: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("gone");
        }
    }

    /// SIGKILL, while others ask it. [`Self::kill`] waits for its end.
    pub fn kill_9(&self) {
        let process = Pid::from_child(self.process.as_ref().expect("it runs"));
        kill_process(process, Signal::KILL).expect("killed");
    }

    /// Ends it as a service manager does, and waits for that.
    pub fn end(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        kill_process(Pid::from_child(&process), Signal::TERM).expect("told");
        process.wait().expect("gone")
    }

    /// Runs its program to the end: whether it succeeded, and what it said.
    pub fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.program().args(arguments).output().expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Makes it a root. It must not run. `more` is laid over its configuration.
    pub fn promote(&self, more: &Value) {
        let (succeeded, said) = self.run(&["--promote"]);
        assert!(succeeded, "{said}");
        self.configure(None, more);
    }

    pub fn url(&self, path: &str) -> String {
        self.transport.url(self.address.into(), path)
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Option<T> {
        let answer = self.http.get(self.url(path)).send().await.ok()?;
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    }

    /// A number of its metrics; none while it does not answer, or has no such one.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let answer = self.http.get(self.url("/metrics")).send().await.ok()?;
        let text = answer.text().await.ok()?;
        let name = format!("trustnet_registry_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line?.parse().ok()
    }

    /// Waits until a number of its metrics is this.
    pub async fn counts(&self, name: &str, wanted: f64) {
        let looking = async {
            while self.metric(name).await != Some(wanted) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let looked = tokio::time::timeout(Duration::from_secs(60), looking).await;
        assert!(looked.is_ok(), "{name} is {:?}", self.metric(name).await);
    }

    pub async fn health(&self) -> Option<RegistryHealth> {
        self.get("/api/health").await
    }

    /// Waits until its health is as it should be.
    pub async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&RegistryHealth) -> bool,
    ) -> RegistryHealth {
        let looking = async {
            loop {
                if let Some(health) = self.health().await
                    && is_so(&health)
                {
                    return health;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(health) => health,
            Err(_) => panic!(
                "{what} is not so: {:?}\n{}",
                self.health().await,
                self.log()
            ),
        }
    }

    /// Waits until it has what the other one has.
    pub async fn catches_up(&self, with: &Self) -> Vec<NodeRecord> {
        // The other one goes on meanwhile: nodes fall silent.
        let looking = async {
            loop {
                let connected = |health: RegistryHealth| health.replication.connected;
                let connected = self.health().await.is_some_and(connected);
                let (mine, theirs) = (self.list().await, with.list().await);
                if connected && mine.version == theirs.version {
                    return (mine.nodes, theirs.nodes);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let Ok((mine, theirs)) = tokio::time::timeout(PATIENCE, looking).await else {
            panic!("it is not at the root's version:\n{}", self.log());
        };
        assert_eq!(identities(&mine), identities(&theirs));
        mine
    }

    pub async fn nodes(&self) -> Vec<NodeRecord> {
        self.list().await.nodes
    }

    /// The first thousand of its nodes, and its version.
    pub async fn list(&self) -> NodeList {
        self.get("/api/nodes?limit=1000").await.expect("a list")
    }

    pub async fn changes(&self) -> Changes {
        self.get("/api/changes?since=0").await.expect("changes")
    }

    /// Waits until its log has these words.
    pub async fn told(&self, words: &str) {
        let looking = async {
            while !self.log().contains(words) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let told = tokio::time::timeout(PATIENCE, looking).await;
        assert!(told.is_ok(), "no `{words}` in:\n{}", self.log());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A file of its own, which nobody else may read.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        secret(self.folder(), name, text)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A file that nobody else may read.
pub fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
    path
}

/// What the directory says of nodes that is the same everywhere.
fn identities(nodes: &[NodeRecord]) -> Vec<(String, String, u16, String)> {
    let identity = |node: &NodeRecord| {
        let state = format!("{:?}", node.state);
        (
            node.node_id.clone(),
            node.node_name.clone(),
            node.port,
            state,
        )
    };
    nodes.iter().map(identity).collect()
}

pub fn plain() -> Transport {
    Transport::new(None, None, &[]).expect("plain HTTP")
}

pub fn client(transport: &Transport) -> reqwest::Client {
    let client = transport.client().timeout(PATIENCE);
    client.build().expect("a client")
}

fn lay_over(config: &mut Value, more: &Value) {
    match (config, more) {
        (Value::Object(config), Value::Object(more)) => {
            for (key, value) in more {
                lay_over(config.entry(key).or_insert(Value::Null), value);
            }
        }
        (config, more) => *config = more.clone(),
    }
}
