//! The home with the two programs, the four VMs of the example, and a node beside them on this machine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Home, Run};

/// The VMs with a registry of their own.
pub const REGISTRIES: [&str; 2] = ["root", "secondary"];
/// The VMs with a node; the first has a registry in its process.
pub const NODES: [&str; 2] = ["node-1", "node-2"];
/// How long is waited for what spreads by heartbeats, which come every 30 s.
const PATIENCE: Duration = Duration::from_secs(240);
const EVERY: Duration = Duration::from_secs(2);
/// The prefix of the lab's bridge, with a part of it that is not this machine's.
const PREFIX: &str = "2001:db8:1::a:";

/// A home, and the VMs of the example.
pub struct Stage {
    /// The home.
    pub home: Home,
    /// The parts that failed.
    pub failed: Vec<&'static str>,
    beside: Vec<Child>,
}

impl Stage {
    /// A home with the two programs where local builds are looked for, and the example on the lab's bridge, without
    /// any other interface.
    pub fn new() -> Self {
        let home = Home::at("qemu:///system").with_image();
        let builds = home.path("data/trustnet-vm/builds/amd64");
        std::fs::create_dir_all(&builds).expect("a folder");
        for program in ["trustnet-registry", "trustnet-node"] {
            std::fs::copy(built(program), builds.join(program)).expect("a copy");
        }
        let vm = "vm: {vcpus: 1, memory: 1Gi, bootDisk: {size: 8Gi}}";
        let ours = "vm: {vcpus: 1, memory: 640Mi, autostart: false, bootDisk: {size: 4Gi}, \
                    networkInterfaces: [{bridge: br-lab}]}";
        let example = include_str!("../../examples/network.yaml");
        assert_eq!(example.matches(vm).count(), 4);
        assert_eq!(example.matches("fd10:1234::").count(), 4);
        home.file(
            "network.yaml",
            &example.replace(vm, ours).replace("fd10:1234::", PREFIX),
        );
        Self {
            home,
            failed: Vec::new(),
            beside: Vec::new(),
        }
    }

    /// Does a part, and says how long it took. One that fails hides no other.
    pub fn part(&mut self, name: &'static str, part: impl FnOnce(&mut Self)) {
        let begun = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| part(self)));
        println!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
        self.failed.extend(done.is_err().then_some(name));
    }

    /// Makes what of the example is not there.
    pub fn create(&self) -> Run {
        self.home
            .done(["create", "network.yaml", "--timeout", "20m", "-v"])
    }

    /// What a verb says as JSON, however it ends; nothing where it does not say any.
    pub fn ask(&self, args: &[&str]) -> Option<Value> {
        let run = self.home.run(args.iter().copied().chain(["-o", "json"]));
        serde_json::from_str(&run.out).ok()
    }

    /// The directory as a registry has it, by the nodes' names.
    pub fn directory(&self, registry: &str) -> Option<Vec<Value>> {
        let mut said = self.ask(&["registry", "nodes", registry])?;
        let mut nodes: Vec<Value> = serde_json::from_value(said["items"].take()).ok()?;
        nodes.sort_by_key(|node| node["node_name"].to_string());
        Some(nodes)
    }

    /// What a registry says of itself.
    pub fn health(&self, registry: &str) -> Option<Value> {
        let mut said = self.ask(&["registry", "status", registry])?;
        let health = said["items"][0]["health"].take();
        (!health.is_null()).then_some(health)
    }

    /// The names of the peers of a node.
    pub fn peers(&self, node: &str) -> Vec<String> {
        let said = self.ask(&["peers", node]).unwrap_or_default();
        let peers = said["items"].as_array().cloned().unwrap_or_default();
        peers.iter().map(|peer| text(&peer["node_name"])).collect()
    }

    /// Waits until something is so.
    pub fn until(&self, what: &str, is_so: impl Fn(&Self) -> Option<bool>) {
        let begun = Instant::now();
        while is_so(self) != Some(true) {
            assert!(begun.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(EVERY);
        }
    }

    /// Starts a node on this machine that nobody knows, and whose registry is the secondary.
    pub fn start_beside(&mut self, name: &str, port: u16) {
        let token = self
            .home
            .path("data/trustnet-vm/secrets/shared/join-token.example.org");
        let data = self.home.path(name);
        std::fs::create_dir(&data).expect("a folder");
        let config = serde_json::json!({
            "node": {
                "name": name, "domain": "example.org", "ipv6_address": "2001:db8:1::1", "port": port, "data": data,
            },
            "registry": {
                "type": "external", "address": format!("[{PREFIX}254]:8000"), "join_token_file": token,
            },
            "gossip": {"enabled": true, "peers_per_batch": 5, "interval": 30},
        });
        let config = self.home.file(&format!("{name}.yaml"), &config.to_string());
        let log = std::fs::File::create(self.home.path(&format!("{name}.log")));
        let log = log.expect("a file");
        let mut command = Command::new(built("trustnet-node"));
        command.arg("--config").arg(config);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log);
        self.beside.push(command.spawn().expect("the node starts"));
    }

    /// Ends the nodes on this machine.
    pub fn end_beside(&mut self) {
        for mut node in self.beside.drain(..) {
            node.kill().expect("it can be killed");
            node.wait().expect("it ends");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end_beside();
    }
}

fn built(program: &str) -> PathBuf {
    let builds = std::env::var_os("TRUSTNET_VM_TEST_SERVICES");
    let builds = builds.expect("`cargo xtask test guests` sets TRUSTNET_VM_TEST_SERVICES");
    PathBuf::from(builds).join(program)
}

/// The text of a value.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The names of nodes.
pub fn names(nodes: &[Value]) -> Vec<String> {
    nodes.iter().map(|node| text(&node["node_name"])).collect()
}

/// What of the nodes never changes while nobody registers anew.
pub fn identities(nodes: &[Value]) -> Vec<[String; 4]> {
    let fields = ["node_name", "node_id", "public_key", "first_seen"];
    let identity = |node: &Value| fields.map(|field| text(&node[field]));
    nodes.iter().map(identity).collect()
}
