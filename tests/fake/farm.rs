//! Thirty-two guests at once, a few at a time.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::guests::answer;
use crate::home::{Home, Run};
use crate::sshd::Sshd;

const GUESTS: usize = 32;
/// The one that fails.
const BAD: usize = 6;
/// The most at once.
const PARALLEL: usize = 4;

const NAMED: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: named }
spec:
  version: "1.0"
  parameters: { text: { type: string }, code: { type: string, default: "0" } }
  artifacts:
    - { name: tool, file: tool, install: { path: /usr/local/bin/named } }
  files:
    - { path: /etc/named-text, content: "{{ vm }}: {{ params.text }}\n" }
  setup:
    - { name: end, command: [sh, -c, 'sleep 0.1; exit "$1"', sh, "{{ params.code }}"] }
"#;

/// Names that differ in their last letter alone have ports of their own.
fn name(index: usize) -> String {
    let letter = b"abcdefghijklmnopqrstuvwxyz0123456789"[index];
    format!("vm{}", char::from(letter))
}

/// The sockets of this machine's connections to one of the ports that are open right now.
fn connections(ports: &BTreeSet<u16>) -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/net/tcp").expect("the table");
    let lines = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, remote, state, .., inode] = words.get(..10)? else {
            return None;
        };
        let port = u16::from_str_radix(remote.split(':').nth(1)?, 16).ok()?;
        // 01 is an established one.
        (*state == "01" && ports.contains(&port)).then(|| (*inode).to_owned())
    });
    lines.collect()
}

#[test]
fn thirty_two_guests_are_provisioned_a_few_at_a_time_and_one_that_fails_stops_no_other() {
    let home = Home::new();
    home.file("named.yaml", NAMED);
    home.done(["service", "add", "named.yaml", "--quiet"]);
    home.file(".config/trustnet-vm/services/tool", "#!/bin/sh\n");
    let mut specs = String::new();
    for index in 0..GUESTS {
        let path = home.spec(&name(index), "");
        specs.push_str(&format!(
            "---\n{}",
            fs::read_to_string(path).expect("a spec")
        ));
    }
    let all = home.file("all.yaml", &specs);
    home.done(["create", &all, "--quiet", "--no-wait"]);
    let guests: Vec<Sshd> = (0..GUESTS).map(|_| Sshd::in_root()).collect();
    let mut specs = String::new();
    for (index, guest) in guests.iter().enumerate() {
        answer(&home, &name(index), guest);
        let code = if index == BAD { "5" } else { "0" };
        let services = format!(
            "  services:\n    - name: named\n      config: {{ text: \"number {index}\", code: \"{code}\" }}\n"
        );
        let path = home.spec(&name(index), &services);
        specs.push_str(&format!(
            "---\n{}",
            fs::read_to_string(path).expect("a spec")
        ));
    }
    home.file("all.yaml", &specs);
    let ports: BTreeSet<u16> = guests.iter().map(|guest| guest.port).collect();
    let (over, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut before = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                // The table is read piece by piece: what is in two of them in a row was there at once in between.
                let now = connections(&ports);
                most.fetch_max(now.intersection(&before).count(), Ordering::Relaxed);
                before = now;
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        let parallel = PARALLEL.to_string();
        let args = [
            "provision",
            "-f",
            "all.yaml",
            "--parallel",
            &parallel,
            "-o",
            "json",
        ];
        let output = home.program().args(args).output().expect("it starts");
        over.store(true, Ordering::Relaxed);
        Run::of(&output)
    });
    assert_eq!(run.code, Some(7), "{}", run.err);
    let most = most.into_inner();
    assert!((2..=PARALLEL).contains(&most), "{most} connections at once");
    let list: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    let items = list["items"].as_array().expect("a list");
    assert_eq!(items.len(), GUESTS);
    for (index, item) in items.iter().enumerate() {
        let name = name(index);
        assert_eq!(item["name"], name.as_str());
        let text = fs::read_to_string(guests[index].path("/etc/named-text")).expect("the file");
        assert_eq!(text, format!("{name}: number {index}\n"));
        if index == BAD {
            assert_eq!(
                (&item["result"], &item["exitCode"]),
                (&"failed".into(), &7.into())
            );
            let error = format!("`{name}`: failed at named: setup end: exit status 5");
            assert_eq!(item["error"], error.as_str());
        } else {
            assert_eq!(item["result"], "provisioned", "{item}");
        }
    }
    // Again: one connection each, nothing to do, and the one goes on from where it failed.
    let again = home.run(["provision", "-f", "all.yaml", "--parallel", "8"]);
    assert_eq!(again.code, Some(7));
    assert_eq!(
        again.out.matches("nothing to do\n").count(),
        GUESTS - 1,
        "{}",
        again.out
    );
}
