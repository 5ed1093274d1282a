//! Connections that are cut, guests that go down, runs that are killed: what was begun is gone on with.

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;
use trustnet_core::provision::Program;
use trustnet_host::provision::ProvisionError;
use trustnet_host::shell;

use crate::sshd::Sshd;
use crate::stage::{Folder, PATIENCE, Things, bring, bring_over, inside, program_of};

/// A step that waits for a file, and counts how often it was taken.
const LONG: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: long }
spec:
  version: "1.0"
  files:
    - { path: /etc/long/before, content: "before\n" }
  setup:
    - name: wait
      beforeStart: true
      command: [sh, -c, 'echo ran >> /var/lib/long-runs; until [ -e /etc/go ]; do sleep 0.05; done; echo over']
  ready: { command: [grep, -q, ran, /var/lib/long-runs] }
"#;

fn long() -> Program {
    program_of(&[LONG], json!([{"name": "long"}]), &Things::default())
}

fn until(what: impl Fn() -> bool) {
    let since = Instant::now();
    while !what() {
        assert!(since.elapsed() < PATIENCE, "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How often the long step was taken.
fn runs(guest: &Sshd) -> usize {
    let said = fs::read_to_string(guest.path("/var/lib/long-runs")).unwrap_or_default();
    said.lines().count()
}

#[test]
fn a_connection_that_is_cut_in_a_long_step_is_made_again_and_the_step_is_not_taken_twice() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            until(|| runs(&guest) == 1);
            // The server's side of the one connection that is there; what runs in the guest stays. The connection
            // of this command goes with it.
            let cut = "for pid in $(pgrep -f '^sshd: root'); do [ $pid = $PPID ] || kill -9 $pid; done; kill -9 $PPID";
            let mut shell = guest.connect();
            let _ = shell.run(cut, &mut std::io::empty(), PATIENCE, &mut |_, _| {});
            until(|| guest.log().matches("Accepted publickey").count() >= 3);
            std::thread::sleep(Duration::from_millis(700));
            fs::write(guest.path("/etc/go"), "").expect("a file");
        });
        bring(&guest, &long(), &nothing)
    });
    let lines = told.lines.clone();
    told.taken();
    assert_eq!(runs(&guest), 1, "{lines:#?}");
    let said = |part: &str| lines.iter().any(|line| line.contains(part));
    assert!(said("lost the connection"), "{lines:#?}");
    assert!(
        said("an earlier run still works in the guest; waiting for it"),
        "{lines:#?}"
    );
    assert_eq!(bring(&guest, &long(), &nothing).taken(), 0);
}

#[test]
fn a_guest_that_is_rebooted_in_a_step_is_waited_for_and_gone_on_with() {
    let guest = Mutex::new(Sshd::in_root());
    let nothing = Folder(guest.lock().expect("no panic").shared("none"));
    let connection = {
        let guest = guest.lock().expect("no panic");
        (guest.record("web"), guest.endpoint(), guest.path(""))
    };
    let (record, endpoint, root) = connection;
    let paths = guest.lock().expect("no panic").paths.clone();
    let session = trustnet_host::ssh::Session {
        paths: &paths,
        uri: "qemu:///session",
        uuid: crate::sshd::UUID,
        record: &record,
    };
    let connect = || shell::connect(&session, &endpoint, Duration::from_secs(5));
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            let count = || {
                let said = fs::read_to_string(root.join("var/lib/long-runs"));
                said.unwrap_or_default().lines().count()
            };
            until(|| count() == 1);
            guest.lock().expect("no panic").reboot();
            until(|| count() == 2);
            fs::write(root.join("etc/go"), "").expect("a file");
        });
        bring_over(&connect, &long(), &nothing, PATIENCE, &|_| {})
    });
    let lines = told.lines.clone();
    told.taken();
    // The file before is there; the command is taken again, because its first run died with the guest.
    assert!(lines.contains(&"2 of 3 steps".to_owned()), "{lines:#?}");
    let guest = guest.into_inner().expect("no panic");
    assert_eq!(runs(&guest), 2);
    assert_eq!(bring(&guest, &long(), &nothing).taken(), 0);
}

#[test]
fn a_guest_that_does_not_come_back_is_given_up_after_its_patience() {
    let mut guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let (record, endpoint, root) = (guest.record("web"), guest.endpoint(), guest.path(""));
    let paths = guest.paths.clone();
    let session = trustnet_host::ssh::Session {
        paths: &paths,
        uri: "qemu:///session",
        uuid: crate::sshd::UUID,
        record: &record,
    };
    let connect = || shell::connect(&session, &endpoint, Duration::from_millis(200));
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            until(|| root.join("var/lib/long-runs").exists());
            guest.stop();
        });
        let patience = Duration::from_millis(1500);
        bring_over(&connect, &long(), &nothing, patience, &|_| {})
    });
    let error = told.result.expect_err("it is gone");
    assert!(
        matches!(&error, ProvisionError::Shell(error) if error.is_not_up()),
        "{error}"
    );
}

#[test]
fn a_run_that_is_killed_in_the_guest_is_told_and_gone_on_with() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            until(|| runs(&guest) == 1);
            inside(
                &guest,
                "for pid in $(pgrep -f 'provision.sh guard'); do kill -9 $pid; done; pkill -9 -f '^sh -c echo ran'",
            );
            fs::write(guest.path("/etc/go"), "").expect("a file");
        });
        bring(&guest, &long(), &nothing)
    });
    let error = told.error();
    assert!(
        error.starts_with("the guest did not finish its steps"),
        "{error}"
    );
    bring(&guest, &long(), &nothing).taken();
    assert_eq!(bring(&guest, &long(), &nothing).taken(), 0);
}
