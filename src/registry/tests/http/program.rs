//! The program itself.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

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
    let lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
    for line in lines {
        let line = line.expect("text");
        let line: Value = serde_json::from_str(&line).expect("a JSON object a line");
        if line["message"] == message {
            return line;
        }
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
fn a_configuration_is_checked_without_a_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.yml");
    let check = |text: &str| {
        std::fs::write(&path, text).expect("written");
        let output = program()
            .arg("--config")
            .arg(&path)
            .arg("--check")
            .output()
            .expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("text");
        let text = text.replace(&path.display().to_string(), "FILE");
        (output.status.code(), text)
    };
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
