//! `provision`: services brought into guests behind real sshds, and what happens when it breaks on the way.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use trustnet_core::artifact::{Arch, ArtifactId, Digest};
use trustnet_core::record::{Record, ServicePhase};
use trustnet_host::cache::file::take;
use trustnet_host::cache::store::Store;

use crate::guests::{answer, guest, with_systemd};
use crate::home::{Home, files_below};
use crate::sshd::Sshd;

const APP: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: app }
spec:
  version: "1.0"
  parameters: { port: { type: port, default: 1 }, code: { type: string, default: "0" } }
  user: { name: app }
  data: { path: /var/lib/app, owner: "app:app", mode: "0750" }
  artifacts:
    - { name: app, file: app.bin, install: { path: /usr/local/bin/app } }
  secrets:
    key: { owner: "app:app" }
  files:
    - { path: /etc/app/app.conf, content: "port = {{ params.port }}\n", owner: "root:app", mode: "0640" }
  setup:
    - name: once
      beforeStart: true
      command: [sh, -c, 'sleep 0.3; echo once >> /var/lib/app/runs']
    - name: never again
      beforeStart: true
      command: [sh, -c, 'echo again >> /var/lib/app/runs']
      unless: [grep, -q, again, /var/lib/app/runs]
    - name: shown
      command: [sh, -c, 'echo "the key is $(cat)"; exit "$1"', sh, "{{ params.code }}"]
      input: "{{ secrets.key }}"
    - name: last
      command: [touch, /var/lib/app/last]
  ready: { tcp: { port: "{{ params.port }}" } }
"#;

/// A home with the service, and a listener that it is seen to be ready by.
fn stage() -> (Home, TcpListener) {
    let home = Home::new();
    home.file("app.yaml", APP);
    home.done(["service", "add", "app.yaml", "--quiet"]);
    home.file(
        ".config/trustnet-vm/services/app.bin",
        "#!/bin/sh\necho app\n",
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    (home, listener)
}

/// Writes the spec of a VM with the service.
fn spec(home: &Home, name: &str, listener: &TcpListener, code: &str) {
    let port = listener.local_addr().expect("an address").port();
    let services = format!(
        "  services:\n    - name: app\n      config: {{ port: {port}, code: \"{code}\" }}\n      secrets: {{ key: hunter22 }}\n"
    );
    home.spec(name, &services);
}

/// How many runs are killed at once.
const LANES: usize = 4;

/// What the service has more of where it is killed: an archive that is unpacked, and a unit that runs.
const MORE: &str = r#"
    - { name: tree, file: tree.tar, unpack: { into: /opt/tree, links: { /usr/local/bin/tree-tool: tool } } }
  unit: { name: app, command: [/bin/sleep, "600"], user: root }
  secrets:"#;

/// Gives the home's service more.
fn with_more(home: &Home) {
    home.file("app.yaml", &APP.replacen("\n  secrets:", MORE, 1));
    home.done(["service", "add", "app.yaml", "--force", "--quiet"]);
    let mut archive = tar::Builder::new(Vec::new());
    for name in ["tool", "share/text"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(name.len() as u64);
        header.set_mode(0o755);
        let text = name.as_bytes();
        archive
            .append_data(&mut header, name, text)
            .expect("a file");
    }
    let bytes = archive.into_inner().expect("an archive");
    let path = home.path(".config/trustnet-vm/services/tree.tar");
    fs::write(path, bytes).expect("a file");
}

/// Everything in the guest that a run may have made.
fn made(guest: &Sshd) -> String {
    let script = "cd / && units=etc/systemd/system && systemctl is-active app && \
        folders='etc/app opt/tree usr/local/bin var/lib/app var/lib/trustnet-vm var/cache/trustnet-vm' && \
        folders=\"$folders $units/app.service $units/multi-user.target.wants/app.service\" && \
        find $folders -printf '%p %y %m %U:%G %l\\n' | sort && find $folders -type f -exec sha256sum {} + | sort && \
        grep -c '^app:' /etc/passwd && cat /var/lib/app/runs";
    let mut out = Vec::new();
    let mut take = |_, bytes: &[u8]| out.extend_from_slice(bytes);
    let mut input = script.as_bytes();
    guest
        .connect()
        .run("sh -s 2>&1", &mut input, Duration::from_secs(20), &mut take)
        .expect("it runs");
    String::from_utf8(out).expect("UTF-8")
}

fn log_of(home: &Home) -> (PathBuf, String) {
    let logs = files_below(&home.path(".local/state"));
    let mut logs = logs
        .into_iter()
        .filter(|path| path.ends_with("logs/web.log"));
    let path = logs.next().expect("a log");
    let text = fs::read_to_string(&path).expect("a log");
    (path, text)
}

/// What the record says of the services.
fn noted(home: &Home) -> Vec<ServicePhase> {
    let state = home.state();
    let domain = state.domains.values().next().expect("a domain");
    let record = domain.facts().xml.record.expect("a record");
    let record = Record::parse(&record).expect("it is ours");
    record.services.iter().map(|one| one.state).collect()
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_finished_by_the_next_as_if_nothing_had_been() {
    let (home, listener) = stage();
    with_more(&home);
    let web = guest(&home, "web", "{}");
    with_systemd(&web);
    spec(&home, "web", &listener, "0");
    home.done(["provision", "-f", "web.yaml"]);
    let whole = made(&web);
    assert!(whole.starts_with("active\n"), "{whole}");
    assert!(whole.ends_with("\n1\nonce\nagain\n"), "{whole}");
    let (_, log) = log_of(&home);
    let titles = log.lines().filter_map(|line| line.strip_prefix("-- "));
    let steps = titles.flat_map(|title| [format!("begun {title}"), format!("done {title}")]);
    let moments: Vec<String> = ["checked", "planned", "sent"]
        .map(str::to_owned)
        .into_iter()
        .chain(steps)
        .collect();
    assert_eq!(moments.len(), 3 + 2 * 14, "{moments:#?}");
    drop(web);
    // Each of these runs waits more than it works.
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let moments = moments.iter().skip(lane).step_by(LANES);
            let (whole, listener) = (&whole, &listener);
            scope.spawn(move || killed_at(moments, whole, listener));
        }
    });
}

/// Kills a run at each of these moments, every time in a new guest, and has the next one finish it.
fn killed_at<'a>(moments: impl Iterator<Item = &'a String>, whole: &str, listener: &TcpListener) {
    let (home, _) = stage();
    with_more(&home);
    drop(guest(&home, "web", "{}"));
    spec(&home, "web", listener, "0");
    for moment in moments {
        let web = Sshd::in_root();
        with_systemd(&web);
        answer(&home, "web", &web);
        let mut killed = home.program();
        killed
            .env("TRUSTNET_VM_TEST_KILL", moment)
            .args(["provision", "-f", "web.yaml"]);
        let killed = killed.output().expect("it starts");
        let signal = std::os::unix::process::ExitStatusExt::signal(&killed.status);
        assert_eq!(signal, Some(9), "{moment}: {killed:?}");
        home.done(["provision", "-f", "web.yaml"]);
        assert_eq!(made(&web), whole, "{moment}");
        assert_eq!(noted(&home), [ServicePhase::Ready], "{moment}");
        let again = home.done(["provision", "-f", "web.yaml"]);
        assert!(
            again.out.ends_with("nothing to do\n"),
            "{moment}: {again:?}"
        );
    }
}

#[test]
fn a_service_that_fails_is_told_with_its_last_lines_and_is_not_ready() {
    let (home, listener) = stage();
    let web = guest(&home, "web", "{}");
    spec(&home, "web", &listener, "3");
    let run = home.run(["provision", "-f", "web.yaml"]);
    assert_eq!(run.code, Some(7), "{run:?}");
    let said = "error: `web`: failed at app: setup shown: exit status 3\n    the key is ***\nhint: all of it is in `";
    assert!(run.err.contains(said), "{}", run.err);
    assert!(!web.path("/var/lib/app/last").exists());
    assert_eq!(noted(&home), [ServicePhase::Failed]);
    let (path, log) = log_of(&home);
    assert!(log.contains("the key is ***\n"), "{log}");
    let mode = fs::metadata(path).expect("a log").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for file in files_below(&home.path(".local/state")) {
        let text = fs::read(&file).expect("a file");
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains("hunter22"), "{}", file.display());
    }
    assert!(!run.err.contains("hunter22") && !run.out.contains("hunter22"));
    let verbose = home.run(["provision", "-f", "web.yaml", "-v", "-o", "json"]);
    assert_eq!(verbose.code, Some(7));
    assert!(!verbose.err.contains("hunter22") && !verbose.out.contains("hunter22"));
    let list: serde_json::Value = serde_json::from_str(&verbose.out).expect("JSON");
    assert_eq!(
        (&list["items"][0]["result"], &list["items"][0]["exitCode"]),
        (&"failed".into(), &7.into())
    );
    // Once the cause is gone, it goes on from there.
    spec(&home, "web", &listener, "0");
    let run = home.done(["provision", "-f", "web.yaml"]);
    assert_eq!(run.out, "VM 'web': services are ready (2 steps)\n");
    assert_eq!(noted(&home), [ServicePhase::Ready]);
}

#[test]
fn another_machine_at_the_address_is_refused_with_both_fingerprints() {
    let (home, listener) = stage();
    let web = guest(&home, "web", "{}");
    spec(&home, "web", &listener, "0");
    let other = trustnet_host::keys::KeyPair::generate("other").expect("a key");
    home.edit(|state| {
        for domain in state.domains.values_mut() {
            domain.xml = domain.xml.replace(&web.host_key_public, other.public());
        }
    });
    let run = home.run(["provision", "-f", "web.yaml"]);
    assert_eq!(run.code, Some(7), "{run:?}");
    let said = |part: &str| assert!(run.err.contains(part), "{part}: {}", run.err);
    said("is not the guest's: expected SHA256:");
    said(", shown SHA256:");
    said("nothing was sent\nhint: ");
    assert!(!web.log().contains("publickey"));
    assert!(!web.path("/var/lib/trustnet-vm").exists());
    assert_eq!(noted(&home), []);
}

#[test]
fn an_artifact_that_changed_in_the_cache_is_not_sent() {
    let (home, listener) = stage();
    let web = guest(&home, "web", "{}");
    let store = Store::open(&home.path(".cache/trustnet-vm/artifacts")).expect("a store");
    let id = ArtifactId::new("app", "1.0", Arch::Amd64, "app").expect("a name");
    let content = "#!/bin/sh\necho downloaded\n";
    let build = home.file("build", content);
    take(&store, &id, build.as_ref()).expect("it is taken");
    let digest = Digest::of(content.as_bytes());
    let source =
        format!("url: 'https://example.invalid/app', digests: {{ amd64: 'sha256:{digest}' }}");
    home.file("app.yaml", &APP.replace("file: app.bin", &source));
    home.done(["service", "add", "app.yaml", "--force", "--quiet"]);
    spec(&home, "web", &listener, "0");
    let cached = files_below(&home.path(".cache/trustnet-vm/artifacts/sha256"));
    assert_eq!(cached.len(), 1, "{cached:?}");
    fs::set_permissions(&cached[0], fs::Permissions::from_mode(0o600)).expect("a mode");
    // As long as before: a look at the size says nothing.
    let bytes = fs::read(&cached[0]).expect("the artifact");
    fs::write(&cached[0], vec![b'#'; bytes.len()]).expect("a write");
    let run = home.run(["provision", "-f", "web.yaml", "--offline"]);
    assert_eq!(run.code, Some(7), "{run:?}");
    assert!(run.err.contains("hint: "), "{}", run.err);
    assert!(!web.path("/usr/local/bin/app").exists());
    assert_eq!(
        files_below(&web.path("/var/cache/trustnet-vm")),
        [""; 0].map(PathBuf::from),
        "{run:?}"
    );
}

#[test]
fn a_service_that_is_no_longer_asked_for_goes_when_it_is_told_to_and_its_data_stays() {
    let (home, listener) = stage();
    let web = guest(&home, "web", "{}");
    let other = APP.replace("app", "other");
    home.file("other.yaml", &other);
    home.done(["service", "add", "other.yaml", "--quiet"]);
    home.file(".config/trustnet-vm/services/other.bin", "#!/bin/sh\n");
    spec(&home, "web", &listener, "0");
    let both = fs::read_to_string(home.path("web.yaml")).expect("the spec");
    let one = both.split("    - name: app").nth(1).expect("a service");
    home.file("both.yaml", &format!("{both}    - name: other{one}"));
    home.done(["provision", "-f", "both.yaml"]);
    let kept = home.done(["provision", "-f", "web.yaml"]);
    let said = "warning: `web` still has other 1.0, which its spec no longer asks for; `trustnet-vm provision web --prune` takes it away\n";
    assert!(kept.err.contains(said), "{kept:?}");
    let created = home.done(["create", "web.yaml"]);
    assert!(created.err.ends_with(said), "{created:?}");
    let asked = home.run(["provision", "web", "-f", "web.yaml", "--prune"]);
    assert_eq!(asked.code, Some(1), "{asked:?}");
    assert!(
        asked.err.ends_with(
            "taking other out of `web`:\n  - remove `/etc/other/other.conf`\n  - remove `/etc/trustnet-vm/secrets/other/key`\n  - remove `/usr/local/bin/other`\n\
             error: `web`: taking services away needs a yes, and there is no terminal to ask on\nhint: give `--yes`\n"
        ),
        "{}",
        asked.err
    );
    assert!(web.path("/usr/local/bin/other").exists());
    let pruned = home.done(["provision", "-f", "web.yaml", "--prune", "--yes"]);
    assert_eq!(pruned.out, "VM 'web': services are ready (1 steps)\n");
    for gone in ["/usr/local/bin/other", "/etc/other/other.conf"] {
        assert!(!web.path(gone).exists(), "{gone}");
    }
    assert!(web.path("/var/lib/other/runs").exists());
    assert_eq!(noted(&home), [ServicePhase::Ready]);
    let again = home.done(["provision", "-f", "web.yaml", "--prune", "--yes"]);
    assert_eq!(
        again.out,
        "VM 'web': services are as they are to be, nothing to do\n"
    );
    assert_eq!(again.err, "");
    // Nor is it silent where the spec asks for nothing at all.
    home.spec("web", "");
    let created = home.done(["create", "web.yaml"]);
    let said = said.replace("other", "app");
    assert!(created.err.ends_with(&said), "{created:?}");
}

#[test]
fn only_the_service_that_fails_has_failed() {
    let (home, listener) = stage();
    let _web = guest(&home, "web", "{}");
    let other = APP.replace("app", "other");
    home.file("other.yaml", &other);
    home.done(["service", "add", "other.yaml", "--quiet"]);
    home.file(".config/trustnet-vm/services/other.bin", "#!/bin/sh\n");
    spec(&home, "web", &listener, "3");
    let app = fs::read_to_string(home.path("web.yaml")).expect("the spec");
    let one = app.split("    - name: app").nth(1).expect("a service");
    let good = one.replace("code: \"3\"", "code: \"0\"");
    home.file("after.yaml", &format!("{app}    - name: other{good}"));
    let run = home.run(["provision", "-f", "after.yaml"]);
    assert_eq!(run.code, Some(7), "{run:?}");
    // It was never begun.
    assert_eq!(
        noted(&home),
        [ServicePhase::Failed, ServicePhase::Provisioning]
    );
    let before = app.replace(
        "    - name: app",
        &format!("    - name: other{good}    - name: app"),
    );
    home.file("before.yaml", &before);
    let run = home.run(["provision", "-f", "before.yaml"]);
    assert_eq!(run.code, Some(7), "{run:?}");
    assert_eq!(noted(&home), [ServicePhase::Ready, ServicePhase::Failed]);
}

#[test]
fn a_guest_that_does_not_come_back_ends_the_run_with_a_hint() {
    let (home, listener) = stage();
    let mut web = guest(&home, "web", "{}");
    let slow = APP.replace("sleep 0.3;", "touch /var/lib/app/here; sleep 60;");
    home.file("app.yaml", &slow);
    home.done(["service", "add", "app.yaml", "--force", "--quiet"]);
    spec(&home, "web", &listener, "0");
    let child = home.spawn(&["provision", "-f", "web.yaml", "--timeout", "1s"]);
    let since = std::time::Instant::now();
    while !web.path("/var/lib/app/here").exists() {
        assert!(since.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
    web.stop();
    let output = child.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{err}");
    assert!(err.contains("failed to reach SSH at"), "{err}");
    assert!(err.contains("hint: "), "{err}");
    assert_eq!(noted(&home), [ServicePhase::Failed]);
}

#[test]
fn a_secret_that_could_not_be_masked_is_refused_and_one_that_is_encoded_is_masked() {
    let (home, listener) = stage();
    let _web = guest(&home, "web", "{}");
    spec(&home, "web", &listener, "0");
    let text = fs::read_to_string(home.path("web.yaml")).expect("a spec");
    for short in ["'abc'", "''", "' ab  '"] {
        home.file("web.yaml", &text.replace("hunter22", short));
        let run = home.run(["provision", "-f", "web.yaml"]);
        assert_eq!(run.code, Some(2), "{}", run.err);
        let told = "secret `key` of `app` has fewer than 4 bytes";
        assert!(run.err.contains(told), "{}", run.err);
    }
    home.file(
        ".config/trustnet-vm/services/app.yaml",
        &APP.replace("$(cat)", "$(base64)"),
    );
    home.file("web.yaml", &text);
    home.done(["provision", "-f", "web.yaml"]);
    let (_, log) = log_of(&home);
    // Base64 of the secret, of which the last digit says nothing.
    assert!(log.contains("the key is ***"), "{log}");
    assert!(!log.contains("aHVudGVyMjI"), "{log}");
}
