//! A network is installed in real guests: a root that publishes its record at a real name server, then a node that finds
//! it there. Then both once more: nothing changes.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails where it expects, and says on standard output how long each part took"
)]

mod names;

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests use part of it")]
mod support;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use names::NameServer;
use support::{Home, Run};

/// The prefix of the lab's bridge, with a part of it that is not this machine's.
const PREFIX: &str = "2001:db8:1::b:";

/// Two guests prove it: booting one takes a minute and more.
#[test]
fn a_root_and_a_node_that_finds_it_in_the_dns_are_installed_and_the_same_again_changes_nothing() {
    if std::env::var_os("TRUSTNET_VM_LAB").is_none() {
        println!("skipped: guests_install: not in the lab; run `cargo xtask test guests` as root");
        return;
    }
    let Some(names) = NameServer::start() else {
        println!("skipped: guests_install: there is no knotd (Debian's package `knot`)");
        return;
    };
    let home = home(&names);
    let root = install(&home, &ROOT, "the root");
    assert_eq!(root["result"], "installed", "{root:#}");
    well(&root);
    let node = install(&home, &NODE, "the node");
    assert_eq!(node["result"], "installed", "{node:#}");
    well(&node);
    assert_eq!(
        node["node"]["health"]["registry"]["registered"], true,
        "{node:#}"
    );
    let followed = &node["registry"]["health"]["replication"];
    assert_eq!(followed["connected"], true, "{node:#}");
    assert_eq!(followed["root"], format!("[{PREFIX}253]:8000"), "{node:#}");
    // Nobody told the node where the root is.
    let spec = std::fs::read_to_string(home.path("installs/node-1.yaml")).expect("the spec");
    assert!(!spec.contains("rootRegistry"), "{spec}");
    let nodes = json(&home.done(["registry", "nodes", "root", "-o", "json"]));
    assert_eq!(nodes["items"][0]["node_name"], "node-1", "{nodes:#}");
    assert_eq!(nodes["items"][0]["state"], "active", "{nodes:#}");
    let before = home.inventory();
    for (args, name) in [
        (ROOT.as_slice(), "the root again"),
        (NODE.as_slice(), "the node again"),
    ] {
        let again = install(&home, args, name);
        assert_eq!(again["result"], "unchanged", "{again:#}");
        well(&again);
    }
    assert_eq!(home.inventory(), before);
    home.done(["destroy", "root", "node-1", "--yes", "--force"]);
}

const ROOT: [&str; 10] = [
    "--registry-type",
    "root",
    "--address",
    "2001:db8:1::b:253",
    "--dns-provider",
    "rfc2136",
    "--dns-endpoint",
    "[2001:db8:1::1]:53",
    "--tsig-name",
    "updater",
];
const NODE: [&str; 6] = [
    "--registry-type",
    "integrated",
    "--node-name",
    "node-1",
    "--address",
    "2001:db8:1::b:1",
];

/// A home with the two programs where local builds are looked for, and answers for both.
fn home(names: &NameServer) -> Home {
    let home = Home::at("qemu:///system").with_image();
    let builds = home.path("data/trustnet-vm/builds/amd64");
    std::fs::create_dir_all(&builds).expect("a folder");
    for program in ["trustnet-registry", "trustnet-node"] {
        std::fs::copy(built(program), builds.join(program)).expect("a copy");
    }
    home.file("key", names::KEY);
    home.file(
        "answers.yaml",
        &format!(
            "apiVersion: trustnet.io/v1alpha1\nkind: Install\nspec:\n  domain: example.org\n  bridge: br-lab\n  \
             dnsServers: ['{}']\n  vm: {{vcpus: 1, memory: 640Mi, autostart: false, bootDisk: {{size: 4Gi}}}}\n",
            names.address()
        ),
    );
    home
}

/// Installs, and gives what is said for machines.
fn install(home: &Home, args: &[&str], name: &str) -> Value {
    let begun = Instant::now();
    let mut program = home.program();
    program
        .env("TRUSTNET_NAME_SERVERS", "[2001:db8:1::1]:53")
        .args([
            "install",
            "--answers",
            "answers.yaml",
            "--out",
            "installs",
            "--yes",
        ])
        .args(["--timeout", "20m", "-o", "json"])
        .args(args);
    if args.contains(&"rfc2136") {
        program.args(["--tsig-key-from", "file:key"]);
    }
    let run = Run::of(&program.output().expect("the program starts"));
    println!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(run.code, 0, "stdout:\n{}\nstderr:\n{}", run.out, run.err);
    json(&run)
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).expect("JSON")
}

/// Everything that was looked at in the end is well.
fn well(said: &Value) {
    let checks = said["checks"].as_array().expect("checks");
    assert!(checks.len() >= 3, "{said:#}");
    let bad: Vec<&Value> = checks
        .iter()
        .filter(|check| check["status"] != "ok")
        .collect();
    assert!(bad.is_empty(), "{said:#}");
    assert_eq!(said["warnings"], serde_json::json!([]), "{said:#}");
}

fn built(program: &str) -> PathBuf {
    let builds = std::env::var_os("TRUSTNET_VM_TEST_SERVICES");
    let builds = builds.expect("`cargo xtask test guests` sets TRUSTNET_VM_TEST_SERVICES");
    PathBuf::from(builds).join(program)
}
