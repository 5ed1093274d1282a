//! What goes wrong with the two VMs, and how it goes on.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::stage::Stage;

/// What the database's parameters are changed after.
const ANCHOR: &str = "listenAddresses: \"*\"";
/// Where the record is among a domain's metadata.
const RECORD: &str = "https://trustnet.io/xmlns/trustnet-vm/v1alpha1";

fn with_connections(stage: &Stage, number: usize) -> String {
    stage.changed(
        "connections.yaml",
        ANCHOR,
        &format!("{ANCHOR}, maxConnections: {number}"),
    )
}

/// Whenever it dies, the next run brings what is left. A changed parameter is one file and a restart, and
/// touches nothing else.
pub fn killed_at_several_moments(stage: &mut Stage) {
    let steps = [
        "postgresql: file /etc/postgresql/15/main/postgresql.conf",
        "postgresql: start",
        "postgresql: ready",
    ];
    let others = || ["asker", "caddy"].map(|unit| stage.process("app", unit));
    let before = others();
    // Every moment there is comes in tests/fake/bring.rs; here are those between which a unit is left alone.
    let [file, start, _] = steps;
    let moments = [format!("begun {file}"), format!("begun {start}")];
    for (number, moment) in (50..).zip(&moments) {
        let spec = with_connections(stage, number);
        let mut killed = stage.home.program();
        killed
            .args(["provision", "-f", &spec, "db", "--offline"])
            .env("TRUSTNET_VM_TEST_KILL", moment);
        let killed = killed.output().expect("the program starts");
        let said = String::from_utf8_lossy(&killed.stderr).into_owned();
        assert_eq!(killed.status.signal(), Some(9), "{moment}: {said}");
        let run = stage.provision(&spec, "db");
        assert_eq!(run.code, 0, "{moment}: {}", run.err);
        assert_eq!(
            stage.sql("show max_connections"),
            number.to_string(),
            "{moment}"
        );
        assert_eq!(
            stage.state_of("db"),
            [("postgresql".to_owned(), "Ready".to_owned())]
        );
    }
    let spec = with_connections(stage, 77);
    let run = stage.provision(&spec, "db");
    assert_eq!(
        run.out, "VM 'db': services are ready (3 steps)\n",
        "{}",
        run.err
    );
    let taken = run.err.lines().filter_map(|line| {
        let step = line.strip_prefix("db: ")?.rsplit_once(" (")?.0;
        step.starts_with("postgresql: ").then(|| step.to_owned())
    });
    assert_eq!(taken.collect::<Vec<_>>(), steps, "{}", run.err);
    assert_eq!(stage.sql("show max_connections"), "77");
    assert_eq!(others(), before);
}

/// The record's key and the guest's are no longer the same: nothing is said to the guest.
pub fn another_host_key_is_refused(stage: &mut Stage) {
    let element = stage.home.virsh(&["metadata", "db", RECORD]).out;
    let (_, record) = element.split_once('>').expect("an element");
    let (record, _) = record.rsplit_once("</").expect("an element");
    let key = stage
        .home
        .guest("app", "cut -d ' ' -f 2 /etc/ssh/ssh_host_ed25519_key.pub");
    let own = stage
        .home
        .guest("db", "cut -d ' ' -f 2 /etc/ssh/ssh_host_ed25519_key.pub");
    let write = |record: &str| {
        let element = format!("<record>{record}</record>");
        let arguments = ["metadata", "db", RECORD, "--key", "tvm", "--set", &element];
        let set = stage
            .home
            .virsh(&[&arguments[..], &["--live", "--config"]].concat());
        assert_eq!(set.code, 0, "{}", set.err);
    };
    let log_ins = || {
        let count = stage
            .home
            .guest("db", "journalctl -q -o cat -u ssh | grep -c ^Accepted");
        count.parse::<u32>().expect("a number")
    };
    let before = log_ins();
    assert!(record.contains(&own), "{record}");
    write(&record.replace(&own, &key));
    let refused = stage.home.run(["provision", "db", "--offline"]);
    write(record);
    assert_eq!(refused.code, 7, "{}", refused.err);
    assert!(refused.err.contains("host key"), "{}", refused.err);
    // The one log-in is that of this question.
    assert_eq!(log_ins(), before + 1);
    stage.home.done(["provision", "db", "--offline"]);
}

const FLAKY: &str = "
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: flaky }
spec:
  version: '1'
  setup:
    - name: something long
      timeout: 20m
      command: [sh, -c, 'SCRIPT']
";

fn with_flaky(stage: &Stage, script: &str) -> String {
    stage.add(&FLAKY.replace("SCRIPT", script));
    stage.changed(
        "flaky.yaml",
        "    - name: caddy\n",
        "    - name: flaky\n    - name: caddy\n",
    )
}

/// What fails says why and is not ready.
pub fn a_failing_install_is_not_ready(stage: &mut Stage) {
    let spec = with_flaky(stage, "echo the first line; echo the reason >&2; exit 3");
    let run = stage.provision(&spec, "app");
    assert_eq!(run.code, 7, "{}", run.err);
    let why = "failed at flaky: setup something long: exit status 3\n    the first line\n    the reason\n";
    assert!(run.err.contains(why), "{}", run.err);
    assert_eq!(run.out, "");
    let states = stage.state_of("app");
    let failed = ("flaky".to_owned(), "Failed".to_owned());
    assert!(states.contains(&failed), "{states:?}");
}

const DIES: &str = "
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: flaky }
spec:
  version: '2'
  unit: { name: flaky, command: [/bin/sh, -c, 'echo the last words; exit 9'] }
  ready: { journal: never said, timeout: 5m }
";

/// A unit that init starts again and again is not waited for until the time is up.
pub fn a_unit_that_dies_is_not_ready(stage: &mut Stage) {
    let spec = with_flaky(stage, "");
    stage.add(DIES);
    let run = stage.provision(&spec, "app");
    assert_eq!(run.code, 7, "{}", run.err);
    assert!(run.err.contains("failed at flaky: ready: "), "{}", run.err);
    assert!(!run.err.contains("not after"), "{}", run.err);
    assert!(run.err.contains("the last words"), "{}", run.err);
}

const TALKS: &str = "
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: flaky }
spec:
  version: '3'
  unit: { name: flaky, command: [/bin/sh, -c, 'echo the talker is up >/dev/console; exec sleep infinity'] }
  ready: { console: the talker is up }
";

/// Where the provisioner died before it heard the word, the word is said again. Then the service goes, with its unit.
pub fn a_word_on_the_console_is_heard(stage: &mut Stage) {
    let spec = with_flaky(stage, "");
    stage.add(TALKS);
    let mut killed = stage.home.program();
    killed
        .args(["provision", "-f", &spec, "app", "--offline"])
        .env("TRUSTNET_VM_TEST_KILL", "begun flaky: ready");
    let killed = killed.output().expect("the program starts");
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    let run = stage.provision(&spec, "app");
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("app: flaky: start"), "{}", run.err);
    stage.home.done(["test", "app"]);
    let pruned = [
        "provision",
        "-f",
        "vms.yaml",
        "app",
        "--offline",
        "--prune",
        "--yes",
    ];
    stage.home.done(pruned);
    let unit = "systemctl is-enabled flaky; systemctl is-active flaky; ls /etc/systemd/system/flaky.service";
    let unit = stage.home.guest("app", &format!("({unit}) 2>&1 || true"));
    assert!(
        !unit.contains("enabled\n") && unit.contains("inactive"),
        "{unit}"
    );
    assert!(unit.contains("No such file"), "{unit}");
    let states = stage.state_of("app");
    assert!(
        !states.iter().any(|(name, _)| name == "flaky"),
        "{states:?}"
    );
}

/// The guest is reset while a command works in it: the same run waits for it, and finishes.
pub fn a_reset_in_the_middle_is_gone_on_after(stage: &Stage) {
    let script = "if [ -e /var/lib/began ]; then echo again; exit 0; fi; \
                  touch /var/lib/began; sync; echo working; sleep 1000";
    let spec = with_flaky(stage, script);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| stage.provision(&spec, "app"));
        let end = Instant::now() + Duration::from_secs(120);
        let begun = "ls /var/lib/began 2>/dev/null || true";
        while stage.home.guest("app", begun).is_empty() {
            let waits = Instant::now() < end && !run.is_finished();
            assert!(waits, "the command did not begin");
            std::thread::sleep(Duration::from_secs(1));
        }
        assert_eq!(stage.home.virsh(&["reset", "app"]).code, 0);
        let run = run.join().expect("it ends");
        assert_eq!(run.code, 0, "{}", run.err);
        // Whether its first words came through before the reset is a matter of moments.
        for line in ["trying again\n", "app: | again\n"] {
            assert!(run.err.contains(line), "no `{line}` in\n{}", run.err);
        }
    });
    let states = stage.state_of("app");
    assert!(
        states.iter().all(|(_, state)| state == "Ready"),
        "{states:?}"
    );
}

/// The VM goes, its data stays, and a new one takes it up. This one has its artifacts from a disk.
pub fn the_data_is_found_again(stage: &Stage) {
    stage.home.done(["destroy", "db", "--yes", "--keep-data"]);
    let create = [
        "create",
        "again.yaml",
        "--offline",
        "--timeout",
        "20m",
        "-v",
    ];
    let specs = include_str!("vms.yaml");
    let (_, db) = specs.split_once("---\n").expect("two documents");
    stage.home.file(
        "again.yaml",
        &db.replace("spec:\n", "spec:\n  cacheDisk: {}\n"),
    );
    let run = stage.home.done(create);
    assert!(run.err.contains("take up volume"), "{}", run.err);
    assert_eq!(stage.sql("select what from kept"), "before");
    assert!(
        run.err.contains("make sure that the cache disk"),
        "{}",
        run.err
    );
    assert_eq!(
        stage
            .home
            .guest("db", "findmnt -no FSTYPE /run/trustnet-vm/cache"),
        "iso9660"
    );
    // While it runs, another guest has the same disk.
    let disk = |vm: &str| {
        let disks = stage.home.virsh(&["domblklist", vm]).out;
        let mut disks = disks
            .split_whitespace()
            .filter(|word| word.contains("cache"));
        disks.next().map(str::to_owned)
    };
    let other = db
        .replace("spec:\n", "spec:\n  cacheDisk: {}\n")
        .replace("name: db,", "name: other,")
        .replace(
            "192.0.2.10/24\", \"2001:db8:1::10/64",
            "192.0.2.30/24\", \"2001:db8:1::30/64",
        )
        .replace("reclaimPolicy: Retain", "reclaimPolicy: Delete");
    stage.home.file("other.yaml", &other);
    stage
        .home
        .done(["create", "other.yaml", "--offline", "--no-wait"]);
    assert!(disk("db").is_some());
    assert_eq!(disk("db"), disk("other"));
    assert_eq!(
        stage.home.virsh(&["domstate", "other"]).out.trim(),
        "running"
    );
    stage.home.done(["destroy", "other", "--yes", "--force"]);
    let received = stage
        .home
        .guest("db", "cat /sys/class/net/eth0/statistics/rx_bytes");
    let received: u64 = received.parse().expect("a number");
    assert!(
        received < 10 << 20,
        "{received} bytes came over the network"
    );
}
