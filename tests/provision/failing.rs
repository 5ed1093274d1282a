//! Steps that fail, that take too long, and that leave something behind.

use std::fs;

use serde_json::json;
use trustnet_host::provision::ProvisionError;

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, bring, inside, program_of};

fn setup(commands: &str) -> String {
    format!(
        "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: {{ name: tool }}\nspec:\n  version: \"1\"\n  setup:\n{commands}"
    )
}

#[test]
fn a_step_that_fails_is_named_with_its_last_lines_and_ends_the_run() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let text = setup(
        "    - { name: one, command: [touch, /etc/one] }\n    - name: two\n      command: [sh, -c, 'seq 100; printf \"no line end\"; exit 3']\n    - { name: three, command: [touch, /etc/three] }\n",
    );
    let program = program_of(&[&text], json!([{"name": "tool"}]), &Things::default());
    let told = bring(&guest, &program, &nothing);
    let Err(ProvisionError::Step {
        step, why, last, ..
    }) = &told.result
    else {
        panic!("{:?}", told.result);
    };
    assert_eq!(
        (step.as_str(), why.as_str()),
        ("tool: setup two", "exit status 3")
    );
    let mut expected: Vec<String> = (82..=100).map(|number| number.to_string()).collect();
    expected.push("no line end".to_owned());
    assert_eq!(*last, expected);
    assert!(guest.path("/etc/one").exists() && !guest.path("/etc/three").exists());
    // What was done stays done.
    let told = bring(&guest, &program, &nothing);
    assert_eq!(told.lines[0], "2 of 3 steps");
}

#[test]
fn a_step_that_takes_too_long_is_stopped_with_all_that_it_started() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let text = setup(
        "    - name: slow\n      timeout: 1s\n      command: [sh, -c, 'echo waiting; sleep 600.25 & wait']\n",
    );
    let program = program_of(&[&text], json!([{"name": "tool"}]), &Things::default());
    let told = bring(&guest, &program, &nothing);
    let Err(ProvisionError::Step { why, last, .. }) = &told.result else {
        panic!("{:?}", told.result);
    };
    assert_eq!(why, "it took longer than 1 s");
    assert_eq!(*last, ["waiting"]);
    assert_eq!(
        inside(&guest, "pgrep -fx 'sleep 600.25' || echo none"),
        "none\n"
    );
}

#[test]
fn a_step_that_somebody_kills_is_not_said_to_be_slow() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let text = setup("    - { name: dies, command: [sh, -c, 'kill -9 $$'] }\n");
    let program = program_of(&[&text], json!([{"name": "tool"}]), &Things::default());
    let error = bring(&guest, &program, &nothing).error();
    assert!(error.contains("exit status 137"), "{error}");
}

#[test]
fn a_process_that_a_step_leaves_behind_with_its_output_open_holds_nobody_up() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let text = setup(
        "    - { name: leaves, command: [sh, -c, '(while :; do echo noise; sleep 0.2; done) & echo left'] }\n    - { name: next, command: [sh, -c, 'touch /etc/next'] }\n",
    );
    let program = program_of(&[&text], json!([{"name": "tool"}]), &Things::default());
    assert_eq!(bring(&guest, &program, &nothing).taken(), 2);
    // Nor does it hold the lock.
    assert_eq!(bring(&guest, &program, &nothing).taken(), 0);
    assert!(fs::metadata(guest.path("/etc/next")).is_ok());
}
