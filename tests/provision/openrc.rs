//! OpenRC, for real: its own boot, its supervisor, its runlevels, in a root made of packages, with BusyBox
//! for a shell and for tools where it has them.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use trustnet_host::examine::{self, UnitVerb};
use trustnet_host::provision::Outcome;
use trustnet_host::shell::Exit;

use crate::roots::openrc_guest;
use crate::sshd::Sshd;
use crate::stage::{Folder, Things, Told, bring, program_of, uninstall_of};

/// A service of twenty lines, with values that no shell may ever see as code.
const WEB: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: web }
spec:
  version: "1.0"
  parameters: { port: { type: port, default: 1 }, greeting: { type: string, default: hello } }
  user: { name: web }
  data: { path: "/var/lib/my web's", owner: web:web }
  files:
    - { path: /srv/web/index.html, content: "{{ params.greeting }}\n" }
    - path: /opt/web dir/serve
      mode: "0755"
      content: |
        #!/bin/sh
        { id -un; pwd; grep CapEff /proc/self/status; printf '[%s]' "$@" "$GREETING" "$OTHER"; } > told
        echo "serving  $GREETING"
        exec busybox httpd -f -p "127.0.0.1:$1" -h /srv/web
  unit:
    command: ["/opt/web dir/serve", "{{ params.port }}", "{{ params.greeting }}", "a  b", "", "$HOME `id`"]
    environment: { GREETING: "{{ params.greeting }}", OTHER: "x y\tz" }
    workingDirectory: "/var/lib/my web's"
"#;

const HOSTILE: &str = "'; touch /pwned; \"$(touch /pwned)\" `touch /pwned` \\ %n ${PATH} é * #";

/// When it answers.
const HTTP: &str = "  ready: { http: { port: \"{{ params.port }}\", path: /, contains: \"{{ params.greeting }}\" }, grace: 2s, timeout: 30s }\n";

fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    free.local_addr().expect("an address").port()
}

fn run(guest: &Sshd, text: &str, services: serde_json::Value) -> Told {
    let program = program_of(&[text], services, &Things::default());
    bring(guest, &program, &Folder(guest.shared("none")))
}

/// Takes the service out again.
fn take_out(guest: &Sshd, text: &str, services: serde_json::Value) -> Told {
    let program = uninstall_of(&[text], services);
    bring(guest, &program, &Folder(guest.shared("none")))
}

/// What a command says in the guest, and its status.
fn ask(guest: &Sshd, command: &str) -> (Exit, String) {
    let mut said = Vec::new();
    let limit = Duration::from_secs(30);
    let code = guest
        .connect()
        .run(command, &mut std::io::empty(), limit, &mut |_, bytes| {
            said.extend_from_slice(bytes)
        })
        .expect("it runs");
    (code, String::from_utf8_lossy(&said).into_owned())
}

fn wanted(port: u16, greeting: &str) -> serde_json::Value {
    json!([{"name": "web", "config": {"port": port, "greeting": greeting}}])
}

fn brought(guest: &Sshd, told: Told) -> (Outcome, Vec<String>) {
    match told.result {
        Ok(outcome) => (outcome, told.lines),
        Err(error) => {
            let log = ask(guest, "tail /var/log/*.log; rc-status -a").1;
            panic!("{error}\n{:#?}\n{log}", told.lines)
        }
    }
}

#[test]
fn a_service_of_twenty_lines_runs_under_openrc_and_what_its_values_say_is_data() {
    let Some(mut guest) = openrc_guest() else {
        return;
    };
    let port = free_port();
    let text = format!("{WEB}{HTTP}");
    let told = run(&guest, &text, wanted(port, HOSTILE));
    let (outcome, _) = brought(&guest, told);
    assert_eq!(outcome.facts.init, "openrc");
    let read = |guest: &Sshd, path: &str| fs::read_to_string(guest.path(path)).expect("the file");
    assert_eq!(
        read(&guest, "/var/lib/my web's/told"),
        format!(
            "web\n/var/lib/my web's\nCapEff:\t0000000000000000\n\
             [{port}][{HOSTILE}][a  b][][$HOME `id`][{HOSTILE}][x y\tz]"
        )
    );
    assert!(!guest.path("/pwned").exists());
    let link = fs::symlink_metadata(guest.path("/etc/runlevels/default/web"));
    assert!(link.is_ok(), "it starts with the guest");

    let again = run(&guest, &text, wanted(port, HOSTILE));
    assert_eq!(brought(&guest, again).0.taken, 0);

    // A parameter: its file and its unit, which comes anew.
    let told = run(&guest, &text, wanted(port, "changed"));
    let (_, lines) = brought(&guest, told);
    let done = lines.iter().filter(|line| line.starts_with("done "));
    let done: Vec<&str> = done.map(String::as_str).collect();
    assert_eq!(
        done,
        [
            "done web: file /srv/web/index.html",
            "done web: unit",
            "done web: start",
            "done web: ready"
        ]
    );
    assert!(read(&guest, "/var/lib/my web's/told").contains("[changed]"));

    // One that somebody has killed is back by itself; one that was stopped is started.
    ask(&guest, "rc-service web stop");
    let told = run(&guest, &text, wanted(port, "changed"));
    let (_, lines) = brought(&guest, told);
    assert!(lines.contains(&"done web: start".to_owned()), "{lines:#?}");
    guest.reboot();
    let (code, status) = ask(&guest, "sleep 1; rc-service web status");
    assert_eq!(code, Exit::Code(0), "it starts with the guest: {status}");

    let told = take_out(&guest, &text, wanted(port, "changed"));
    brought(&guest, told);
    for gone in [
        "/etc/init.d/web",
        "/etc/runlevels/default/web",
        "/srv/web/index.html",
        "/run/openrc/started/web",
    ] {
        let path = guest.path(gone);
        assert!(fs::symlink_metadata(path).is_err(), "{gone} is still there");
    }
    assert!(
        guest.path("/var/lib/my web's/told").exists(),
        "its data stays"
    );
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn under_openrc_every_way_to_be_ready_is_seen_and_what_openrc_refuses_is_told() {
    let Some(guest) = openrc_guest() else {
        return;
    };
    for ready in [
        "{ tcp: { port: \"{{ params.port }}\" }, timeout: 30s }",
        "{ journal: \"serving  hello\", timeout: 30s }",
        "{ command: [grep, -q, hello, /srv/web/index.html], timeout: 30s }",
        "",
    ] {
        let text = match ready {
            "" => WEB.to_owned(),
            ready => format!("{WEB}  ready: {ready}\n"),
        };
        let told = run(&guest, &text, wanted(free_port(), "hello"));
        brought(&guest, told);
    }
    // Debian's OpenRC is built without capabilities: it says so, and nothing runs with fewer than asked for.
    let text = WEB.replace(
        "    environment:",
        "    capabilities: [CAP_NET_RAW]\n    environment:",
    );
    let told = run(&guest, &text, wanted(free_port(), "hello"));
    let why = told.result.expect_err("it cannot start").to_string();
    assert!(why.contains("Capabilities support not enabled"), "{why}");
}

#[test]
fn a_disabled_unit_stays_stopped_when_an_openrc_guest_starts_again() {
    let Some(mut guest) = openrc_guest() else {
        return;
    };
    let (text, wanted) = (format!("{WEB}{HTTP}"), wanted(free_port(), "hello"));
    brought(&guest, run(&guest, &text, wanted.clone()));
    let does = |guest: &Sshd, verb| {
        let ended = examine::unit(&mut *guest.connect(), verb, ("web", "web"));
        let ended = ended.expect("it runs");
        assert!(ended.is_success(), "{verb:?}: {}", ended.output);
    };
    let runs = |guest: &Sshd| ask(guest, "rc-service web status").0 == Exit::Code(0);
    does(&guest, UnitVerb::Stop);
    assert!(!runs(&guest));
    does(&guest, UnitVerb::Start);
    assert!(runs(&guest));
    does(&guest, UnitVerb::Stop);
    // What is done is done, twice too.
    does(&guest, UnitVerb::Disable);
    does(&guest, UnitVerb::Disable);
    guest.reboot();
    assert!(!runs(&guest), "its runlevel has it no more");
    let link = fs::symlink_metadata(guest.path("/etc/runlevels/default/web"));
    assert!(link.is_err());
    // Provisioning is what brings it back.
    brought(&guest, run(&guest, &text, wanted));
    guest.reboot();
    let (code, status) = ask(&guest, "sleep 1; rc-service web status");
    assert_eq!(code, Exit::Code(0), "{status}");
}

#[test]
fn a_unit_that_dies_again_and_again_under_openrc_fails_fast_with_its_last_words() {
    let Some(guest) = openrc_guest() else {
        return;
    };
    // The supervisor starts it anew for ever, and calls it started; what an earlier one has said does not count.
    let bad = WEB.replace(
        "exec busybox",
        "echo 'it cannot: disk on fire' >&2; exit 3; busybox",
    );
    let bad = bad.replace("echo \"serving", "echo \"coming");
    let told = run(&guest, WEB, wanted(free_port(), "hello"));
    brought(&guest, told);
    for ready in [
        "",
        HTTP,
        "  ready: { journal: \"serving  hello\", grace: 2s }\n",
    ] {
        let since = Instant::now();
        let told = run(
            &guest,
            &format!("{bad}{ready}"),
            wanted(free_port(), "hello"),
        );
        let why = told.result.expect_err("it cannot run").to_string();
        assert!(
            why.starts_with("failed at web: ready: ") && why.contains("disk on fire"),
            "{ready}: {why}\n{:#?}",
            told.lines
        );
        assert!(since.elapsed() < Duration::from_secs(60), "{why}");
    }
}
