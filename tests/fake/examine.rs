//! Verbs that look at VMs and their services, against sshds: test, diagnose, fix, logs, status.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use trustnet_core::observed::DomainState;

use crate::guests::guest_of;
use crate::home::{Home, files_below};
use crate::sshd::Sshd;

/// A service whose answers hang on files in the guest.
const TOOL: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: tool }
spec:
  version: "1.0"
  parameters:
    port: { type: port }
    word: { type: string, default: plain }
  secrets: { key: {} }
  files:
    - { path: /etc/tool.conf, content: "word = {{ params.word }}\n" }
  setup:
    - { name: says too much, command: [cat, "{{ secretFiles.key }}"] }
  unit: { name: tool }
  ports: [{ name: http, port: "{{ params.port }}" }]
  ready: { http: { port: "{{ params.port }}" } }
  tests:
    - { name: it says hello, http: { port: "{{ params.port }}", contains: hello } }
    - { name: a word arrives as it is, command: [sh, -c, 'printf %s "$1" | cmp - /etc/word', sh, "{{ params.word }}"] }
    - { name: it is whole, command: [sh, -c, 'cat "$1"; printf "\033[31m]]>\001\n"; test ! -e /etc/broken', sh, "{{ secretFiles.key }}"] }
    - { name: it hurries, command: [sh, -c, 'test ! -e /etc/slow || exec sleep 613'], timeout: 1s }
  diagnose:
    - { name: it feels well, command: [sh, -c, 'cat "$1"; test ! -e /etc/ill', sh, "{{ secretFiles.key }}"], problem: it is ill, hint: see NAME, fix: [rm, /etc/ill] }
"#;

/// A systemd of a few lines: units that are files.
const SYSTEMCTL: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -*) shift ;; *) break ;; esac; done
verb=$1; shift
for name; do case $name in -*) ;; *) break ;; esac; done
unit=/var/lib/units/${name%.service}
case $verb in
is-active) if [ -e "$unit" ]; then cat "$unit"; grep -q '^active$' "$unit"; else echo inactive; exit 3; fi ;;
start|restart) mkdir -p /var/lib/units; echo active >"$unit" ;;
list-units) grep -l failed /var/lib/units/* 2>/dev/null | sed 's|.*/||; s|$|.service loaded failed failed x|' ;;
esac
"#;

const HOSTILE: &str = "'; rm -rf / $(id) `id` ü";

/// A VM with the service, and what belongs to it.
struct Stage {
    home: Home,
    web: Sshd,
}

impl Stage {
    fn new() -> Self {
        let home = Home::new();
        fs::create_dir_all(home.path(".config/trustnet-vm/services")).expect("a folder");
        home.file(".config/trustnet-vm/services/tool.yaml", TOOL);
        home.spec(
            "web",
            "  dataDisks:\n    - { device: vdb, size: 1Gi, mountPath: /srv/data }\n",
        );
        let web = guest_of(&home, "web");
        let port = serve();
        let spec = home.path("web.yaml");
        let mut text = fs::read_to_string(&spec).expect("the spec");
        let service = json!([{ "name": "tool", "config": { "port": port, "word": HOSTILE } }]);
        text.push_str(&format!("  services: {service}\n"));
        fs::write(&spec, text).expect("a file");
        let stage = Self { home, web };
        fs::create_dir_all(stage.web.path("/run/systemd/system")).expect("a folder");
        stage.tool("systemctl", SYSTEMCTL);
        // What the machine below has is none of the guest's business.
        stage.tool("dmesg", "#!/bin/sh\n");
        stage.tool(
            "df",
            "#!/bin/sh\necho Filesystem\necho /dev/vda1 100 10 90 10% /\n",
        );
        let grep =
            "#!/bin/sh\ncase $* in *MemTotal* | some*) exit 0 ;; esac\nexec /bin/grep \"$@\"\n";
        stage.tool("grep", grep);
        stage.put("/etc/word", HOSTILE);
        stage.put("/etc/fstab", "tmpfs /srv/data tmpfs defaults 0 0\n");
        fs::create_dir_all(stage.web.path("/srv/data")).expect("a folder");
        stage.home.done(["provision", "-f", "web.yaml", "--quiet"]);
        stage
    }

    /// With its data disk mounted.
    fn mounted() -> Self {
        let stage = Self::new();
        stage.home.done(["exec", "web", "--", "mount", "/srv/data"]);
        stage
    }

    fn put(&self, path: &str, text: &str) {
        fs::write(self.web.path(path), text).expect("a file");
    }

    fn tool(&self, name: &str, text: &str) {
        let path = self.web.path(&format!("/usr/local/bin/{name}"));
        fs::write(&path, text).expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    fn secret(&self) -> String {
        let path = self.web.path("/etc/trustnet-vm/secrets/tool/key");
        fs::read_to_string(path).expect("the secret")
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        let run = self.home.run(args.iter().copied().chain(["-o", "json"]));
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(!run.out.contains(&self.secret()), "a secret is shown");
        serde_json::from_str(&run.out).expect("JSON")
    }

    /// What is wrong, in a line each.
    fn found(&self, code: i32) -> Vec<String> {
        let value = self.json(&["diagnose", "web"], code);
        let found = value["findings"].as_array().expect("findings");
        let line = |one: &Value| {
            let text = |name: &str| one[name].as_str().expect("text").to_owned();
            format!(
                "{} {}: {}",
                text("severity"),
                text("about"),
                text("problem")
            )
        };
        found.iter().map(line).collect()
    }

    fn off(&self) {
        self.home.edit(|state| {
            for domain in state.domains.values_mut() {
                domain.state = DomainState::Shutoff;
            }
        });
    }
}

/// A server on the loopback, which is the guest's too; it says hello as long as the test runs.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 1024];
            // Who only knocks says nothing.
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello");
        }
    });
    port
}

fn verdicts(report: &Value) -> Vec<(String, String)> {
    let groups = report["items"][0]["groups"].as_array().expect("groups");
    let tests = groups
        .iter()
        .flat_map(|group| group["tests"].as_array().expect("tests"));
    tests
        .map(|test| {
            let text = |name: &str| test[name].as_str().unwrap_or_default().to_owned();
            (text("name"), text("result"))
        })
        .collect()
}

#[test]
fn a_vm_that_is_well_passes_every_test_whatever_its_parameters_hold() {
    let stage = Stage::mounted();
    let report = stage.json(&["test", "web"], 0);
    let verdicts = verdicts(&report);
    assert_eq!(verdicts.len(), 11, "{report:#}");
    for (name, verdict) in &verdicts {
        assert_eq!(verdict, "passed", "{name}: {report:#}");
    }
    assert_eq!(stage.found(0), [""; 0]);
    let text = stage.home.done(["test", "web"]).out;
    let expected = "✓ web\n├─ ✓ machine\n│  ├─ ✓ the domain runs\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_test_that_fails_or_hangs_is_told_with_its_words_and_without_secrets() {
    let stage = Stage::mounted();
    stage.put("/etc/broken", "");
    stage.put("/etc/slow", "");
    let report = stage.json(&["test", "web", "--junit", "out.xml"], 7);
    let all = verdicts(&report);
    let failed: Vec<&str> = all
        .iter()
        .filter(|(_, verdict)| verdict != "passed")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(failed, ["it is whole", "it hurries"], "{report:#}");
    let text = report.to_string();
    assert!(text.contains("not done within 1 s") && text.contains("exit code 1"));
    assert!(text.contains("***"), "{text}");
    // What hung was stopped in the guest.
    let left = ["exec", "web", "--", "pgrep", "-f", "sleep 61[3]"];
    assert_eq!(stage.home.run(left).code, Some(1));
    let xml = fs::read_to_string(stage.home.path("out.xml")).expect("the report");
    assert!(!xml.contains(&stage.secret()));
    let script = "import sys, xml.etree.ElementTree as e\nr = e.parse(sys.argv[1]).getroot()\n\
        print(r.get('tests'), r.get('failures'), r.get('skipped'), [c.get('name') for c in r.iter('testcase') if c.find('failure') is not None])";
    let read = Command::new("python3")
        .args(["-c", script])
        .arg(stage.home.path("out.xml"))
        .output()
        .expect("python");
    assert_eq!(
        String::from_utf8_lossy(&read.stdout),
        "11 2 0 ['it is whole', 'it hurries']\n"
    );
    let text = stage.home.run(["test", "web"]).out;
    assert!(text.contains("✗ it is whole: exit code 1\n"), "{text}");
    assert!(text.contains("| ***]]>\n"), "{text}");
}

#[test]
fn what_cannot_be_tested_is_skipped_and_has_not_passed() {
    let stage = Stage::new();
    stage.off();
    let report = stage.json(&["test", "web"], 7);
    let all = verdicts(&report);
    assert_eq!(all[0].1, "failed");
    assert!(
        all[1..].iter().all(|(_, verdict)| verdict == "skipped"),
        "{report:#}"
    );
    let absent = stage.home.run(["test", "nobody", "-o", "json"]);
    assert_eq!(absent.code, Some(7), "{absent:?}");
    assert_eq!(
        stage.found(7),
        ["critical machine: the VM does not run: shut off"]
    );
}

#[test]
fn what_is_wrong_is_found_shown_and_repaired() {
    let stage = Stage::new();
    stage.put("/etc/ill", "");
    stage.put("/etc/tool.conf", "other");
    stage.put("/var/lib/units/tool", "failed\n");
    stage.put("/var/lib/units/other", "failed\n");
    assert_eq!(
        stage.found(7),
        [
            "error machine: no data disk is mounted at `/srv/data`",
            "error tool: 2 steps are not as they are to be",
            "error tool: its unit `tool` does not run: failed",
            "error tool: it is ill",
            "warning machine: the unit `other.service` failed",
        ]
    );
    // Without a terminal it is shown, and nothing is done.
    let shown = stage.home.run(["fix", "web"]);
    assert_eq!(shown.code, Some(8), "{shown:?}");
    assert_eq!(
        shown.out,
        "machine: no data disk is mounted at `/srv/data`\n  in the guest of `web`: mount /srv/data\n\
         tool: it is ill\n  in the guest of `web`: rm /etc/ill\n\
         machine: the unit `other.service` failed\n  in the guest of `web`: systemctl restart other.service\n\
         tool: its unit `tool` does not run: failed\n  in the guest of `web`: systemctl restart tool\n\
         tool: 2 steps are not as they are to be\n  here: trustnet-vm provision web\n"
    );
    assert!(stage.web.path("/etc/ill").exists());
    // No is no.
    let said = stage
        .home
        .run_on_terminal(&["fix", "web"], "n\nn\nn\nn\nn\n");
    assert!(said.ends_with("--- exit 7\n"), "{said}");
    assert!(stage.web.path("/etc/ill").exists());
    let done = stage.home.run(["fix", "web", "--yes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(stage.found(0), [""; 0]);
    assert!(!stage.web.path("/etc/ill").exists());
}

#[test]
fn a_stopped_vm_is_started_and_then_mended_and_a_repair_that_fails_is_told() {
    let stage = Stage::mounted();
    stage.put("/etc/ill", "");
    stage.off();
    let fixed = stage.home.run(["fix", "web", "--yes"]);
    assert_eq!(fixed.code, Some(0), "{fixed:?}");
    assert!(
        fixed.err.contains("  here: trustnet-vm start web\n"),
        "{fixed:?}"
    );
    assert!(
        fixed.err.contains("in the guest of `web`: rm /etc/ill\n"),
        "{fixed:?}"
    );
    // What rm(1) does not take.
    fs::create_dir(stage.web.path("/etc/ill")).expect("a folder");
    let failed = stage.home.run(["fix", "web", "--yes"]);
    assert_eq!(failed.code, Some(7), "{failed:?}");
    let told = "error: the repair failed: exit code 1\n    rm: cannot remove";
    assert!(failed.err.contains(told), "{failed:?}");
    assert!(
        failed.out.contains("error: tool: it is ill\n"),
        "{failed:?}"
    );
    assert!(!format!("{failed:?}{fixed:?}").contains(&stage.secret()));
}

#[test]
fn another_host_key_and_a_silent_guest_are_told_with_the_console() {
    let mut stage = Stage::new();
    let key = stage.web.host_key_public.clone();
    let other = trustnet_host::keys::KeyPair::generate("other").expect("a key");
    stage.home.edit(|state| {
        let guest = state.guests.entry("web".to_owned()).or_default();
        guest.console = vec!["Kernel \u{1b}[31mpanic".to_owned()];
        for domain in state.domains.values_mut() {
            domain.xml = domain.xml.replace(&key, other.public());
        }
    });
    let found = stage.found(7);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("is not the guest's: expected SHA256:"));
    let text = stage.home.run(["diagnose", "web"]).out;
    assert!(text.contains("  | console: Kernel panic\n"), "{text}");
    stage.home.edit(|state| {
        for domain in state.domains.values_mut() {
            domain.xml = domain.xml.replace(other.public(), &key);
        }
    });
    stage.web.stop();
    let found = stage.found(7);
    assert!(found[0].starts_with("critical machine: `web`: failed to reach SSH at"));
    let status = stage.json(&["status", "web"], 0);
    let vm = &status["items"][0];
    assert!(
        vm["unreachable"]
            .as_str()
            .expect("why")
            .contains("failed to reach SSH")
    );
    let service = &vm["services"][0];
    assert_eq!(
        (&service["health"], &service["state"], &service["version"]),
        (&json!("unknown"), &json!("Ready"), &json!("1.0"))
    );
    let text = stage.home.done(["status"]).out;
    assert!(
        text.contains("? tool 1.0: by its record Ready since 2"),
        "{text}"
    );
}

#[test]
fn a_status_shows_disks_and_the_health_of_services() {
    let stage = Stage::new();
    let status = stage.json(&["status"], 0);
    let vm = &status["items"][0];
    assert_eq!(vm["unreachable"], Value::Null);
    let disks = vm["disks"].as_array().expect("disks");
    assert_eq!(disks[0]["usedPercent"], 10, "{vm:#}");
    assert_eq!(
        (&disks[1]["mountPath"], &disks[1]["mounted"]),
        (&json!("/srv/data"), &json!(false))
    );
    let service = &vm["services"][0];
    assert_eq!(
        (
            &service["health"],
            &service["unit"],
            &service["ports"][0]["open"]
        ),
        (&json!("healthy"), &json!("active"), &json!(true))
    );
    stage.put("/var/lib/units/tool", "failed\n");
    let text = stage.home.done(["status", "web"]).out;
    assert!(text.contains("✗ tool 1.0: unit failed, port "), "{text}");
    assert!(text.contains(" at /srv/data, not mounted\n"), "{text}");
    let get = stage.json(&["get", "web"], 0);
    assert_eq!(get["status"]["services"][0]["state"], "Ready", "{get:#}");
}

#[test]
fn logs_hold_no_secrets_and_go_on_as_they_grow() {
    let stage = Stage::new();
    let secret = stage.secret();
    let log = stage.home.done(["logs", "web"]).out;
    assert!(!log.contains(&secret) && log.contains("\n***\n"), "{log}");
    assert!(log.ends_with("== done: 5 steps\n"), "{log}");
    let last = stage.home.done(["logs", "web", "-n", "1"]).out;
    assert_eq!(last, "== done: 5 steps\n");
    let journal = "#!/bin/sh\nprintf '%s\\n' \"$*\"\ncat /etc/trustnet-vm/secrets/tool/key\nprintf '\\033[31mred\\n'\n";
    stage.tool("journalctl", journal);
    let args = ["logs", "web", "--service", "tool", "-n", "5"];
    let said = stage.home.done(args).out;
    assert_eq!(
        said,
        "-q --no-pager -o short-iso -n 5 -u tool\n***\u{1b}[31mred\n"
    );
    let absent = stage.home.run(["logs", "web", "--service", "nosuch"]);
    assert_eq!(absent.code, Some(4), "{absent:?}");
    assert!(absent.err.contains("it has tool"), "{absent:?}");

    let file = files_below(&stage.home.path(".local/state"))
        .into_iter()
        .find(|path| path.ends_with("logs/web.log"))
        .expect("the log");
    let mut follower = stage
        .home
        .program()
        .args(["logs", "web", "-f", "-n", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert_eq!(next(), "== done: 5 steps");
    let mut end = fs::File::options()
        .append(true)
        .open(&file)
        .expect("the log");
    writeln!(end, "one more").expect("it is written");
    assert_eq!(next(), "one more");
    // It makes room for a new one.
    fs::rename(&file, file.with_extension("log.1")).expect("it makes room");
    fs::write(&file, "and another\n").expect("it is written");
    assert_eq!(next(), "and another");
    follower.kill().expect("it runs");
    follower.wait().expect("it ends");
}

#[test]
fn the_log_of_a_service_is_followed_and_a_secret_in_two_pieces_is_masked() {
    let stage = Stage::new();
    let key = "/etc/trustnet-vm/secrets/tool/key";
    let journal = format!(
        "#!/bin/sh\nprintf 'first %s\\nthe key is ' \"$(cat {key})\"\nhead -c 5 {key}\n\
         until test -e /etc/go; do sleep 0.05; done\n\
         tail -c +6 {key}\nprintf ', and that is that\\n%s\\n' \"$*\"\n"
    );
    stage.tool("journalctl", &journal);
    let mut follower = stage
        .home
        .program()
        .args(["logs", "web", "--service", "tool", "-f", "-n", "7"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().map(|line| line.expect("text"));
    assert_eq!(next().as_deref(), Some("first ***"));
    // It has shown what there was, and waits for more.
    stage.put("/etc/go", "");
    assert_eq!(next().as_deref(), Some("the key is ***, and that is that"));
    let called = "-q --no-pager -o short-iso -n 7 -u tool -f";
    assert_eq!(next().as_deref(), Some(called));
    assert_eq!(next(), None);
    assert_eq!(follower.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_guest_with_openrc_is_looked_at_in_its_own_terms() {
    let stage = Stage::mounted();
    fs::remove_dir(stage.web.path("/run/systemd/system")).expect("a folder");
    fs::create_dir(stage.web.path("/run/openrc")).expect("a folder");
    let service = "#!/bin/sh\ncase $* in *status) exit \"$(cat /etc/state)\" ;; *restart) echo 0 >/etc/state ;; esac\n";
    stage.tool("rc-service", service);
    stage.tool("rc-status", "#!/bin/sh\n");
    stage.put("/etc/state", "32");
    let found = stage.found(7);
    let expected = [
        "error tool: a step is not as it is to be",
        "error tool: its unit `tool` does not run: failed",
    ];
    assert_eq!(found, expected);
    let shown = stage.home.run(["fix", "web"]).out;
    assert!(shown.contains(": rc-service tool restart\n"), "{shown}");
    let fixed = stage.json(&["fix", "web", "--yes"], 0);
    assert_eq!(fixed["well"], true, "{fixed:#}");
    fs::write(stage.web.path("/var/log/tool.log"), "one\ntwo\n").expect("a file");
    let said = stage
        .home
        .done(["logs", "web", "--service", "tool", "-n", "1"])
        .out;
    assert_eq!(said, "two\n");
}

#[test]
fn a_vm_that_hangs_does_not_hold_up_the_others() {
    let stage = Stage::new();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let spec = stage.home.spec("mute", "");
    let text = fs::read_to_string(&spec).expect("the spec");
    let old = text.split("sshPort: ").nth(1).expect("a port").trim();
    stage.home.done(["create", &spec, "--quiet"]);
    stage.home.edit(|state| {
        for domain in state.domains.values_mut() {
            domain.xml = domain.xml.replace(old, &port.to_string());
        }
    });
    let status = stage.json(&["status", "--parallel", "2"], 0);
    let items = status["items"].as_array().expect("items");
    assert_eq!(
        (&items[0]["name"], &items[1]["name"]),
        (&json!("mute"), &json!("web"))
    );
    assert!(
        items[0]["unreachable"]
            .as_str()
            .expect("why")
            .contains("said nothing for")
    );
    assert_eq!(items[1]["services"][0]["health"], "healthy");
}
