//! Artifacts that are not what they should be, and guests that are others.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use trustnet_core::artifact::Digest;
use trustnet_core::provision::{Pinned, Program};
use trustnet_host::provision::ProvisionError;
use trustnet_host::shell::{self, ShellError};

use crate::sshd::Sshd;
use crate::stage::{Folder, PATIENCE, Things, bring, bring_over, inside, program_of};

const TOOL: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: tool }
spec:
  version: "1.0"
  artifacts:
    - { name: tool, file: tool, install: { path: /usr/local/bin/tool } }
"#;

/// Two services with the same artifact, the second of them behind what the host sees.
const TWICE: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: first }
spec:
  version: "1.0"
  parameters: { port: { type: port, default: 1 } }
  artifacts:
    - { name: tool, file: tool, install: { path: /usr/local/bin/one } }
  ready: { tcp: { port: "{{ params.port }}" } }
---
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: second }
spec:
  version: "1.0"
  artifacts:
    - { name: tool, file: tool, install: { path: /usr/local/bin/two } }
    - { name: again, file: tool, install: { path: /usr/local/bin/three, mode: "0700" } }
"#;

fn tool(blob: &Pinned) -> Program {
    let artifacts = [("tool".to_owned(), blob.clone())].into();
    let things = Things {
        artifacts,
        ..Things::default()
    };
    program_of(&[TOOL], json!([{"name": "tool"}]), &things)
}

fn digest(blob: &Pinned) -> Digest {
    match blob {
        Pinned::Blob(digest) => *digest,
        _ => panic!("a blob"),
    }
}

#[test]
fn an_artifact_that_changed_in_the_cache_is_refused_before_it_is_sent() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let blob = cache.put(b"#!/bin/sh\necho tool\n");
    fs::write(cache.0.join(digest(&blob).to_string()), "other").expect("a file");
    let told = bring(&guest, &tool(&blob), &cache);
    assert!(
        matches!(told.result, Err(ProvisionError::Artifact { .. })),
        "{:?}",
        told.result
    );
    let sent = fs::read_dir(guest.path("/var/cache/trustnet-vm")).expect("the folder");
    assert_eq!(sent.count(), 0);
    assert!(!guest.path("/usr/local/bin/tool").exists());
}

#[test]
fn an_artifact_that_changed_on_its_way_is_refused_in_the_guest_and_sent_anew() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let blob = cache.put(b"#!/bin/sh\necho tool\n");
    let name = digest(&blob).to_string();
    let sent = guest.path("/var/cache/trustnet-vm");
    fs::create_dir_all(&sent).expect("a folder");
    fs::write(sent.join(&name), "damaged").expect("a file");
    let told = bring(&guest, &tool(&blob), &cache);
    let error = told.error();
    assert!(
        error.contains(&format!("the artifact {name} does not have its digest")),
        "{error}"
    );
    assert!(!guest.path("/usr/local/bin/tool").exists());
    // The damaged one was thrown away.
    assert_eq!(bring(&guest, &tool(&blob), &cache).taken(), 1);
    assert_eq!(inside(&guest, "tool"), "tool\n");
    assert!(!sent.join(&name).exists(), "what was sent is not kept");
    let mode = fs::metadata(guest.path("/usr/local/bin/tool")).expect("the file");
    assert_eq!(mode.permissions().mode() & 0o7777, 0o755);
}

#[test]
fn an_artifact_on_a_cache_disk_is_used_from_there_unless_it_is_damaged() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let blob = cache.put(b"#!/bin/sh\necho tool\n");
    let name = digest(&blob).to_string();
    let source = cache.0.join(&name).display().to_string();
    let disk = format!(
        "mkdir -p /run/trustnet-vm/cache && mount -t tmpfs tmpfs /run/trustnet-vm/cache && cp {source} /run/trustnet-vm/cache/{name}"
    );
    inside(&guest, &disk);
    // Nothing here could be sent.
    let nothing = Folder(guest.shared("none"));
    assert_eq!(bring(&guest, &tool(&blob), &nothing).taken(), 1);
    assert_eq!(inside(&guest, "tool"), "tool\n");
    inside(
        &guest,
        &format!("rm /usr/local/bin/tool; echo x >> /run/trustnet-vm/cache/{name}"),
    );
    // One that is damaged there is refused, and the next run sends it.
    let error = bring(&guest, &tool(&blob), &cache).error();
    let said = format!("the artifact {name} on the cache disk does not have its digest");
    assert!(error.contains(&said), "{error}");
    assert!(!guest.path("/usr/local/bin/tool").exists());
    assert_eq!(bring(&guest, &tool(&blob), &cache).taken(), 1);
    assert_eq!(inside(&guest, "tool"), "tool\n");
}

#[test]
fn an_artifact_that_several_steps_need_is_sent_once_and_kept_until_the_last() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let blob = cache.put(b"#!/bin/sh\necho tool\n");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let things = Things {
        artifacts: [
            ("tool".to_owned(), blob.clone()),
            ("again".to_owned(), blob.clone()),
        ]
        .into(),
        ..Things::default()
    };
    let services = json!([{"name": "first", "config": {"port": port}}, {"name": "second"}]);
    let program = program_of(&[TWICE], services, &things);
    bring(&guest, &program, &cache).taken();
    assert_eq!(inside(&guest, "one; two; three"), "tool\ntool\ntool\n");
    let sent = fs::read_dir(guest.path("/var/cache/trustnet-vm")).expect("the folder");
    assert_eq!(sent.count(), 0);
}

#[test]
fn another_machine_in_the_guests_place_gets_nothing() {
    let guest = Sshd::in_root();
    let other = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let blob = cache.put(b"#!/bin/sh\necho tool\n");
    let record = guest.record("web");
    let session = guest.session(&record);
    let connect = || shell::connect(&session, &other.endpoint(), PATIENCE);
    let told = bring_over(&connect, &tool(&blob), &cache, PATIENCE, &|_| {});
    assert!(
        matches!(
            told.result,
            Err(ProvisionError::Shell(ShellError::WrongHostKey { .. }))
        ),
        "{:?}",
        told.result
    );
    assert_eq!(told.lines, [""; 0]);
    assert!(!other.log().contains("publickey"), "{}", other.log());
    assert!(!other.path("/var/lib/trustnet-vm").exists());
}
