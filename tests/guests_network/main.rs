//! A whole network in real guests, on a bridge that knows IPv6 only: made from the example, then its root is away, and
//! back, and made anew.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails where it expects, and says on standard output how long each part took"
)]

mod stage;

#[path = "../support/holders.rs"]
mod holders;
#[path = "../support/mod.rs"]
mod support;

use holders::holders_of;
use serde_json::Value;
use stage::{NODES, REGISTRIES, Stage, identities, names, text};

/// Four guests prove everything: booting one takes a minute and more.
#[test]
fn a_network_finds_itself_and_loses_nothing_while_its_root_is_away() {
    if std::env::var_os("TRUSTNET_VM_LAB").is_none() {
        println!("skipped: guests_network: not in the lab; run `cargo xtask test guests` as root");
        return;
    }
    let mut stage = Stage::new();
    stage.part("made from one file", made);
    stage.part("looked at", |stage| {
        there_is_no_ipv4(stage);
        every_registry_tells_the_same(stage, &NODES);
        nodes_know_each_other(stage);
        services_say_how_they_are(stage);
        the_token_is_in_no_other_place(stage);
    });
    stage.part("the root stopped", the_root_is_away);
    stage.part("the root back", the_root_is_back);
    stage.part("the root and a node made anew", made_anew);
    stage.part("a node removed", a_node_is_removed);
    stage.part("the root lost for good", the_secondary_is_promoted);
    stage.part("the end", the_end);
    assert!(stage.failed.is_empty(), "{:?}", stage.failed);
}

fn made(stage: &mut Stage) {
    let run = stage.create();
    let told = "Network ready: node-1, node-2 registered, every peer known";
    assert!(run.out.contains(told), "{}\n{}", run.out, run.err);
    let order = [
        "root: trustnet-registry: ready",
        "secondary: trustnet-registry: ready",
        "node-2: trustnet-node: ready",
    ];
    let place = |wanted: &&str| run.err.lines().position(|line| line.contains(*wanted));
    let found: Vec<Option<usize>> = order.iter().map(place).collect();
    assert!(found.iter().all(Option::is_some), "{}", run.err);
    assert!(found.is_sorted(), "{}", run.err);
    // What needs another is not begun before that is ready.
    for (first, then) in [
        (
            "root: trustnet-registry: ready",
            "node-1: trustnet-node: start",
        ),
        (
            "secondary: trustnet-registry: ready",
            "node-2: trustnet-node: start",
        ),
    ] {
        assert!(place(&first) < place(&then), "{first}: {}", run.err);
    }
    let again = stage.create().out;
    let made = "is there already, made from this spec: nothing to do";
    assert_eq!(again.matches(made).count(), 4, "{again}");
}

fn the_token_is_in_no_other_place(stage: &Stage) {
    let kept = "data/trustnet-vm/secrets/shared/join-token.example.org";
    let token = std::fs::read_to_string(stage.home.path(kept)).expect("it was made");
    let token = token.trim();
    assert!(token.len() >= 32, "{} bytes", token.len());
    let holders = holders_of(&stage.home, token);
    assert!(
        matches!(holders.as_slice(), [one] if one.ends_with(kept)),
        "{holders:?}"
    );
    for vm in [REGISTRIES, NODES].concat() {
        let arguments = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '";
        let arguments = stage.home.guest(vm, arguments);
        assert!(
            arguments.contains("trustnet-") && !arguments.contains(token),
            "{vm}"
        );
        let said = [
            stage.home.virsh(&["dumpxml", vm]).out,
            stage.home.done(["get", vm, "-o", "json"]).out,
            stage.home.guest(vm, "journalctl -q --no-pager"),
        ];
        assert!(said.iter().all(|text| !text.contains(token)), "{vm}");
    }
}

fn there_is_no_ipv4(stage: &Stage) {
    for vm in [REGISTRIES, NODES].concat() {
        let shown = "ip -4 -oneline address show scope global; ip -4 route; ip -6 -oneline address show scope global";
        let shown = stage.home.guest(vm, shown);
        assert!(shown.contains("inet6 2001:db8:1::a:"), "{vm}: {shown}");
        assert!(!shown.contains("inet "), "{vm}: {shown}");
        assert!(!shown.contains("default"), "{vm}: {shown}");
    }
}

/// Whichever is asked, a registry of its own or one in a node's process.
fn every_registry_tells_the_same(stage: &Stage, expected: &[&str]) {
    let told = stage.directory("root").expect("the root tells its nodes");
    assert_eq!(names(&told), expected);
    for registry in ["secondary", "node-1"] {
        stage.until(
            &format!("`{registry}` tells what the root tells"),
            |stage| Some(identities(&stage.directory(registry)?) == identities(&told)),
        );
    }
}

fn nodes_know_each_other(stage: &Stage) {
    assert_eq!(stage.peers("node-1"), ["node-2"]);
    assert_eq!(stage.peers("node-2"), ["node-1"]);
}

fn services_say_how_they_are(stage: &Stage) {
    let root = stage.health("root").expect("the root is asked");
    assert_eq!(root["status"], "ok", "{root}");
    assert_eq!(root["role"], "root");
    assert_eq!(root["nodes"]["active"], 2);
    assert_eq!(root["join_token"], true);
    let secondary = stage.health("secondary").expect("the secondary is asked");
    assert_eq!(secondary["status"], "ok", "{secondary}");
    assert_eq!(secondary["role"], "secondary");
    assert_eq!(secondary["replication"]["connected"], true);
    assert_eq!(secondary["replication"]["queued_writes"], 0);
    assert_eq!(
        secondary["replication"]["version"],
        root["replication"]["version"]
    );
    let status = stage.home.done(["status", "root", "node-1", "-o", "json"]);
    let status: Value = serde_json::from_str(&status.out).expect("JSON");
    let items = status["items"].as_array().expect("a list");
    let live: Vec<&Value> = items
        .iter()
        .map(|vm| &vm["services"][0]["live"]["status"])
        .collect();
    assert_eq!(live, ["ok", "ok"], "{status}");
    stage
        .home
        .done(["test", "root", "secondary", "node-1", "node-2"]);
}

/// Who reads goes on reading; who is new is written down, and told so.
fn the_root_is_away(stage: &mut Stage) {
    stage.home.done(["stop", "root"]);
    stage.until("the secondary sees that the root is away", |stage| {
        Some(stage.health("secondary")?["replication"]["connected"] == false)
    });
    for registry in ["secondary", "node-1"] {
        let told = stage.directory(registry).expect("reads go on");
        assert_eq!(names(&told), NODES, "{registry}");
    }
    stage.start_beside("late", 9000);
    stage.until("the new node is in the secondary's queue", |stage| {
        let queued = stage.health("secondary")?["replication"]["queued_writes"].as_u64()?;
        Some(queued > 0)
    });
    // Only a root takes a node in.
    let told = stage.directory("secondary").expect("reads go on");
    assert_eq!(names(&told), NODES);
    nodes_know_each_other(stage);
}

fn the_root_is_back(stage: &mut Stage) {
    stage.home.done(["start", "root", "--timeout", "10m"]);
    stage.until("the new node is in the root's directory", |stage| {
        Some(names(&stage.directory("root")?).contains(&"late".to_owned()))
    });
    every_registry_tells_the_same(stage, &["late", "node-1", "node-2"]);
    let secondary = stage.health("secondary").expect("the secondary is asked");
    assert_eq!(secondary["replication"]["queued_writes"], 0, "{secondary}");
    for (node, peers) in [
        ("node-1", ["late", "node-2"]),
        ("node-2", ["late", "node-1"]),
        ("[2001:db8:1::1]:9000", ["node-1", "node-2"]),
    ] {
        stage.until(&format!("`{node}` knows both others"), |stage| {
            Some(stage.peers(node) == peers)
        });
    }
}

/// What the data disks hold is all that the two are.
fn made_anew(stage: &mut Stage) {
    let before = identities(&stage.directory("root").expect("the root tells its nodes"));
    let root = stage.health("root").expect("the root is asked");
    let integrated = stage.health("node-1").expect("its registry is asked");
    stage
        .home
        .done(["destroy", "root", "node-1", "--yes", "--force"]);
    let left = stage
        .directory("secondary")
        .expect("reads go on without both");
    assert_eq!(identities(&left), before);
    let run = stage.create();
    assert!(run.out.contains("Network ready: "), "{}", run.out);
    let after = identities(&stage.directory("root").expect("the root tells its nodes"));
    assert_eq!(after, before);
    let anew = stage.health("root").expect("the root is asked");
    assert_eq!(anew["node_id"], root["node_id"]);
    let version = |health: &Value| {
        health["replication"]["version"]
            .as_u64()
            .expect("a version")
    };
    assert!(version(&anew) >= version(&root), "{anew}\n{root}");
    let anew = stage.health("node-1").expect("its registry is asked");
    assert_eq!(anew["node_id"], integrated["node_id"]);
    every_registry_tells_the_same(stage, &["late", "node-1", "node-2"]);
}

fn a_node_is_removed(stage: &mut Stage) {
    stage.home.done(["node", "remove", "node-2", "--yes"]);
    every_registry_tells_the_same(stage, &["late", "node-1"]);
}

/// The secondary goes on from the directory that it has, and takes in who comes next.
fn the_secondary_is_promoted(stage: &mut Stage) {
    stage.home.done(["destroy", "root", "--yes", "--force"]);
    let before = stage.health("secondary").expect("the secondary is asked");
    stage
        .home
        .done(["registry", "promote", "secondary", "--yes"]);
    let after = stage.health("secondary").expect("the new root is asked");
    assert_eq!(after["role"], "root");
    assert_eq!(after["node_id"], before["node_id"]);
    let told = stage.directory("secondary").expect("it tells its nodes");
    assert_eq!(names(&told), ["late", "node-1"]);
    stage.start_beside("later", 9100);
    stage.until("a new node is in the new root's directory", |stage| {
        let told = stage.directory("secondary")?;
        let later = told.iter().find(|node| node["node_name"] == "later")?;
        Some(text(&later["state"]) == "active")
    });
}

fn the_end(stage: &mut Stage) {
    stage.end_beside();
    let vms = ["secondary", "node-1", "node-2"];
    stage.home.done([
        "destroy",
        "secondary",
        "node-1",
        "node-2",
        "--yes",
        "--force",
    ]);
    let left = stage.home.inventory();
    let of_ours = |one: &&String| {
        vms.iter()
            .chain(&["root"])
            .any(|vm| one.contains(&format!("{vm}_")))
    };
    let kept: Vec<&String> = left.iter().filter(of_ours).collect();
    assert_eq!(kept.len(), 4, "{left:?}");
    assert!(
        kept.iter().all(|one| one.contains("_data-vdb.qcow2")),
        "{left:?}"
    );
}
