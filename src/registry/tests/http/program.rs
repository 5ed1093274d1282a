//! The program itself.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::certificates::Authority;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_trustnet-registry"))
}

fn configuration(folder: &Path, port: u16) -> String {
    format!(
        "# a registry\nregistry:\n  role: root\n  ipv6_address: \"::1\"  # here\n  port: {port}\ndatabase:\n  path: {}/registry.db\n",
        folder.join("data").display()
    )
}

/// The first log line that says this.
fn line(child: &mut Child, message: &str) -> Value {
    until(child, message, &mut Vec::new())
}

/// The first log line that says this, and those before it.
fn until(child: &mut Child, message: &str, before: &mut Vec<Value>) -> Value {
    let lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
    for line in lines {
        let line = line.expect("text");
        let line: Value = serde_json::from_str(&line).expect("a JSON object a line");
        if line["message"] == message {
            return line;
        }
        before.push(line);
    }
    panic!("it ended without: {message}");
}

#[test]
fn a_taken_port_is_followed_by_the_next_one_which_is_written_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("[::1]:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let path = folder.path().join("registry.yml");
    let before = configuration(folder.path(), port);
    std::fs::write(&path, &before).expect("written");
    let mut child = program()
        .arg("--config")
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let said = line(
        &mut child,
        "the configured port is taken: another one is written to the configuration",
    );
    assert_eq!(said["level"], "WARN");
    let other = said["port"].as_u64().expect("a port");
    assert!(other > u64::from(port));
    std::net::TcpStream::connect(("::1", u16::try_from(other).expect("a port")))
        .expect("it answers");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("asked");
    assert!(child.wait().expect("it ends").success());
    let after = std::fs::read_to_string(&path).expect("read");
    assert_eq!(after, before.replace(&port.to_string(), &other.to_string()));
}

#[test]
fn a_registry_without_a_token_says_that_it_admits_anyone() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").expect("written");
    std::fs::set_permissions(&token, Permissions::from_mode(0o600)).expect("closed");
    let path = folder.path().join("registry.yml");
    let open = configuration(folder.path(), 8000);
    let with = format!("  join_token_file: {}\ndatabase:", token.display());
    for (text, warned) in [(&open, true), (&open.replace("database:", &with), false)] {
        std::fs::write(&path, text).expect("written");
        let mut child = program()
            .arg("--config")
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut before = Vec::new();
        until(&mut child, "the registry answers", &mut before);
        child.kill().expect("killed");
        child.wait().expect("gone");
        let anyone = "no join token is configured: any key is admitted to this network";
        let said: Vec<&Value> = before
            .iter()
            .filter(|line| line["message"] == anyone)
            .collect();
        assert_eq!(said.len(), usize::from(warned), "{before:?}");
        assert!(said.iter().all(|line| line["level"] == "WARN"));
    }
}

/// What `--check` says of a configuration.
fn checked(path: &Path, text: &str) -> (Option<i32>, String) {
    std::fs::write(path, text).expect("written");
    let output = program()
        .arg("--config")
        .arg(path)
        .arg("--check")
        .output()
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    let folder = path.parent().expect("a folder").display();
    let said = said.replace(&path.display().to_string(), "FILE");
    (output.status.code(), said.replace(&folder.to_string(), ""))
}

#[test]
fn certificates_and_keys_are_checked_with_what_to_do() {
    let (folder, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (folder, other) = (folder.expect("a folder"), other.expect("a folder"));
    let authority = Authority::new();
    let tls = authority.certify(folder.path(), &["::1"]);
    let ca = authority.write(folder.path());
    let path = folder.path().join("registry.yml");
    let plain = configuration(folder.path(), 8000);
    let check = |certificate: &Path, key: &Path, ca: &Path| {
        let more = format!(
            "  tls: {{certificate: {}, key: {}}}\n  ca: {}\ndatabase:",
            certificate.display(),
            key.display(),
            ca.display()
        );
        checked(&path, &plain.replace("database:", &more))
    };
    let good = (Some(0), "the configuration `FILE` is valid\n".to_owned());
    assert_eq!(check(&tls.certificate, &tls.key, &ca), good);
    let wrong = |said: (Option<i32>, String), why: &str| {
        assert_eq!(said, (Some(1), format!("trustnet-registry: {why}\n")));
    };
    let foreign = authority.certify(other.path(), &["::1"]);
    let foreign_key = folder.path().join("foreign.pem");
    std::fs::copy(&foreign.key, &foreign_key).expect("copied");
    wrong(
        check(&tls.certificate, &foreign_key, &ca),
        "the key in `/foreign.pem` is not that of the first certificate in `/certificate.pem`: name two files that were made for each other, with the service's own certificate first",
    );
    let no_key = "`/ca.pem` has no private key that can be used: one of RSA, ECDSA or Ed25519 is wanted, in PEM and without a password";
    let closed = Permissions::from_mode(0o600);
    std::fs::set_permissions(&ca, closed).expect("set");
    wrong(check(&tls.certificate, &ca, &ca), no_key);
    let none = "has no certificate that can be used: one or more in PEM are wanted";
    wrong(
        check(&tls.key, &tls.key, &ca),
        &format!("`/key.pem` {none}"),
    );
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("written");
    wrong(
        check(&tls.certificate, &tls.key, &empty),
        &format!("`/empty.pem` {none}"),
    );
    wrong(
        check(&tls.certificate, &tls.key, Path::new("/nowhere/ca.pem")),
        "failed to read `/nowhere/ca.pem` for TLS: No such file or directory (os error 2)",
    );
    let open = Permissions::from_mode(0o644);
    std::fs::set_permissions(&tls.key, open).expect("set");
    wrong(
        check(&tls.certificate, &tls.key, &ca),
        "`/key.pem` has the private key of TLS, and others may read it (mode 0644): run `chmod 600 /key.pem`",
    );
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.yml");
    let check = |text: &str| checked(&path, text);
    let good = configuration(folder.path(), 8000);
    assert_eq!(
        check(&good),
        (Some(0), "the configuration `FILE` is valid\n".to_owned())
    );
    assert!(!folder.path().join("data").exists());
    let bad = good
        .replace("  port:", "  prot:")
        .replace("role: root", "role: rot");
    let expected = "trustnet-registry: FILE:3:9: `registry.role`: `rot` is not known\n  \
        hint: did you mean `root`? known are `root`, `secondary`\n\
        FILE:5:3: `registry.prot`: `prot` is not known\n  hint: did you mean `port`?\n";
    assert_eq!(check(&bad), (Some(1), expected.to_owned()));
}
