//! Single steps, and what becomes of them the second time.

use std::fs;

use serde_json::json;
use trustnet_core::artifact::Digest;
use trustnet_core::provision::Pinned;

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, bring, program_of};

const TOOL: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: tool }
spec:
  version: "1.0"
  parameters:
    greeting: { type: string, default: hello }
    text: { type: text, default: "one\ntwo\n" }
  files:
    - { path: /etc/tool/tool.conf, content: "greeting = {{ params.greeting }}\n" }
    - { path: /etc/tool/text, content: "{{ params.text }}", mode: "0640" }
  setup:
    - name: count the runs
      command: [sh, -c, 'cat >> /var/lib/tool-runs; echo ran "$1"', sh, "{{ params.greeting }}"]
      input: "run {{ params.greeting }}\n"
"#;

#[test]
fn a_program_is_brought_once_and_only_what_changes_is_done_again() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let program = program_of(&[TOOL], json!([{"name": "tool"}]), &Things::default());
    let told = bring(&guest, &program, &nothing);
    let outcome = told.result.expect("it is brought");
    assert_eq!(outcome.taken, 3, "{:?}", told.lines);
    assert_eq!(
        told.lines,
        [
            "3 of 3 steps",
            "begun tool: file /etc/tool/tool.conf",
            "done tool: file /etc/tool/tool.conf",
            "begun tool: file /etc/tool/text",
            "done tool: file /etc/tool/text",
            "begun tool: setup count the runs",
            "| ran hello",
            "done tool: setup count the runs",
        ]
    );
    let read = |path: &str| fs::read_to_string(guest.path(path)).expect("the file");
    assert_eq!(read("/etc/tool/tool.conf"), "greeting = hello\n");
    assert_eq!(read("/etc/tool/text"), "one\ntwo\n");

    let told = bring(&guest, &program, &nothing);
    assert_eq!(told.result.expect("nothing to do").taken, 0);
    assert_eq!(told.lines, ["0 of 3 steps"]);

    // A parameter: its file and its command, and nothing else.
    let services = json!([{"name": "tool", "config": {"greeting": "'; rm -rf / $(id)"}}]);
    let program = program_of(&[TOOL], services, &Things::default());
    let told = bring(&guest, &program, &nothing);
    assert_eq!(told.result.expect("it is brought").taken, 2);
    assert_eq!(
        read("/etc/tool/tool.conf"),
        "greeting = '; rm -rf / $(id)\n"
    );
    assert_eq!(
        read("/var/lib/tool-runs"),
        "run hello\nrun '; rm -rf / $(id)\n"
    );

    // What somebody changed in the guest is put right.
    fs::write(guest.path("/etc/tool/text"), "other").expect("a write");
    let told = bring(&guest, &program, &nothing);
    assert_eq!(told.result.expect("it is brought").taken, 1);
    assert_eq!(read("/etc/tool/text"), "one\ntwo\n");
}

const LEFT: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: left }
spec:
  version: "1.0"
  artifacts:
    - { name: blob, file: blob, install: { path: /opt/left } }
"#;

#[test]
fn an_artifact_that_two_services_take_is_sent_once_and_gone_after_the_second() {
    let guest = Sshd::in_root();
    let store = Folder(guest.shared("store"));
    fs::create_dir_all(&store.0).expect("a folder");
    let digest = Digest::of(b"bytes");
    fs::write(store.0.join(digest.to_string()), "bytes").expect("a file");
    let things = Things {
        artifacts: [("blob".to_owned(), Pinned::Blob(digest))].into(),
        ..Things::default()
    };
    let right = LEFT.replace("left", "right");
    let services = json!([{"name": "left"}, {"name": "right"}]);
    let program = program_of(&[LEFT, &right], services, &things);
    let told = bring(&guest, &program, &store);
    assert_eq!(told.result.expect("it is brought").taken, 2);
    for name in ["left", "right"] {
        let path = guest.path(&format!("/opt/{name}"));
        assert_eq!(fs::read_to_string(path).expect("the file"), "bytes");
    }
    let sent = guest.path("/var/cache/trustnet-vm");
    assert_eq!(fs::read_dir(sent).expect("the folder").count(), 0);
}
