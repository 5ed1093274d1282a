//! `install` without questions: every role over the fake host, what is missing, what is odd, and the same once more.

mod cluster;
mod errors;
mod files;
pub mod names;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::home::{Home, Run};
use names::Names;

/// A home with builds of the two services, of which nobody looks at more than the name; and a name server.
pub struct Stage {
    pub home: Home,
    pub names: Names,
}

/// The folder of a domain's installations.
pub const INSTALLS: &str = ".local/share/trustnet-vm/installs/example.org";

/// What every run has: nobody waits for guests, which are not there, and for a record no longer than a test may.
const SHORT: [&str; 7] = [
    "--no-wait",
    "--dns-tries",
    "2",
    "--dns-pause",
    "1ms",
    "--root",
    "machine",
];

impl Stage {
    /// A stage whose network's record has these addresses.
    pub fn with(addresses: &[&str]) -> Self {
        let home = Home::new();
        let builds = ".local/share/trustnet-vm/builds/amd64";
        fs::create_dir_all(home.path(builds)).expect("a folder");
        for program in ["trustnet-registry", "trustnet-node"] {
            home.file(&format!("{builds}/{program}"), "#!/bin/sh\n");
        }
        home.file("token", "0123456789abcdef0123456789abcdef\n");
        // A machine of which nothing is known: what this one has does not matter.
        fs::create_dir(home.path("machine")).expect("a folder");
        let names = Names::with(addresses);
        Self { home, names }
    }

    pub fn program(&self) -> Command {
        let mut program = self.home.program();
        program.env("TRUSTNET_NAME_SERVERS", &self.names.at);
        program
    }

    /// What `install` with these words says, the same each time.
    pub fn says(&self, words: &str) -> String {
        let args = words.split_whitespace().chain(SHORT);
        let args = ["install"].into_iter().chain(args);
        let said = self.home.says_of(&mut self.program(), args);
        self.steady(&said.replace(&format!(" {}", SHORT.join(" ")), ""))
    }

    /// A text that is the same on every day, too.
    pub fn steady(&self, text: &str) -> String {
        let now = jiff::Timestamp::now().to_string();
        self.home.steady(text).replace(&now[..10], "[DAY]")
    }

    /// The same, of which the end counts.
    pub fn run(&self, words: &str) -> Run {
        let args = words.split_whitespace().chain(SHORT);
        let output = self.program().arg("install").args(args).output();
        Run::of(&output.expect("it starts"))
    }

    /// A file of an installation.
    pub fn written(&self, name: &str) -> String {
        let path = self.home.path(INSTALLS).join(name);
        let text = fs::read_to_string(path).expect("it was written");
        self.home.steady(&text)
    }
}

#[test]
fn a_root_is_installed_without_a_question_and_the_same_again_changes_nothing() {
    let stage = Stage::with(&[]);
    let words = "--domain example.org --registry-type root --yes";
    let mut said = stage.says(words);
    let before = stage.home.inventory();
    stage.names.set(&["fd10:1234::253"]);
    said.push_str(&stage.says(words));
    assert_eq!(stage.home.inventory(), before);
    for name in ["root.answers.yaml", "root.yaml"] {
        let path = stage.home.path(INSTALLS).join(name);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        said.push_str(&format!("=== {name}\n{}", stage.written(name)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_secondary_follows_the_root_that_was_named() {
    let stage = Stage::with(&[]);
    let mut said = stage.says(
        "--domain example.org --registry-type independent --root-registry 2001:db8:1::253 --join-token-file token --yes",
    );
    said.push_str(&stage.written("secondary.yaml"));
    insta::assert_snapshot!(said);
}

#[test]
fn a_node_joins_the_network_whose_record_is_found() {
    let stage = Stage::with(&["2001:db8:1::253", "2001:db8:1::254"]);
    let mut said = stage.says(
        "--domain example.org --node-name node-7 --join-token-file token --vcpus 1 --memory 1Gi --disk 8Gi --yes",
    );
    said.push_str(&stage.written("node-7.yaml"));
    insta::assert_snapshot!(said);
}

#[test]
fn a_node_beside_the_root_of_this_machine_needs_no_token() {
    let stage = Stage::with(&["fd10:1234::253"]);
    let words = "--domain example.org --registry-type root --yes";
    let another = stage.run(words);
    assert_eq!(
        another.code,
        Some(1),
        "somebody else's root: {}",
        another.err
    );
    assert!(another.err.contains("--new-root"), "{}", another.err);
    stage.names.set(&[]);
    let root = stage.run(words);
    assert_eq!(root.code, Some(0), "{}", root.err);
    stage.names.set(&["fd10:1234::253"]);
    assert_eq!(stage.run(words).code, Some(0), "it is this one");
    let node = stage.run("--domain example.org --yes -o name");
    assert_eq!(
        (node.code, node.out.as_str()),
        (Some(0), "node-1\n"),
        "{}",
        node.err
    );
    let spec = stage.written("node-1.yaml");
    assert!(!spec.contains("joinTokenFrom"), "{spec}");
}
