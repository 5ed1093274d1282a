//! The programs, as processes on loopback.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use trustnet_core::network::signature::{Message, SigningKey, sign};
use trustnet_registry::transport::Transport;

/// How long anything is waited for. What is well comes long before.
const PATIENCE: Duration = Duration::from_secs(180);

/// A program that runs, and is killed when it is dropped.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    /// Where it answers, as `[address]:port`.
    pub address: String,
}

impl Program {
    fn start(program: &Path, config: &Path, words: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .arg("--config")
            .arg(config)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (told, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        let mut program = Self {
            child,
            lines,
            address: String::new(),
        };
        program.address = program.line(words)["address"]
            .as_str()
            .expect("an address")
            .to_owned();
        program
    }

    /// The first line of the log from here on with these words.
    pub fn line(&mut self, words: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no `{words}` in:\n{}", seen.join("\n"));
            };
            let value: Value = serde_json::from_str(&line).expect("a line of JSON");
            if value["message"]
                .as_str()
                .is_some_and(|message| message.contains(words))
            {
                return value;
            }
            seen.push(line);
        }
    }

    /// Ends it as a service manager does, and waits for its end.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill runs").success());
        assert!(self.child.wait().expect("it ends").success());
    }

    /// Ends it without a word.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The registry's program, built from the same sources.
fn registry_program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let beside = Path::new(env!("CARGO_BIN_EXE_trustnet-node"));
        let profile = beside
            .parent()
            .expect("a folder")
            .file_name()
            .expect("a name");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--offline", "-p", "trustnet-registry"]);
        if profile != "debug" {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success());
        beside.with_file_name("trustnet-registry")
    })
}

/// A root registry on loopback, at this port or the next free one.
pub fn registry(folder: &Path, port: u16) -> Program {
    registry_with(folder, port, &json!({}))
}

/// A root registry with more in its configuration.
pub fn registry_with(folder: &Path, port: u16, more: &Value) -> Program {
    let mut registry =
        json!({"role": "root", "ipv6_address": "::1", "port": port, "domain": "example.net"});
    for (key, value) in more.as_object().expect("an object") {
        registry[key] = value.clone();
    }
    let config = json!({
        "registry": registry,
        "database": {"path": folder.join("registry.db")},
    });
    let path = write(folder, "registry.yml", &config);
    Program::start(registry_program(), &path, "the registry answers", &[])
}

/// A node on loopback. No name server answers.
pub fn node(folder: &Path, name: &str, registry: &Value) -> Program {
    node_with(folder, name, registry, "[::1]:1")
}

/// A node on loopback with a name server.
pub fn node_with(folder: &Path, name: &str, registry: &Value, name_server: &str) -> Program {
    node_of(folder, name, registry, &json!({}), name_server)
}

/// A node on loopback with more in its own section.
pub fn node_of(
    folder: &Path,
    name: &str,
    registry: &Value,
    more: &Value,
    name_server: &str,
) -> Program {
    let config = folder.join(format!("{name}.yml"));
    if !config.exists() {
        let data = folder.join(name);
        let mut node = json!({"name": name, "domain": "example.net", "ipv6_address": "::1", "port": free_port(), "data": data});
        for (key, value) in more.as_object().expect("an object") {
            node[key] = value.clone();
        }
        write(
            folder,
            &format!("{name}.yml"),
            &json!({
                "node": node,
                "registry": registry,
                "gossip": {"interval": 2},
            }),
        );
    }
    let program = Path::new(env!("CARGO_BIN_EXE_trustnet-node"));
    let environment = [("TRUSTNET_NAME_SERVERS", name_server)];
    Program::start(program, &config, "the node answers", &environment)
}

/// JSON is YAML.
pub fn write(folder: &Path, name: &str, config: &Value) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, config.to_string()).expect("written");
    path
}

/// A port that was free a moment ago. If it is taken meanwhile, the program takes the next one.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("[::1]:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// The answer: its status and its body.
pub fn get(address: &str, path: &str) -> (u16, Value) {
    let (status, body) = ask(address, path);
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

/// The body of an answer, as text.
pub fn text(address: &str, path: &str) -> String {
    ask(address, path).1
}

fn ask(address: &str, path: &str) -> (u16, String) {
    ask_by(&plain(), address, path)
}

fn plain() -> Transport {
    Transport::new(None, None, &[]).expect("plain HTTP")
}

/// The answer, by TLS or not; status 0, if there is none.
pub fn ask_by(transport: &Transport, address: &str, path: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let client = transport.client().build().expect("a client");
        let at = address.parse().expect("an address");
        let answer = client.get(transport.url(at, path)).send().await;
        let Ok(answer) = answer else {
            return (0, String::new());
        };
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap_or_default();
        (status, String::from_utf8_lossy(&body).into_owned())
    })
}

/// Sends a signed request without a body; gives the status.
pub fn write_signed(address: &str, key: &SigningKey, method: &str, path: &str) -> u16 {
    let message = Message {
        method,
        path,
        body: b"",
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let signed = sign(key, &message, since.expect("after 1970").as_secs());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let client = plain().client().build();
        let at = address.parse().expect("an address");
        let method = method.parse().expect("a method");
        let mut request = client
            .expect("a client")
            .request(method, plain().url(at, path));
        for (name, value) in signed.pairs() {
            request = request.header(name, value);
        }
        request.send().await.expect("an answer").status().as_u16()
    })
}

/// Waits until it is so.
pub fn wait_until(so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "it does not come");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the answer is as wanted, and gives it.
pub fn wait_for(address: &str, path: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let (status, body) = get(address, path);
        if wanted(status, &body) {
            return body;
        }
        assert!(Instant::now() < end, "{path} of {address}: {status} {body}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the node knows exactly these peers.
pub fn wait_for_peers(node: &Program, names: &[&str]) {
    wait_for(&node.address, "/api/peers", |_, body| peers(body) == names);
}

/// The names of the peers of an answer, sorted.
pub fn peers(body: &Value) -> Vec<String> {
    let peers = body["peers"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let names = peers
        .iter()
        .map(|peer| peer["node_name"].as_str().unwrap_or_default().to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}
