//! Services in real guests that have no network but a bridge to each other: brought from artifacts that
//! were fetched before, whatever happens meanwhile.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails where it expects, and says on standard output how long each part took"
)]

mod breaks;
mod stage;

#[path = "../support/holders.rs"]
mod holders;
#[path = "../support/mod.rs"]
mod support;

use holders::holders_of;
use serde_json::{Value, json};
use stage::{Stage, index_of};

/// A program that needs the database, with values that would do harm anywhere but as data.
const MOTTO: &str = "'; touch /tmp/owned #\n$(touch /tmp/owned)\n`touch /tmp/owned`\n\
                     ü→🦀 {{ secrets.password }} %n \\ \"\n";
const LINE: &str = "'; rm -rf / #$(id)`id`\"\\ %h $HOME ${HOME} ü→🦀";
const PAGE: &str = "<h1>'; rm -rf / $(id) ü→🦀</h1>\n";

/// Two guests prove everything: booting one takes a minute and more.
#[test]
fn services_come_in_order_go_on_after_every_fault_and_find_their_data_again() {
    if std::env::var_os("TRUSTNET_VM_LAB").is_none() {
        println!("skipped: guests_services: not in the lab; run `cargo xtask test guests` as root");
        return;
    }
    let mut stage = Stage::new();
    stage.part(
        "made, with the provisioner killed while packages unpack",
        made,
    );
    stage.part("looked at", |stage| {
        in_order_and_ready(stage);
        values_arrive_as_data(stage);
        secrets_are_in_no_other_place(stage);
    });
    stage.part("nothing to do", nothing_to_do);
    stage.part(
        "killed at several moments",
        breaks::killed_at_several_moments,
    );
    stage.part("another host key", breaks::another_host_key_is_refused);
    stage.part("a failing install", breaks::a_failing_install_is_not_ready);
    stage.part("a unit that dies", breaks::a_unit_that_dies_is_not_ready);
    stage.part(
        "a word on the console",
        breaks::a_word_on_the_console_is_heard,
    );
    stage.part(
        "a reset in the middle, and the data of a VM that is made anew",
        |stage| {
            let stage = &*stage;
            std::thread::scope(|scope| {
                scope.spawn(|| breaks::a_reset_in_the_middle_is_gone_on_after(stage));
                scope.spawn(|| breaks::the_data_is_found_again(stage));
            });
        },
    );
    stage.part("the end", the_end);
    assert!(stage.failed.is_empty(), "{:?}", stage.failed);
}

fn the_end(stage: &mut Stage) {
    stage.answers();
    stage.home.done(["test", "app", "db"]);
    for vm in ["app", "db"] {
        stage.home.done(["diagnose", vm]);
    }
    let said = stage
        .home
        .done(["logs", "app", "--service", "asker", "-n", "1"]);
    assert!(said.out.ends_with("the answer is 42\n"), "{}", said.out);
    stage
        .home
        .done(["destroy", "app", "db", "--yes", "--force"]);
    let left = stage.home.inventory();
    let mut ours = left
        .iter()
        .filter(|one| one.contains("db_") || one.contains("app_"));
    assert!(
        ours.all(|one| one.contains("db_data-vdb.qcow2")),
        "{left:?}"
    );
}

/// One file, two VMs; the provisioner dies while packages are unpacked, and the next one finds what the
/// guest has finished without it.
fn made(stage: &mut Stage) {
    let create = ["create", "vms.yaml", "--offline", "--timeout", "20m", "-v"];
    let mut app_is_up = false;
    stage.killed_when(&create, |line| {
        app_is_up |= line.starts_with("app: scrub");
        app_is_up && line.starts_with("db: | ")
    });
    let run = stage.home.done(create);
    assert!(!run.err.contains("db: postgresql: packages"), "{}", run.err);
    assert!(
        run.out
            .contains("VM 'db' is there already, made from this spec: nothing to do"),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("VM 'app': services are ready ("),
        "{}",
        run.out
    );
    let order = [
        "app: asker: dependency postgresql",
        "app: asker: packages client",
        "app: asker: ready",
        "app: caddy: packages server",
        "app: caddy: ready",
    ];
    let found: Vec<usize> = order.iter().map(|line| index_of(&run.err, line)).collect();
    assert!(found.is_sorted(), "{}", run.err);
}

fn in_order_and_ready(stage: &mut Stage) {
    let started = |vm, unit| {
        let show =
            format!("date +%s -d \"$(systemctl show -p ActiveEnterTimestamp --value {unit})\"");
        stage.home.guest(vm, &show).parse::<u64>().expect("seconds")
    };
    assert!(started("db", "postgresql@15-main") < started("app", "asker"));
    assert_eq!(
        stage.state_of("db"),
        [("postgresql".to_owned(), "Ready".to_owned())]
    );
    assert_eq!(
        stage.state_of("app"),
        [
            ("asker".to_owned(), "Ready".to_owned()),
            ("caddy".to_owned(), "Ready".to_owned())
        ]
    );
    stage.answers();
    stage.sql("create table kept (what text); insert into kept values ('before')");
    let answer = stage::get("192.0.2.20:80");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(PAGE), "{answer}");
}

fn values_arrive_as_data(stage: &mut Stage) {
    let file = stage.home.guest("app", "cat /etc/asker/asker.json");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!(file, json!({"motto": MOTTO, "line": LINE}));
    let environment = stage.home.guest(
        "app",
        "systemctl show -p MainPID --value asker | python3 -c 'import json; \
         all = open(\"/proc/%s/environ\" % input(), \"rb\").read().decode().split(\"\\0\"); \
         print(json.dumps(dict(one.split(\"=\", 1) for one in all if one)))'",
    );
    let environment: Value = serde_json::from_str(&environment).expect("JSON");
    assert_eq!(environment["MOTTO"], MOTTO);
    assert_eq!(environment["LINE"], LINE);
    assert_eq!(
        stage
            .home
            .guest("app", "ls /tmp/owned 2>&1 || echo none")
            .lines()
            .last(),
        Some("none")
    );
}

fn secrets_are_in_no_other_place(stage: &mut Stage) {
    let secret = stage
        .home
        .guest("db", "cat /etc/trustnet-vm/secrets/postgresql/password");
    assert!(secret.len() >= 32, "{secret}");
    for (vm, file) in [
        ("db", "/etc/trustnet-vm/secrets/postgresql/password"),
        ("app", "/etc/trustnet-vm/secrets/asker/password"),
        ("app", "/etc/asker/pgpass"),
    ] {
        let seen = stage
            .home
            .guest(vm, &format!("stat -c %a {file}; cat {file}"));
        assert!(
            seen.starts_with("600") && seen.contains(&secret),
            "{vm} {file}"
        );
    }
    for vm in ["app", "db"] {
        let arguments = stage
            .home
            .guest(vm, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
        assert!(
            arguments.contains("systemd") && !arguments.contains(&secret),
            "{vm}"
        );
        let said = [
            stage.home.virsh(&["dumpxml", vm]).out,
            stage.home.done(["get", vm, "-o", "json"]).out,
            stage.home.done(["provision", vm, "--offline", "-vv"]).err,
        ];
        assert!(said.iter().all(|text| !text.contains(&secret)), "{vm}");
    }
    // The journals, logs and seeds of the host; only the kept secret itself is there.
    let holders = holders_of(&stage.home, &secret);
    assert_eq!(holders.len(), 1, "{holders:?}");
    assert!(holders[0].contains("secrets"), "{holders:?}");
}

fn nothing_to_do(stage: &mut Stage) {
    let run = stage.home.done(["create", "vms.yaml", "--offline"]);
    for vm in ["app", "db"] {
        let same = format!("VM '{vm}' is there already, made from this spec: nothing to do\n");
        let services = format!("VM '{vm}': services are as they are to be, nothing to do\n");
        assert!(
            run.out.contains(&same) && run.out.contains(&services),
            "{}",
            run.out
        );
        let begun = std::time::Instant::now();
        let run = stage.home.done(["provision", vm, "--offline"]);
        println!("  provision {vm}: {:.2} s", begun.elapsed().as_secs_f64());
        assert_eq!(run.out, services);
        assert_eq!(run.err, "");
    }
}
