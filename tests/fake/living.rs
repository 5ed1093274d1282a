//! Networks that live: real registries and nodes, brought into guests that are sshds by a real `create`, and the verbs
//! that change them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use trustnet_core::artifact::Arch;
use trustnet_core::network::signature::SigningKey;

use crate::guests::{answer, with_systemd};
use crate::home::Home;
use crate::sshd::Sshd;

/// The join token, as a document has it.
const TOKEN: &str = "{valueFrom: {generate: {name: joinToken, length: 64, shared: true}}}";
const PROGRAMS: [&str; 2] = ["trustnet-registry", "trustnet-node"];

/// The services' programs, built from the same sources, in a folder that every user may look into.
fn programs() -> TempDir {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let beside = Path::new(env!("CARGO_BIN_EXE_trustnet-vm"));
        let folder = beside.parent().expect("a folder");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--offline"]);
        build.args(PROGRAMS.iter().flat_map(|program| ["-p", program]));
        if folder.file_name().is_some_and(|profile| profile != "debug") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success());
        folder.to_owned()
    });
    let folder = tempfile::Builder::new().prefix("tnbin").tempdir_in("/tmp");
    let folder = folder.expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    for program in PROGRAMS {
        fs::copy(built.join(program), folder.path().join(program)).expect("a copy");
    }
    folder
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let free = TcpListener::bind("[::1]:0").expect("a port");
    free.local_addr().expect("an address").port()
}

/// A home with the VMs of a network, whose guests share the loopback of this machine.
struct Network {
    home: Home,
    guests: Vec<(&'static str, Sshd)>,
    _programs: TempDir,
}

/// A VM with one of the services.
fn document(home: &Home, name: &str, service: &str, port: u16, config: &str) -> String {
    let services = format!(
        "  services:\n    - name: trustnet-{service}\n      config: {{address: '::1', port: {port}, domain: example.org, {config}}}\n      secrets: {{joinToken: {TOKEN}}}\n"
    );
    let path = home.spec(name, &services);
    let kind = if service == "node" {
        "Node"
    } else {
        "Registry"
    };
    let labels = format!("metadata:\n  labels: {{trustnet.io/kind: {kind}}}\n");
    let text = fs::read_to_string(path).expect("the spec");
    text.replace("metadata:\n", &labels)
}

impl Network {
    fn new(documents: impl FnOnce(&Home) -> Vec<(&'static str, String)>) -> Self {
        let (home, programs) = (Home::new(), programs());
        let arch = Arch::parse(std::env::consts::ARCH).expect("an architecture");
        let builds = format!(".local/share/trustnet-vm/builds/{arch}");
        fs::create_dir_all(home.path(&builds)).expect("a folder");
        for program in PROGRAMS {
            let path = programs.path().join(program);
            let text = format!("#!/bin/sh\nexec {} \"$@\"\n", path.display());
            home.file(&format!("{builds}/{program}"), &text);
        }
        let documents = documents(&home);
        let texts: Vec<&str> = documents.iter().map(|(_, text)| text.as_str()).collect();
        home.file("network.yaml", &texts.join("---\n"));
        home.done(["create", "network.yaml", "--no-wait", "--quiet"]);
        let guests = documents.iter().map(|(name, _)| {
            let guest = Sshd::in_root();
            answer(&home, name, &guest);
            with_systemd(&guest);
            (*name, guest)
        });
        let guests = guests.collect();
        Self {
            home,
            guests,
            _programs: programs,
        }
    }

    fn guest(&mut self, name: &str) -> &mut Sshd {
        let mut guests = self.guests.iter_mut();
        let guest = guests.find(|(one, _)| *one == name);
        &mut guest.expect("it was made").1
    }

    fn json(&self, args: &[&str]) -> Value {
        let run = self.home.run(args.iter().copied().chain(["-o", "json"]));
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
    }

    /// The names of a directory's nodes.
    fn nodes(&self, registry: &str) -> Vec<String> {
        let list = self.json(&["registry", "nodes", registry]);
        let items = list["items"].as_array().expect("a list").iter();
        items
            .map(|node| node["node_name"].as_str().expect("a name").to_owned())
            .collect()
    }
}

/// The administrator's key, as openssl writes one.
const ADMINISTRATOR: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

#[test]
fn a_node_that_the_administrator_bans_stays_out_until_it_is_let_in() {
    let port = free_port();
    let node = format!("registry: external, root: '[::1]:{port}', gossipInterval: 1");
    let key = SigningKey::from_pem(ADMINISTRATOR).expect("a key").public();
    let root = format!("role: root, administratorKey: '{key}'");
    let network = Network::new(|home| {
        vec![
            ("root", document(home, "root", "registry", port, &root)),
            (
                "node-1",
                document(home, "node-1", "node", free_port(), &node),
            ),
        ]
    });
    let home = &network.home;
    home.done(["create", "network.yaml"]);
    let file = home.file("administrator.pem", ADMINISTRATOR);
    let decide = |verb: &str, node: &str| home.run(["node", verb, node, "--key", &file, "--yes"]);
    let state = || network.json(&["registry", "nodes", "root"])["items"][0]["state"].clone();
    // It asks to be let in at once, each time.
    let again = || {
        home.run([
            "exec",
            "node-1",
            "--",
            "systemctl",
            "restart",
            "trustnet-node",
        ])
    };
    let reaches = |wanted: &str| {
        let mut tries = 0;
        while state() != wanted {
            tries += 1;
            assert!(tries < 200, "it is {}, and no {wanted}", state());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    let banned = decide("ban", "node-1");
    let said = "`node-1` is kept out, by every registry and every peer\n";
    assert_eq!(banned.out, said, "{banned:?}");
    assert_eq!(again().code, Some(0));
    let log = || {
        home.done(["exec", "node-1", "--", "cat", "/var/log/trustnet-node.log"])
            .out
    };
    let mut tries = 0;
    while !log().contains("is banned by the administrator") {
        tries += 1;
        assert!(tries < 200, "{}", log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(state(), "banned");

    let unbanned = decide("unban", "node-1");
    let said = "`node-1` is let in again, when it is heard of next\n";
    assert_eq!(unbanned.out, said, "{unbanned:?}");
    assert_eq!(again().code, Some(0));
    reaches("active");

    // One that has left is kept out, too, by its id.
    let id = network.json(&["registry", "nodes", "root"])["items"][0]["node_id"].clone();
    home.done(["node", "remove", "node-1", "--yes"]);
    assert_eq!(
        decide("ban", "node-1").code,
        Some(1),
        "the name is nobody's"
    );
    assert_eq!(decide("ban", id.as_str().expect("an id")).code, Some(0));
    assert_eq!(state(), "banned");
    assert_eq!(decide("ban", "0x0000000000000001").code, Some(7));
}

#[test]
fn a_network_is_there_when_create_ends_and_a_removed_node_stays_out_when_its_guest_starts_again() {
    let port = free_port();
    let root = format!("registry: external, root: '[::1]:{port}', gossipInterval: 1");
    let mut network = Network::new(|home| {
        vec![
            (
                "root",
                document(home, "root", "registry", port, "role: root"),
            ),
            (
                "node-1",
                document(home, "node-1", "node", free_port(), &root),
            ),
            (
                "node-2",
                document(home, "node-2", "node", free_port(), &root),
            ),
        ]
    });
    let created = network.home.done(["create", "network.yaml"]);
    let settled = "✓ Network ready: node-1, node-2 registered, every peer known\n";
    assert!(created.out.contains(settled), "{created:?}");
    assert_eq!(network.nodes("root"), ["node-1", "node-2"]);
    let peers = network.json(&["peers", "node-1"]);
    assert_eq!(peers["items"][0]["node_name"], "node-2", "{peers}");

    // Where the registry does not take it, the node runs on.
    let nobody = format!("[::1]:{}", free_port());
    let refused = ["node", "remove", "node-2", "--yes", "--registry", &nobody];
    assert_eq!(network.home.run(refused).code, Some(7));
    let active = [
        "exec",
        "node-2",
        "--",
        "systemctl",
        "is-active",
        "trustnet-node",
    ];
    assert_eq!(network.home.done(active).out, "active\n");
    let wanted = "/etc/systemd/system/multi-user.target.wants/trustnet-node.service";
    assert!(fs::symlink_metadata(network.guest("node-2").path(wanted)).is_ok());

    let removed = network.home.done(["node", "remove", "node-2", "--yes"]);
    assert_eq!(removed.out, "`node-2` is out of the directory\n");
    assert_eq!(network.nodes("root"), ["node-1"]);
    network.guest("node-2").reboot();
    fs::create_dir_all(network.guest("node-2").path("/run/systemd/system")).expect("a folder");
    network
        .home
        .done(["exec", "node-2", "--", "systemctl", "default"]);
    assert_eq!(network.home.run(active).out, "inactive\n");
    assert_eq!(network.nodes("root"), ["node-1"]);
    // What the user asks for again is there again.
    network.home.done(["create", "network.yaml"]);
    assert_eq!(network.nodes("root"), ["node-1", "node-2"]);
    assert!(fs::symlink_metadata(network.guest("node-2").path(wanted)).is_ok());
}

#[test]
fn a_network_whose_nodes_cannot_register_is_told_with_who_is_missing_when_time_is_up() {
    // Nobody answers there.
    let nobody = format!("registry: external, root: '[::1]:{}'", free_port());
    let network = Network::new(|home| {
        let node = |name| (name, document(home, name, "node", free_port(), &nobody));
        vec![node("node-1"), node("node-2")]
    });
    let home = &network.home;
    let late = |file: &str, missing: &str| {
        let run = home.run(["create", file, "--timeout", "1s"]);
        assert_eq!(run.code, Some(7), "{run:?}");
        let told = format!("error: the VMs are ready, but not their network:\n{missing}hint: ");
        assert!(run.err.contains(&told), "{run:?}");
        assert!(!run.out.contains("Network ready"), "{run:?}");
    };
    late(
        "network.yaml",
        "  `node-1` is not registered\n  `node-1` does not know `node-2`\n  \
         `node-2` does not know `node-1`\n  `node-2` is not registered\n",
    );
    // One that is alone has no peers that could miss it.
    let text = fs::read_to_string(home.path("network.yaml")).expect("the file");
    let alone = text.split("---\n").next().expect("a document");
    home.file("alone.yaml", alone);
    late("alone.yaml", "  `node-1` is not registered\n");
}

#[test]
fn a_promoted_secondary_is_the_root_and_takes_what_is_written() {
    let (port, second) = (free_port(), free_port());
    let mut network = Network::new(|home| {
        let secondary = format!("role: secondary, root: '[::1]:{port}'");
        let node = format!("registry: external, root: '[::1]:{second}'");
        vec![
            (
                "root",
                document(home, "root", "registry", port, "role: root"),
            ),
            (
                "second",
                document(home, "second", "registry", second, &secondary),
            ),
            (
                "node-1",
                document(home, "node-1", "node", free_port(), &node),
            ),
        ]
    });
    network.home.done(["create", "network.yaml"]);
    assert_eq!(network.nodes("second"), ["node-1"]);
    let before = network.json(&["registry", "status", "second"]);
    let health = |status: &Value| status["items"][0]["health"].clone();
    assert_eq!(health(&before)["role"], "secondary", "{before}");

    network.guest("root").stop();
    let promoted = network
        .home
        .done(["registry", "promote", "second", "--yes"]);
    assert_eq!(
        promoted.out,
        "`second` is the root of its network now; write `role: root` into its file before you create or provision it again\n"
    );
    let after = network.json(&["registry", "status", "second"]);
    let health = health(&after);
    assert_eq!(
        (&health["role"], &health["status"]),
        (&"root".into(), &"ok".into()),
        "{after}"
    );
    let version = health["replication"]["version"].as_u64();
    assert!(
        version.is_some_and(|version| version > 1_000_000),
        "{after}"
    );
    assert_eq!(network.nodes("second"), ["node-1"], "nothing is lost");
    // It is a root for good, and takes writes itself.
    let again = network.home.run(["registry", "promote", "second", "--yes"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let remove = ["node", "remove", "node-1", "--yes", "--registry", "second"];
    assert_eq!(
        network.home.done(remove).out,
        "`node-1` is out of the directory\n"
    );
    assert_eq!(network.nodes("second"), [""; 0]);
}

#[test]
fn a_promotion_that_could_not_come_to_its_end_is_not_begun() {
    let home = Home::new();
    let text = document(
        &home,
        "second",
        "registry",
        8000,
        "role: secondary, root: '[::1]:1'",
    );
    home.file(
        "second.yaml",
        &text.replace(TOKEN, "0123456789abcdef0123456789abcdef"),
    );
    for program in PROGRAMS {
        let arch = Arch::parse(std::env::consts::ARCH).expect("an architecture");
        fs::create_dir_all(home.path(&format!("builds/{arch}"))).expect("a folder");
        home.file(&format!("builds/{arch}/{program}"), "#!/bin/sh\n");
    }
    home.done(["create", "second.yaml", "--no-wait", "--quiet"]);
    let refused = home.run(["registry", "promote", "second", "--yes"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.starts_with("error: the secret `joinToken` of `trustnet-registry` in `second` stands in its file itself"),
        "{}",
        refused.err
    );
}
