//! Registries and nodes as the user meets them: files of a network, and verbs that ask what runs. The services are
//! real HTTP servers with known answers; the guests are sshds.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use trustnet_core::network::signature::{Message, Received, SigningKey, verify};

use crate::home::Home;

const REGISTRY: &str = r#"{"status":"ok","service":"trustnet-registry","version":"0.1.0",
    "node_id":"0x0011223344556677","role":"secondary","domain":"example.org","join_token":true,
    "nodes":{"active":2,"offline":1,"inactive":0,"banned":0},
    "replication":{"version":12,"root":"[fd10::253]:8000","lag_seconds":0.25,"queued_writes":3,"connected":true}}"#;
const NODE: &str = r#"{"status":"ok","service":"trustnet-node","version":"0.1.0",
    "node_id":"0x8899aabbccddeeff","node_name":"node-1","domain":"example.org",
    "registry":{"address":"[fd10::253]:8000","integrated":false,"registered":true,"queued":false},
    "peers":{"known":3,"alive":2},"consensus":"not included","transaction_pool":"not included"}"#;
fn record(number: u32) -> String {
    format!(
        r#"{{"node_id":"0x00000000000000a{number}","node_name":"node-{number}","state":"active","ipv6_address":"fd10::{number}",
        "port":9000,"domain":"example.org","registry_address":"[fd10::253]:8000","public_key":"k","reputation":50,
        "uptime_pct":99.5,"first_seen":"2026-01-29T10:00:00Z","last_heartbeat":"2026-01-29T10:15:23Z",
        "peer_information_source":"registry"}}"#
    )
}

/// A server with these answers; it keeps what it was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        Self::with(REGISTRY)
    }

    /// One that says this of itself.
    fn with(health: &'static str) -> Self {
        let listener = TcpListener::bind("[::1]:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept, health));
            }
        });
        Self { address, asked }
    }

    fn place(&self) -> String {
        self.address.to_string()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panicked").clone()
    }

    /// What was said with what is another one each time taken out.
    fn steady(&self, text: &str) -> String {
        let text = text.replace(&self.place(), "[::1]:PORT");
        let mut words: Vec<String> = Vec::new();
        for line in text.lines() {
            // How full this machine's disk is does not matter.
            if line.contains("% used") {
                continue;
            }
            let mut line = line.to_owned();
            if let Some(at) = line.find(" ms") {
                let digits = line[..at]
                    .rfind(|c: char| !c.is_ascii_digit())
                    .map_or(0, |at| at + 1);
                line.replace_range(digits..at, "N");
                // The columns are as wide as the number was.
                while line.contains("   ") {
                    line = line.replace("   ", "  ");
                }
            }
            if let Some(at) = line.find("\"responseMs\":") {
                line.replace_range(at.., "\"responseMs\": N,");
            }
            words.push(line);
        }
        words.join("\n")
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<String>>, health: &str) {
    let mut asked = Vec::new();
    let mut byte = [0];
    while !asked.ends_with(b"\r\n\r\n") {
        if !stream.read(&mut byte).is_ok_and(|count| count > 0) {
            return;
        }
        asked.push(byte[0]);
    }
    let asked = String::from_utf8(asked).expect("text");
    let path = asked.split(' ').nth(1).expect("a path").to_owned();
    let delete = asked.starts_with("DELETE");
    kept.lock().expect("nobody panicked").push(asked);
    let page = |nodes: &str, next: &str| format!(r#"{{"nodes":[{nodes}],{next}"version":12}}"#);
    let (status, body) = match path.as_str() {
        "/api/health" => (200, health.to_owned()),
        "/api/nodes?limit=1000" => (200, page(&record(2), r#""next":"0x00000000000000a2","#)),
        "/api/nodes?limit=1000&after=0x00000000000000a2" => (200, page(&record(1), "")),
        "/api/nodes/0x00000000000000a1" if delete => (200, r#"{"status":"removed"}"#.to_owned()),
        "/api/peers" => {
            let peer = |number| {
                format!(
                    r#"{{"node_id":"0x00000000000000a{number}","node_name":"node-{number}","ipv6_address":"fd10::{number}","port":9000,"registry_address":"[fd10::253]:8000"}}"#
                )
            };
            (200, format!(r#"{{"peers":[{},{}]}}"#, peer(3), peer(2)))
        }
        _ => {
            let body =
                r#"{"status":"error","code":"forbidden","message":"the key may not do that"}"#;
            (403, body.to_owned())
        }
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes());
}

#[test]
fn a_registry_at_an_address_says_how_it_is_and_which_nodes_it_has() {
    let (home, server) = (Home::new(), Server::start());
    let place = server.place();
    let mut said = String::new();
    for args in [
        vec!["registry", "status", &place],
        vec!["registry", "status", &place, "-o", "wide"],
        vec!["registry", "status", &place, "-o", "json"],
        vec!["registry", "nodes", &place],
        vec!["registry", "nodes", &place, "-o", "wide", "--no-headers"],
        vec!["registry", "nodes", &place, "-o", "name"],
        vec!["registry", "nodes", &place, "-o", "yaml"],
        vec!["peers", &place],
        vec!["peers", &place, "-o", "json"],
    ] {
        said.push_str(&server.steady(&home.says(args)));
        said.push('\n');
    }
    insta::assert_snapshot!(said);
}

#[test]
fn what_does_not_answer_or_is_no_address_says_so() {
    let home = Home::new();
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let place = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let mut said = String::new();
    for args in [
        vec!["registry", "status", &place],
        vec!["registry", "nodes", "[::1]"],
        vec!["registry", "status"],
        vec!["registry", "nodes"],
        vec!["peers", "nobody"],
        vec!["node", "remove", "nobody"],
        vec!["registry", "promote", "nobody"],
        vec!["registry", "status", "https://[::1]:8000"],
        vec!["peers", "https://[::1]", "--ca", "/dev/null"],
        vec!["registry", "nodes", "[::1]:8000", "--ca", "/dev/null"],
    ] {
        said.push_str(&home.says(args).replace(&place, "[::1]:PORT"));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_removal_is_signed_by_the_administrators_key_and_asked_for() {
    let (home, server) = (Home::new(), Server::start());
    let place = server.place();
    let key = home.file(
        "admin.pem",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n",
    );
    let args = [
        "node",
        "remove",
        "node-1",
        "--key",
        &key,
        "--registry",
        &place,
    ];
    let refused = home.run(args);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(!server.asked().iter().any(|one| one.starts_with("DELETE")));
    let removed = home.run(args.into_iter().chain(["--yes"]));
    assert_eq!(removed.code, Some(0), "{}", removed.err);
    let said = "`node-1` is out of the directory; while it runs with the join token it registers again: stop it there, or ban it\n";
    assert_eq!(removed.out, said);
    let asked = server.asked();
    let request = asked
        .iter()
        .find(|one| one.starts_with("DELETE"))
        .expect("it was asked");
    let headers: Vec<(&str, &str)> = request
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let header = |name: &str| {
        let mut all = headers.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(name))
            .expect("a header")
            .1
    };
    let received = Received {
        content_digest: header("content-digest"),
        signature_input: header("signature-input"),
        signature: header("signature"),
    };
    let message = Message {
        method: "DELETE",
        path: "/api/nodes/0x00000000000000a1",
        body: b"",
    };
    let pem = std::fs::read_to_string(&key).expect("the key");
    let public = SigningKey::from_pem(&pem).expect("a key").public();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since.expect("after 1970").as_secs();
    verify(&received, &message, &public, now, 300).expect("it is signed with that key");
    // One that the directory has not is not asked for.
    let unknown = [
        "node",
        "remove",
        "node-9",
        "--key",
        &key,
        "--registry",
        &place,
        "--yes",
    ];
    assert_eq!(home.run(unknown).code, Some(1));
    // And what the registry refuses is told in its words.
    let forbidden = [
        "node",
        "remove",
        "node-2",
        "--key",
        &key,
        "--registry",
        &place,
        "--yes",
    ];
    let forbidden = home.run(forbidden);
    assert_eq!(forbidden.code, Some(7));
    assert!(
        forbidden.err.contains("the key may not do that"),
        "{}",
        forbidden.err
    );
}

/// A home with builds of the two services, of which nobody looks at more than the name.
fn stage() -> Home {
    let home = Home::new();
    let builds = ".local/share/trustnet-vm/builds/amd64";
    std::fs::create_dir_all(home.path(builds)).expect("a folder");
    for program in ["trustnet-registry", "trustnet-node"] {
        home.file(&format!("{builds}/{program}"), "#!/bin/sh\n");
    }
    home
}

#[test]
fn a_registry_and_a_node_in_a_guest_are_asked_over_its_connection() {
    let (home, server) = (stage(), Server::start());
    let port = server.address.port();
    let services = format!(
        "  services:\n    - name: trustnet-registry\n      config: {{address: '::1', port: {port}, domain: example.org}}\n    - name: trustnet-node\n      config: {{address: '::1', port: {port}, domain: example.org}}\n      secrets: {{joinToken: hunter22hunter22}}\n"
    );
    home.spec("root", &services);
    home.done(["create", "root.yaml", "--no-wait", "--quiet"]);
    let guest = crate::sshd::Sshd::in_root();
    crate::guests::answer(&home, "root", &guest);
    let mut said = String::new();
    for args in [
        vec!["registry", "status", "root"],
        vec!["registry", "status"],
        vec!["registry", "nodes"],
        vec!["peers", "root"],
        vec!["status", "root"],
    ] {
        said.push_str(
            &server
                .steady(&home.says(args))
                .replace(&port.to_string(), "PORT")
                .replace(&guest.port.to_string(), "SSH"),
        );
        said.push('\n');
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_nodes_status_says_how_it_stands_and_that_consensus_is_not_included() {
    let (home, server) = (stage(), Server::with(NODE));
    let port = server.address.port();
    let services = format!(
        "  services:\n    - name: trustnet-node\n      config: {{address: '::1', port: {port}, domain: example.org}}\n      secrets: {{joinToken: hunter22hunter22}}\n"
    );
    home.spec("node-1", &services);
    home.done(["create", "node-1.yaml", "--no-wait", "--quiet"]);
    let guest = crate::sshd::Sshd::in_root();
    crate::guests::answer(&home, "node-1", &guest);
    let said = home.says(["status", "node-1"]);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("trustnet-node"))
        .collect();
    let wanted = format!(
        "   └─ ✗ trustnet-node 0.1.0: unit stopped, port {port} (api) open, 0x8899aabbccddeeff, registered at [fd10::253]:8000, peers 3 known 2 alive, consensus not included, its unit `trustnet-node` does not run"
    );
    assert_eq!(lines, [wanted]);
}

const TWO: &str = "\
apiVersion: trustnet.io/v1alpha1
kind: Node
metadata: {name: node-1}
spec: {domain: example.org, address: 'fd10::1', dependsOn: [SECOND]}
---
apiVersion: trustnet.io/v1alpha1
kind: Registry
metadata: {name: root}
spec: {role: root, domain: example.org, address: 'fd10::253', dependsOn: [ROOT]}
";

#[test]
fn names_that_nobody_has_and_circles_are_told_at_their_place() {
    let home = Home::new();
    home.file(
        "unknown.yaml",
        &TWO.replace("SECOND", "rot").replace("ROOT", ""),
    );
    home.file(
        "circle.yaml",
        &TWO.replace("SECOND", "root").replace("ROOT", "node-1"),
    );
    home.file(
        "implied.yaml",
        &TWO.replace("SECOND", "").replace("ROOT", "node-1"),
    );
    home.file(
        "good.yaml",
        &TWO.replace("SECOND", "root").replace("ROOT", ""),
    );
    let files = ["unknown.yaml", "circle.yaml", "implied.yaml", "good.yaml"];
    let said: String = files
        .iter()
        .map(|file| home.says(["validate", file]))
        .collect();
    insta::assert_snapshot!(said);
}

#[test]
fn who_depends_on_another_is_made_after_it_and_not_without_it() {
    let home = Home::new();
    let text = |name: &str, more: &str| {
        let path = home.spec(name, more);
        std::fs::read_to_string(path).expect("the spec")
    };
    let both = format!(
        "{}---\n{}",
        text("web", "  dependsOn: [db]\n"),
        text("db", "")
    );
    home.file("both.yaml", &both);
    let made = home.says(["create", "both.yaml", "--parallel", "4"]);
    let (db, web) = (made.find("'db'..."), made.find("'web'..."));
    assert!(db.is_some() && db < web, "{made}");
    let other = Home::new();
    other.file(
        "both.yaml",
        &both
            .replacen("image: debian-12", "image: debian-21", 2)
            .replacen("image: debian-21", "image: debian-12", 1),
    );
    let said = other.says(["create", "both.yaml", "--quiet"]);
    insta::assert_snapshot!(said);
    assert!(other.state().domains.is_empty());
}

#[test]
fn what_a_vm_was_written_as_is_shown_and_chosen_by() {
    let home = stage();
    home.file("root.yaml", "apiVersion: trustnet.io/v1alpha1\nkind: Registry\nmetadata: {name: root}\nspec: {role: root, domain: example.org, address: 'fd10::253'}\n");
    home.done(["create", "root.yaml", "--no-wait", "--quiet"]);
    let chosen = ["list", "-l", "trustnet.io/kind=Registry", "-o", "name"];
    assert_eq!(home.done(chosen).out, "root\n");
    let list = home.done(["list", "-o", "json"]).out;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["items"][0]["kind"], "Registry");
    let none = home.run(["peers", "root"]);
    let hint = "error: `root` has no node\nhint: `trustnet-vm list -o wide` shows what there is\n";
    assert_eq!((none.code, none.err.as_str()), (Some(1), hint));
    let wide = home.done(["list", "-o", "wide", "--no-headers"]).out;
    assert!(wide.contains("  Registry  trustnet-vm  "), "{wide}");
    let shown = home.done(["get", "root"]).out;
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with("Kind:") && line.ends_with("Registry")),
        "{shown}"
    );
    // What it was made from is what the file says again, and what `get` gives.
    assert!(
        home.done(["create", "root.yaml", "--no-wait"])
            .out
            .contains("nothing to do")
    );
    let wire = home.done(["get", "root", "-o", "yaml"]).out;
    home.file("again.yaml", &wire);
    assert!(
        home.done(["create", "again.yaml", "--no-wait"])
            .out
            .contains("nothing to do")
    );
}
