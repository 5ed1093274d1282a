//! Versions that are looked up, locked, used again without a network, and looked up anew.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use trustnet_core::artifact::{Arch, Digest};

use crate::home::{Home, Run, files_below};
use crate::server::{Server, answer};

const TOOL: &str = "apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: tool }
spec:
  version: 1.8.0
  versionSource: { page: 'URL/versions' }
  artifacts:
    - name: tool
      url: 'URL/tool-{{ version }}'
      checksums: { url: 'URL/sums-{{ version }}' }
      install: { path: /usr/local/bin/tool }
";

fn program_of(version: &str) -> String {
    format!("#!/bin/sh\necho {version}\n")
}

/// A home with a definition, and the publisher of what it names.
struct Stage {
    home: Home,
    server: Option<Server>,
    url: String,
    authority: PathBuf,
    versions: Arc<Mutex<String>>,
}

impl Stage {
    fn new() -> Self {
        let versions = Arc::new(Mutex::new("1.8.0 1.9.1 1.9.3 2.0.0-rc.1".to_owned()));
        let page = Arc::clone(&versions);
        let server = Server::start_tls(move |hit, out| respond(&hit.path, &page, out));
        let home = Home::new();
        let url = server.url("");
        home.file("tool.yaml", &TOOL.replace("URL", &url));
        home.done(["service", "add", "tool.yaml", "--quiet"]);
        let authority = home.path("authority.pem");
        fs::write(&authority, server.authority.as_deref().expect("one")).expect("a file");
        Self {
            home,
            server: Some(server),
            url,
            authority,
            versions,
        }
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut program = self.home.program();
        program.env("SSL_CERT_FILE", &self.authority);
        program.env("SSL_CERT_DIR", self.home.path("none"));
        program.env("NO_PROXY", "localhost");
        Run::of(&program.args(args).output().expect("the program starts"))
    }

    fn done(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.out
    }

    /// How often a path was asked for.
    fn hits(&self, path: &str) -> usize {
        let server = self.server.as_ref().expect("it runs");
        let hits = server.hits();
        hits.iter().filter(|hit| hit.path == path).count()
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.home.path("trustnet-vm.lock")).expect("a lock")
    }

    /// The lock as it is to be, with these versions for these requests.
    fn expected(&self, chosen: &[(&str, &str)]) -> String {
        let arch = Arch::parse(std::env::consts::ARCH).expect("an architecture");
        let mut text = "# Written by trustnet-vm; to be kept with the specs.\napiVersion: trustnet.io/v1alpha1\nkind: Lock\nservices:\n".to_owned();
        for (requested, version) in chosen {
            text.push_str(&format!(
                "- name: tool\n  requested: {requested}\n  version: \"{version}\"\n"
            ));
        }
        text.push_str("artifacts:\n");
        let versions: BTreeSet<&str> = chosen.iter().map(|(_, version)| *version).collect();
        for version in versions {
            let program = program_of(version);
            text.push_str(&format!(
                "- service: tool\n  version: \"{version}\"\n  arch: {arch}\n  name: tool\n  kind: url\n  \
                 source: {}/tool-{version}\n  sha256: {}\n  size: {}\n",
                self.url,
                Digest::of(program.as_bytes()),
                program.len()
            ));
        }
        text
    }

    fn spec(&self, name: &str, version: &str) {
        let services = format!("  services: [{{ name: tool, version: {version} }}]\n");
        self.home.spec(name, &services);
    }
}

fn respond(path: &str, versions: &Mutex<String>, out: &mut dyn Write) -> std::io::Result<()> {
    let body = match path.split_once('-') {
        Some(("/tool", version)) => program_of(version),
        Some(("/sums", version)) => {
            let digest = Digest::of(program_of(version).as_bytes());
            format!("{digest}  tool-{version}\n")
        }
        _ if path == "/versions" => versions.lock().expect("no panic").clone(),
        _ => return answer(out, "404 Not Found", &[], b""),
    };
    answer(out, "200 OK", &[], body.as_bytes())
}

#[test]
fn a_version_is_looked_up_once_and_stays_until_it_is_looked_up_anew() {
    let mut stage = Stage::new();
    stage.spec("old", "~1.9");
    stage.spec("new", "latest");
    let fetch = ["cache", "fetch", "-f", "old.yaml", "-f", "new.yaml"];
    let said = stage.done(&fetch);
    // A candidate is no release.
    let both =
        "tool 1.9.3 tool: fetched (1 file, 21 B)\ntool 1.9.3 tool: was there (1 file, 21 B)\n";
    assert_eq!(said, both);
    let locked = stage.lock();
    let at_first = stage.expected(&[("latest", "1.9.3"), ("~1.9", "1.9.3")]);
    assert_eq!(locked, at_first);
    // What is published since then changes nothing, and nobody is asked.
    let asked = stage.hits("/versions");
    *stage.versions.lock().expect("no panic") = "1.9.3 1.9.7 2.1.0".to_owned();
    let again = stage.done(&fetch);
    assert_eq!(
        again.matches("tool 1.9.3 tool: was there").count(),
        2,
        "{again}"
    );
    assert_eq!(
        (stage.lock(), stage.hits("/versions")),
        (locked.clone(), asked)
    );

    // What is damaged in the cache is fetched again before its VM is made, as it is locked.
    let blobs = files_below(&stage.home.path(".cache/trustnet-vm/artifacts/sha256"));
    fs::set_permissions(&blobs[0], fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::write(&blobs[0], "damaged").expect("a write");
    stage.done(&["create", "old.yaml", "--no-wait", "--quiet"]);
    let whole = fs::read_to_string(&blobs[0]).expect("the blob");
    assert_eq!(whole, program_of("1.9.3"));
    assert_eq!((blobs.len(), stage.hits("/tool-1.9.3")), (1, 2));

    // Without the publisher, from the lock.
    stage.server = None;
    stage.done(&["create", "new.yaml", "--offline", "--no-wait", "--quiet"]);
    assert_eq!(
        (stage.home.state().domains.len(), stage.lock()),
        (2, locked)
    );
}

#[test]
fn an_update_looks_versions_up_anew_and_forgets_what_nobody_asks_for() {
    let stage = Stage::new();
    stage.spec("old", "~1.9");
    stage.spec("new", "latest");
    let fetch = ["cache", "fetch", "-f", "old.yaml", "-f", "new.yaml"];
    stage.done(&fetch);
    *stage.versions.lock().expect("no panic") = "1.9.3 1.9.7 2.1.0".to_owned();
    let mut update = fetch.to_vec();
    update.push("--update");
    let said = stage.done(&update);
    assert_eq!(
        said,
        "tool 1.9.7 tool: fetched (1 file, 21 B)\ntool 2.1.0 tool: fetched (1 file, 21 B)\n"
    );
    assert_eq!(
        stage.lock(),
        stage.expected(&[("latest", "2.1.0"), ("~1.9", "1.9.7")])
    );
    // Without the publisher's authority nothing is believed.
    let untrusted = stage.home.run(update);
    assert_eq!(untrusted.code, Some(7), "{untrusted:?}");
    assert_eq!(
        stage.lock(),
        stage.expected(&[("latest", "2.1.0"), ("~1.9", "1.9.7")])
    );
}
