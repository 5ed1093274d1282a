//! Each kind of step: done, seen to be done, put right when it is not, taken away.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::json;
use trustnet_core::artifact::Arch;
use trustnet_core::provision::{ServiceInput, uninstall};
use trustnet_core::service::select;

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, asked, bring, catalogue, inside, program_of};

const WHOLE: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: whole }
spec:
  version: "1.0"
  user: { name: whole, home: /var/lib/whole, groups: [users] }
  data: { path: /var/lib/whole, owner: "whole:whole", mode: "0750" }
  artifacts:
    - { name: tool, file: tool, install: { path: /opt/whole/bin/tool } }
  secrets:
    key: { owner: "whole:whole" }
  files:
    - { path: /etc/whole/with.conf, content: "x\n", owner: "root:whole", mode: "0640" }
  setup:
    - name: first
      beforeStart: true
      user: whole
      environment: { WHO: "{{ vm }}" }
      command: [sh, -c, 'echo "$(id -un) $WHO $(cat)" > /var/lib/whole/first']
      unless: [test, -e, /var/lib/whole/first]
      input: "input"
  ready: { command: [test, -e, /var/lib/whole/first] }
  uninstall: { commands: [[touch, /etc/whole-gone]] }
"#;

fn things(cache: &Folder) -> Things {
    Things {
        artifacts: [("tool".to_owned(), cache.put(b"#!/bin/sh\necho tool\n"))].into(),
        secrets: [("key".to_owned(), "hunter22".to_owned())].into(),
        mounts: vec!["/srv".to_owned()],
    }
}

#[test]
fn each_kind_of_step_is_done_and_seen_and_put_right() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    fs::create_dir_all(guest.path("/var/lib/whole")).expect("a folder");
    fs::write(guest.path("/var/lib/whole/old"), "data").expect("a file");
    let program = program_of(&[WHOLE], json!([{"name": "whole"}]), &things(&cache));
    bring(&guest, &program, &cache).taken();
    assert_eq!(
        inside(&guest, "id -nG whole; getent passwd whole | cut -d: -f6,7"),
        "whole users\n/var/lib/whole:/usr/sbin/nologin\n"
    );
    // The data lies on the disk, what was there before included, and all of it is its owner's.
    assert_eq!(
        inside(
            &guest,
            "stat -c '%n %U:%G %a' /srv/whole /srv/whole/*; cat /srv/whole/first"
        ),
        "/srv/whole whole:whole 750\n/srv/whole/first whole:whole 600\n/srv/whole/old whole:whole 644\nwhole web input\n"
    );
    let fstab = fs::read_to_string(guest.path("/etc/fstab")).expect("the file");
    assert!(
        fstab.ends_with("/srv/whole /var/lib/whole none bind,nofail 0 0\n"),
        "{fstab}"
    );
    assert_eq!(
        inside(
            &guest,
            "stat -c '%U:%G %a' /etc/whole/with.conf /opt/whole/bin/tool; find /etc /var/lib/trustnet-vm -xdev -newer /opt/whole/bin/tool -type f -perm /077 -exec grep -l hunter22 {} + || true"
        ),
        "root:whole 640\nroot:root 755\n"
    );
    assert_eq!(bring(&guest, &program, &cache).taken(), 0);
    for (harm, steps) in [
        ("umount /var/lib/whole", 1),
        ("chmod 666 /etc/whole/with.conf", 1),
        ("chown whole /etc/whole/with.conf", 1),
        ("rm /etc/whole/with.conf", 1),
        ("rm /opt/whole/bin/tool", 1),
        // What it owned belongs to nobody then.
        ("userdel whole", 3),
    ] {
        inside(&guest, harm);
        let told = bring(&guest, &program, &cache);
        let lines = told.lines.clone();
        assert_eq!(told.taken(), steps, "{harm}: {lines:#?}");
        assert_eq!(bring(&guest, &program, &cache).taken(), 0, "{harm}");
    }
    // After a boot the disk is mounted anew.
    let mounts = inside(&guest, "grep -c ' /var/lib/whole ' /proc/self/mounts");
    assert_eq!(mounts, "1\n");
}

#[test]
fn a_service_that_is_taken_away_leaves_its_data_and_no_state() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let things = things(&cache);
    let program = program_of(&[WHOLE], json!([{"name": "whole"}]), &things);
    bring(&guest, &program, &cache).taken();
    let instances =
        select(&asked(json!([{"name": "whole"}])), &catalogue(&[WHOLE])).expect("valid");
    let input = ServiceInput {
        instance: &instances[0],
        scope: instances[0].scope("web", "1.0", Arch::Amd64),
        secrets: things.secrets.clone(),
        artifacts: things.artifacts.clone(),
    };
    let away = uninstall(&input).expect("a program");
    let told = bring(&guest, &away, &cache);
    let outcome = told.result.expect("it goes");
    assert_eq!(outcome.taken, away.steps.len());
    for path in ["/etc/whole/with.conf", "/opt/whole/bin/tool"] {
        assert!(!guest.path(path).exists(), "{path}");
    }
    assert!(guest.path("/etc/whole-gone").exists());
    assert_eq!(
        inside(
            &guest,
            "cat /srv/whole/first; ls /var/lib/trustnet-vm/state; find /etc -path '*whole*' -type f -exec grep -l hunter22 {} + || true"
        ),
        "whole web input\n"
    );
    // And comes back to its data.
    bring(&guest, &program, &cache).taken();
    assert_eq!(
        inside(&guest, "cat /var/lib/whole/first"),
        "whole web input\n"
    );
}

#[test]
fn a_file_comes_whole_even_over_a_link_and_with_any_mode() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let text = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: modes }
spec:
  version: "1.0"
  files:
    - { path: /etc/modes/a, content: a, mode: "0600", owner: "nobody:nogroup" }
    - { path: /etc/modes/b, content: b, mode: "4755" }
    - { path: /etc/modes/c d, content: c }
    - { path: /etc/modes/ü, content: "" }
"#;
    // What lies there is a link to something that is not ours.
    inside(
        &guest,
        "mkdir /etc/modes; echo precious > /etc/precious; ln -s /etc/precious /etc/modes/a",
    );
    let program = program_of(&[text], json!([{"name": "modes"}]), &Things::default());
    assert_eq!(bring(&guest, &program, &nothing).taken(), 4);
    assert_eq!(bring(&guest, &program, &nothing).taken(), 0);
    let read = |path: &str| fs::read_to_string(guest.path(path)).expect("the file");
    assert_eq!(read("/etc/precious"), "precious\n");
    assert_eq!(
        (read("/etc/modes/a"), read("/etc/modes/c d")),
        ("a".into(), "c".into())
    );
    let facts = fs::symlink_metadata(guest.path("/etc/modes/a")).expect("the file");
    assert!(facts.is_file());
    assert_eq!((facts.mode() & 0o7777, facts.uid()), (0o600, 65534));
    let mode = fs::metadata(guest.path("/etc/modes/b")).expect("the file");
    assert_eq!(mode.permissions().mode() & 0o7777, 0o4755);
}
