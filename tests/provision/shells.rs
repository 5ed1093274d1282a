//! The guest's script under every shell that may be a guest's `sh`, and with the tools of a small one.

use serde_json::json;

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, bring, inside, program_of};

/// What the script calls that busybox has, too. `useradd` and the like stay: Alpine has its own, tested there.
const TOOLS: &str = "awk basename cat chmod chown cp cut dirname find flock grep head id ls mkdir mktemp mv rm sed \
    setsid sha256sum sleep stat sync tail tar test timeout touch tr true uname wc";

const SERVICE: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: small }
spec:
  version: "1.0"
  parameters: { odd: { type: string, default: "'; $(id) %s \\ - ü" } }
  user: { name: small }
  data: { path: /var/lib/small, owner: "small:small" }
  artifacts:
    - { name: tool, file: tool, install: { path: /usr/local/bin/small-tool } }
    - { name: tree, file: tree.tar.gz, unpack: { into: /opt/small, strip: 1, links: { /usr/local/bin/small: app } } }
  files:
    - { path: /etc/small/a, content: "{{ params.odd }}", owner: "small:small", mode: "0640" }
    - { path: /etc/small/b c, content: "" }
  setup:
    - { name: slow, beforeStart: true, command: [sh, -c, 'echo "$1"; sleep 2; echo "$1" >> /var/lib/small/ran', sh, "{{ params.odd }}"], unless: [test, -e, /var/lib/small/ran] }
  ready: { command: [test, -e, /var/lib/small/ran] }
"#;

fn tree() -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut header = tar::Header::new_ustar();
    header.set_size(18);
    header.set_mode(0o755);
    archive
        .append_data(&mut header, "top/app", &b"#!/bin/sh\necho app"[..])
        .expect("a file");
    let gzip = archive.into_inner().expect("an archive");
    gzip.finish().expect("an archive")
}

/// Takes all steps, has nothing to do, puts something right, fails, and is stopped.
fn whole(guest: &Sshd, shell: &str) {
    let cache = Folder::beside(guest);
    let things = Things {
        artifacts: [
            ("tool".to_owned(), cache.put(b"#!/bin/sh\necho tool\n")),
            ("tree".to_owned(), cache.put(&tree())),
        ]
        .into(),
        ..Things::default()
    };
    let program = program_of(&[SERVICE], json!([{"name": "small"}]), &things);
    let told = bring(guest, &program, &cache);
    assert!(
        told.lines.contains(&"| '; $(id) %s \\ - ü".to_owned()),
        "{shell}: {:#?}",
        told.lines
    );
    assert_eq!(told.taken(), program.steps.len(), "{shell}");
    assert_eq!(bring(guest, &program, &cache).taken(), 0, "{shell}");
    assert_eq!(
        inside(
            guest,
            "small; small-tool; cat /var/lib/small/ran /etc/small/a"
        ),
        "app\ntool\n'; $(id) %s \\ - ü\n'; $(id) %s \\ - ü",
        "{shell}"
    );
    inside(guest, "chmod 600 '/etc/small/b c'; echo x > /etc/small/a");
    assert_eq!(bring(guest, &program, &cache).taken(), 2, "{shell}");
    let stuck = "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: stuck }\nspec:\n  version: \"1\"\n  setup:\n    - { name: stuck, timeout: 1s, command: [sleep, \"600.5\"] }\n";
    let program = program_of(&[stuck], json!([{"name": "stuck"}]), &Things::default());
    let error = bring(guest, &program, &cache).error();
    let expected = "failed at stuck: setup stuck: it took longer than 1 s";
    assert!(error.starts_with(expected), "{shell}: {error}");
}

#[test]
fn the_script_does_all_of_its_work_under_dash() {
    let guest = Sshd::in_root();
    inside(&guest, "mount --bind /usr/bin/dash /usr/bin/sh");
    whole(&guest, "dash");
}

#[test]
fn the_script_does_all_of_its_work_under_busybox_and_with_its_tools() {
    let guest = Sshd::in_root();
    let links = format!(
        "for tool in {TOOLS}; do busybox --list | grep -qx $tool && ln -s $(command -v busybox) /usr/local/sbin/$tool; done; \
         mount --bind $(command -v busybox) /usr/bin/sh; sh --help 2>&1 | head -n 1"
    );
    let said = inside(&guest, &links);
    assert!(said.contains("BusyBox"), "{said}");
    whole(&guest, "busybox");
}
