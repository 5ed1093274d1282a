//! The table of exit codes, one by one.

use trustnet_host::fake::{Effect, Guest, KILL_VARIABLE, Reports};

use crate::home::Home;

#[track_caller]
fn ends(home: &Home, code: i32, commands: &[&str]) {
    for command in commands {
        let run = home.run(command.split(' '));
        assert_eq!(run.code, Some(code), "{command}: {run:?}");
    }
}

/// A home with a VM `web` and a spec `new.yaml`.
fn home() -> Home {
    let home = Home::new();
    home.spec("web", "");
    home.spec("new", "");
    home.done(["create", "web.yaml"]);
    home
}

#[test]
fn exit_0_is_done() {
    let commands = [
        "--help",
        "--version",
        "validate web.yaml",
        "create web.yaml",
        "list",
        "stop web",
        "destroy nothing",
        "resume",
    ];
    ends(&home(), 0, &commands);
}

#[test]
fn exit_1_is_flags_or_configuration() {
    let home = home();
    ends(
        &home,
        1,
        &[
            "",
            "creat web.yaml",
            "create",
            "create web.yaml --timeout soon",
            "create web.yaml --timeout 9999d",
            "create no-such-file.yaml",
            "list --output xml",
            "list -qv",
            "list -l =x",
            "destroy web",
            "destroy ../../../web --yes",
            "stop a/b",
            "explain spec.nothing",
        ],
    );
    home.file("config.yaml", "");
    std::fs::create_dir_all(home.path(".config/trustnet-vm")).expect("a folder");
    home.file(".config/trustnet-vm/config.yaml", "output: paper\n");
    ends(&home, 1, &["list"]);
}

#[test]
fn exit_2_is_a_spec_that_is_invalid() {
    let home = home();
    home.file("bad.yaml", "apiVersion: trustnet.io/v1alpha1\nkind: VirtualMachine\nmetadata: { name: bad }\nspec: {}\n");
    home.file("empty.yaml", "");
    home.file("tabs.yaml", "kind:\n\tVirtualMachine\n");
    let commands = [
        "validate bad.yaml",
        "create bad.yaml",
        "plan empty.yaml",
        "render tabs.yaml",
        "create web.yaml bad.yaml",
    ];
    ends(&home, 2, &commands);
}

#[test]
fn exit_3_is_a_hypervisor_that_is_not_reached() {
    let home = home();
    ends(
        &home,
        3,
        &[
            "list --connect fake:///nowhere",
            "create new.yaml -c fake:///nowhere",
            "list -c qemu+unix:///system?socket=/nowhere",
        ],
    );
}

#[test]
fn exit_4_is_a_vm_operation_that_failed() {
    let home = home();
    ends(
        &home,
        4,
        &[
            "get nothing",
            "start nothing",
            "stop nothing",
            "ssh nothing",
            "console nothing",
            "wait nothing",
        ],
    );
    home.tell("domains.define", 0, Effect::Before);
    ends(&home, 4, &["create new.yaml"]);
    home.tell("domains.find", 0, Effect::Before);
    ends(&home, 4, &["destroy web --yes", "get web", "stop web"]);
}

#[test]
fn exit_5_is_a_storage_operation_that_failed() {
    let home = home();
    for call in [
        "pools.find",
        "volumes.find",
        "volumes.create",
        "volumes.write",
    ] {
        home.tell(call, 0, Effect::Before);
        ends(&home, 5, &["create new.yaml"]);
    }
    home.tell("volumes.delete", 0, Effect::Before);
    ends(&home, 5, &["destroy web --yes"]);
}

#[test]
fn exit_6_is_a_guest_that_is_not_ready() {
    let home = home();
    for reports in [Reports::Nothing, Reports::Failed, Reports::Down] {
        home.edit(|state| {
            state.guests.insert(
                "new".to_owned(),
                Guest {
                    reports,
                    ..Guest::default()
                },
            );
        });
        ends(&home, 6, &["create new.yaml --timeout 300ms"]);
        home.done(["destroy", "new", "--yes"]);
    }
    home.done(["stop", "web"]);
    ends(&home, 6, &["wait web"]);
}

#[test]
fn exit_8_is_a_difference_that_was_found() {
    let home = home();
    ends(
        &home,
        8,
        &[
            "plan new.yaml --exit-code",
            "plan web.yaml new.yaml --exit-code",
        ],
    );
    ends(&home, 0, &["plan new.yaml", "plan web.yaml --exit-code"]);
}

#[test]
fn exit_9_is_work_that_was_interrupted() {
    let home = home();
    let killed = home
        .program()
        .env(KILL_VARIABLE, "begun:2")
        .args(["create", "new.yaml"])
        .status();
    assert_eq!(killed.expect("the program starts").code(), None);
    ends(
        &home,
        9,
        &[
            "create new.yaml",
            "destroy new --yes",
            "plan new.yaml",
            "start new",
            "stop new",
        ],
    );
    ends(
        &home,
        0,
        &["list", "create web.yaml", "rollback", "create new.yaml"],
    );
}
