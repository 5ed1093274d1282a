//! What the program says, whole: every verb, in every form.

use std::io::{Read, Write};
use std::process::Stdio;

use trustnet_host::fake::{Effect, Guest, Reports};

use crate::home::{Home, Run, terminal};

/// Runs one command after the other and gives all that came of them.
fn session(home: &Home, commands: &[&str]) -> String {
    commands
        .iter()
        .map(|line| home.says(line.split(' ')))
        .collect()
}

#[test]
fn create_makes_a_vm_once_and_says_what_differs_from_another_spec() {
    let home = Home::new();
    home.spec("web", "  dataDisks:\n    - { device: vdb, size: 1Gi }\n");
    let other = home.spec("other", "");
    let text = std::fs::read_to_string(&other).expect("the spec");
    let text = text
        .replace("name: other", "name: web")
        .replace("vcpus: 1", "vcpus: 2");
    home.file("other.yaml", &text);
    insta::assert_snapshot!(session(
        &home,
        &[
            "create web.yaml",
            "create web.yaml",
            "create web.yaml -o json",
            "create web.yaml -o name --quiet",
            "create other.yaml",
            "create other.yaml -o json",
        ]
    ));
}

#[test]
fn every_verb_that_does_something_gives_machines_a_list() {
    let home = Home::new();
    home.spec("web", "");
    insta::assert_snapshot!(session(
        &home,
        &[
            "validate web.yaml -o json",
            "create web.yaml -o json",
            "start web -o json",
            "stop web --force -o json",
            "start web -o name",
            "restart web --force -o yaml",
            "wait web -o json",
            "resume web -o json",
            "destroy web --yes --force -o json --quiet",
            "destroy web --yes -o json",
            "stop web -o json",
        ]
    ));
}

#[test]
fn create_says_less_and_more_as_it_is_asked_to() {
    let home = Home::new();
    home.spec("web", "");
    home.spec("db", "  autostart: false\n");
    home.spec("app", "");
    insta::assert_snapshot!(session(
        &home,
        &[
            "create web.yaml --quiet",
            "create db.yaml --no-wait",
            "create app.yaml -o yaml --quiet"
        ]
    ));
}

#[test]
fn a_terminal_that_cannot_go_back_in_its_line_gets_a_line_a_step() {
    let home = Home::new();
    home.spec("web", "");
    let mut program = home.program();
    program.args(["create", "web.yaml"]).env("TERM", "dumb");
    let elsewhere = program.output().expect("the program starts");
    home.done(["destroy", "web", "--yes"]);
    let (mut screen, terminal) = terminal();
    let status = program.stdout(Stdio::null()).stderr(terminal).status();
    assert!(status.expect("the program starts").success());
    drop(program);
    let mut shown = Vec::new();
    // The end of a terminal is an error: its other side is closed.
    screen.read_to_end(&mut shown).expect_err("an end");
    let shown = String::from_utf8_lossy(&shown).replace("\r\n", "\n");
    let elsewhere = Run::of(&elsewhere).err;
    assert_eq!(home.steady(&shown), home.steady(&elsewhere));
}

#[test]
fn create_takes_folders_and_standard_input() {
    let home = Home::new();
    std::fs::create_dir(home.path("specs")).expect("a folder");
    for name in ["b", "a"] {
        let spec = home.spec(name, "");
        std::fs::rename(spec, home.path(&format!("specs/{name}.yaml"))).expect("a file");
    }
    let two = std::fs::read_to_string(home.spec("c", "")).expect("a spec");
    let three = std::fs::read_to_string(home.spec("d", "")).expect("a spec");
    let mut child = home
        .program()
        .args(["create", "-", "-o", "name", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(format!("{two}---\n{three}").as_bytes())
        .expect("it reads");
    drop(stdin);
    let run = Run::of(&child.wait_with_output().expect("it ends"));
    assert_eq!((run.code, run.out.as_str()), (Some(0), "c\nd\n"), "{run:?}");
    assert_eq!(
        home.done(["create", "specs", "-o", "name", "--quiet"]).out,
        "a\nb\n"
    );
    assert_eq!(home.done(["list", "-o", "name"]).out, "a\nb\nc\nd\n");
}

#[test]
fn list_shows_ours_and_others_in_every_form() {
    let home = Home::with(|state| state.foreign("legacy"));
    assert_eq!(home.done(["list", "-o", "name"]).out, "legacy\n");
    let web = home.spec("web", "");
    let labelled = std::fs::read_to_string(&web).expect("the spec");
    home.file(
        "web.yaml",
        &labelled.replace("name: web", "name: web\n  labels: { role: front }"),
    );
    home.done(["create", "web.yaml"]);
    home.spec("db", "");
    home.done(["create", "db.yaml"]);
    home.done(["stop", "db"]);
    insta::assert_snapshot!(session(
        &home,
        &[
            "list",
            "ls --no-headers",
            "list -o wide",
            "list -o json",
            "list -o yaml",
            "list -o name",
            "list -l role=front",
            "list -l role=back -o json",
            "list -l role",
        ]
    ));
}

#[test]
fn get_shows_a_vm_in_every_form() {
    let home = Home::with(|state| state.foreign("legacy"));
    home.spec("web", "");
    home.done(["create", "web.yaml"]);
    insta::assert_snapshot!(session(
        &home,
        &[
            "get web",
            "get web -o json",
            "get web -o yaml",
            "get WEB -o name",
            "get wev",
            "get nothing-like-it",
            "get legacy"
        ]
    ));
}

#[test]
fn what_get_prints_is_a_spec_that_changes_nothing() {
    let home = Home::new();
    home.spec(
        "web",
        "  dataDisks:\n    - { device: vdc, sizeGB: 3, filesystem: ext4, mountPath: /srv }\n",
    );
    home.done(["create", "web.yaml"]);
    let before = home.inventory();
    for form in ["yaml", "json"] {
        let echo = home.file("echo.yaml", &home.done(["get", "web", "-o", form]).out);
        let again = home.done(["create", &echo]);
        assert_eq!(
            again.out,
            "VM 'web' is there already, made from this spec: nothing to do\n"
        );
    }
    assert_eq!(home.inventory(), before);
}

#[test]
fn plan_says_what_create_would_do_and_does_nothing() {
    let home = Home::with(crate::steps::bare);
    home.spec("web", crate::steps::DISKS);
    let before = home.inventory();
    let said = session(
        &home,
        &[
            "plan web.yaml",
            "plan web.yaml --exit-code",
            "plan web.yaml -o json",
            "plan web.yaml -o name",
        ],
    );
    assert_eq!(home.inventory(), before);
    home.done(["create", "web.yaml"]);
    insta::assert_snapshot!(
        said + &session(
            &home,
            &["plan web.yaml --exit-code", "plan web.yaml -o yaml"]
        )
    );
}

#[test]
fn destroy_says_what_goes_and_what_stays() {
    let home = Home::new();
    let disks = "  dataDisks:\n    - { device: vdb, size: 1Gi, reclaimPolicy: Retain }\n    - { device: vdc, size: 1Gi }\n";
    home.spec("web", disks);
    home.spec("db", "  dataDisks:\n    - { device: vdb, size: 1Gi }\n");
    home.spec("safe", "  protected: true\n");
    home.done(["create", "web.yaml", "db.yaml", "safe.yaml"]);
    insta::assert_snapshot!(session(
        &home,
        &[
            "destroy web",
            "destroy web --yes",
            "destroy web --yes",
            "rm db safe --yes --keep-data",
            "destroy safe --yes",
            "destroy db --yes --keep-data --force -o name",
            "destroy nothing",
            "create web.yaml",
        ]
    ));
}

#[test]
fn destroy_asks_on_a_terminal_and_only_yes_is_yes() {
    let home = Home::new();
    home.spec("web", "");
    home.done(["create", "web.yaml"]);
    let before = home.inventory();
    let no = home.run_on_terminal(&["destroy", "web"], "n\n");
    assert_eq!(home.inventory(), before);
    let nothing = home.run_on_terminal(&["destroy", "web"], "\n");
    assert_eq!(home.inventory(), before);
    let yes = home.run_on_terminal(&["destroy", "web"], "yes\n");
    assert_eq!(home.done(["list", "--no-headers"]).out, "");
    insta::assert_snapshot!([no, nothing, yes].concat());
}

#[test]
fn start_stop_and_restart_say_what_was_so_already() {
    let home = Home::new();
    home.spec("web", "");
    home.done(["create", "web.yaml"]);
    home.edit(|state| {
        state.guests.insert(
            "deaf".to_owned(),
            Guest {
                deaf: true,
                ..Guest::default()
            },
        );
    });
    home.spec("deaf", "");
    home.done(["create", "deaf.yaml"]);
    insta::assert_snapshot!(session(
        &home,
        &[
            "start web",
            "stop web",
            "stop web",
            "start web --no-wait",
            "restart web",
            "stop deaf --deadline 300ms",
            "start deaf",
            "stop deaf --force",
            "stop web deaf nothing",
        ]
    ));
}

#[test]
fn a_wait_that_times_out_shows_how_far_the_guest_came_and_its_console() {
    let home = Home::new();
    home.edit(|state| {
        let console = vec![
            "Booting...".to_owned(),
            "\u{1b}[31mfailed to mount /srv\u{1b}[0m".to_owned(),
        ];
        let stuck = Guest {
            reports: Reports::Booted,
            console: console.clone(),
            ..Guest::default()
        };
        state.guests.insert("stuck".to_owned(), stuck);
        state.guests.insert(
            "silent".to_owned(),
            Guest {
                reports: Reports::Nothing,
                console,
                ..Guest::default()
            },
        );
        state.guests.insert(
            "down".to_owned(),
            Guest {
                reports: Reports::Down,
                ..Guest::default()
            },
        );
    });
    for name in ["stuck", "silent", "down"] {
        home.spec(name, "");
    }
    insta::assert_snapshot!(session(
        &home,
        &[
            "create stuck.yaml --timeout 1s",
            "create silent.yaml --timeout 1s",
            "create down.yaml --timeout 1s",
            "wait stuck --for booted",
            "wait stuck --for network --timeout 500ms",
            "wait down",
            "create stuck.yaml",
        ]
    ));
}

#[test]
fn a_cloud_init_that_fails_is_shown_with_its_reason_and_its_log() {
    let home = Home::new();
    home.edit(|state| {
        state.guests.insert(
            "web".to_owned(),
            Guest {
                reports: Reports::Failed,
                ..Guest::default()
            },
        );
        state.guests.insert(
            "app".to_owned(),
            Guest {
                reports: Reports::Degraded,
                ..Guest::default()
            },
        );
    });
    home.spec("web", "");
    home.spec("app", "");
    insta::assert_snapshot!(session(
        &home,
        &["create web.yaml", "get web", "wait web", "create app.yaml"]
    ));
}

#[test]
fn config_show_says_where_each_value_comes_from() {
    let home = Home::new();
    std::fs::create_dir_all(home.path(".config/trustnet-vm")).expect("a folder");
    let config = |text: &str| home.file(".config/trustnet-vm/config.yaml", text);
    config("connect: qemu:///system\ntimeout: 5m\ncolor: never\n");
    let says = |line: &str| {
        let mut program = home.program();
        program.env("TRUSTNET_VM_CONNECT", "test:///from/the/environment");
        home.says_of(&mut program, line.split(' '))
    };
    let mut said = says("config show");
    said.push_str(&says("config show --connect test:///default -o json"));
    said.push_str(&says("config show -o name"));
    config("conect: qemu:///system\n");
    said.push_str(&says("config show"));
    config("timeout: soon\n");
    said.push_str(&says("config show"));
    insta::assert_snapshot!(said);
}

#[test]
fn every_problem_of_storage_is_said_with_the_next_action() {
    let home = Home::new();
    for name in ["web", "gone", "text", "packed", "full"] {
        home.spec(name, "");
    }
    home.edit(|state| {
        let images = state.pools.get_mut("foundry-images").expect("a pool");
        images.put("notes.txt", b"no image at all");
        images.put("packed.qcow2", b"\xfd7zXZ\0\0\x04 and more");
        images.put("big.qcow2", &trustnet_host::fake::qcow2_header(8 << 30));
        let vms = state.pools.get_mut("foundry-vms").expect("a pool");
        vms.put("web_boot.qcow2", b"somebody's");
    });
    for (name, image) in [
        ("gone", "debian-13.qcow2"),
        ("text", "notes.txt"),
        ("packed", "packed.qcow2"),
        ("full", "big.qcow2"),
    ] {
        let text = std::fs::read_to_string(home.spec(name, "")).expect("the spec");
        home.file(
            &format!("{name}.yaml"),
            &text.replace("debian-12.qcow2", image),
        );
    }
    let mut said = session(
        &home,
        &[
            "create web.yaml",
            "create gone.yaml",
            "create text.yaml",
            "create packed.yaml",
            "create full.yaml",
        ],
    );
    home.edit(|state| {
        state
            .pools
            .get_mut("foundry-vms")
            .expect("a pool")
            .available = 1 << 20
    });
    home.spec("db", "");
    said.push_str(&session(&home, &["create db.yaml"]));
    insta::assert_snapshot!(said);
}

#[test]
fn what_the_hypervisor_refuses_is_said_in_its_own_words() {
    let home = Home::new();
    home.spec("web", "");
    let mut said = String::new();
    for call in [
        "survey.host",
        "survey.domains",
        "volumes.create",
        "volumes.write",
        "domains.define",
        "domains.start",
    ] {
        home.tell(call, 1, Effect::Before);
        said.push_str(&session(&home, &["create web.yaml"]));
    }
    insta::assert_snapshot!(said);
}
