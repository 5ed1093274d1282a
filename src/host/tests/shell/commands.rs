//! Commands.

use std::io;
use std::time::{Duration, Instant};

use trustnet_host::shell::{Exit, Shell, ShellError, Stream};

use crate::sshd::Sshd;

const MINUTE: Duration = Duration::from_secs(60);

/// What a command said on both streams, and how it ended.
fn said(shell: &mut dyn Shell, command: &str, mut input: &[u8]) -> (String, String, Exit) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = shell
        .run(
            command,
            &mut input,
            MINUTE,
            &mut |stream, bytes| match stream {
                Stream::Out => out.extend(bytes),
                Stream::Err => err.extend(bytes),
            },
        )
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(out), text(err), exit)
}

#[test]
fn a_command_gives_its_output_its_errors_and_how_it_ended() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    for (command, input, out, err, exit) in [
        ("true", "", "", "", Exit::Code(0)),
        ("exit 7", "", "", "", Exit::Code(7)),
        (
            "echo out; echo err >&2; exit 255",
            "",
            "out\n",
            "err\n",
            Exit::Code(255),
        ),
        ("cat; cat >&2", "in", "in", "", Exit::Code(0)),
        ("kill -TERM $$", "", "", "", Exit::Signal("TERM".to_owned())),
        ("no-such-command 2>/dev/null", "", "", "", Exit::Code(127)),
        // What is not read does not hold the end up.
        (
            "exec <&-; exit 3",
            "nobody reads this",
            "",
            "",
            Exit::Code(3),
        ),
    ] {
        let expected = (out.to_owned(), err.to_owned(), exit);
        assert_eq!(
            said(&mut *shell, command, input.as_bytes()),
            expected,
            "{command}"
        );
    }
}

#[test]
fn twenty_commands_are_one_connection() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    for number in 0..20 {
        let (out, ..) = said(&mut *shell, "cat", number.to_string().as_bytes());
        assert_eq!(out, number.to_string());
    }
    let log = guest.log();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
    assert_eq!(
        log.matches("Starting session: command").count(),
        20,
        "{log}"
    );
}

#[test]
fn much_input_and_much_output_at_once_block_nobody() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let size: usize = 32 << 20;
    let mut input = io::Read::take(io::repeat(7), size as u64);
    let mut came = [0, 0];
    let exit = shell.run(
        "tee /dev/stderr",
        &mut input,
        MINUTE,
        &mut |stream, bytes| {
            assert!(bytes.iter().all(|&byte| byte == 7));
            came[usize::from(stream == Stream::Err)] += bytes.len();
        },
    );
    assert_eq!(exit.expect("it runs"), Exit::Code(0));
    assert_eq!(came, [size, size]);
}

#[test]
fn a_command_that_says_nothing_ends_at_its_limit_and_the_connection_goes_on() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let since = Instant::now();
    let limit = Duration::from_millis(300);
    let error = shell
        .run("sleep 60", &mut io::empty(), limit, &mut |_, _| {})
        .expect_err("time is up");
    assert!(matches!(error, ShellError::TimedOut { .. }), "{error}");
    assert!(since.elapsed() < MINUTE / 2);
    assert_eq!(said(&mut *shell, "echo on", b"").0, "on\n");
}

#[test]
fn a_guest_with_a_root_of_its_own_writes_nothing_of_the_machines() {
    let guest = Sshd::in_root();
    let mut shell = guest.connect();
    let script = "for folder in /etc /var /usr/local /opt /root /run; do echo mine > $folder/tn-test || exit; done";
    assert_eq!(
        said(&mut *shell, script, b""),
        (String::new(), String::new(), Exit::Code(0))
    );
    for folder in ["/etc", "/var", "/usr/local", "/opt", "/root", "/run"] {
        let file = format!("{folder}/tn-test");
        assert_eq!(
            std::fs::read(guest.path(&file)).expect("it is there"),
            b"mine\n"
        );
        assert!(!std::path::Path::new(&file).exists(), "{file}");
    }
}

#[test]
fn a_guest_that_reboots_loses_its_processes_and_keeps_its_files() {
    let mut guest = Sshd::in_root();
    let mut shell = guest.connect();
    let script = "echo kept > /etc/kept; echo gone > /run/gone; sleep 1000 >/dev/null 2>&1 </dev/null & true";
    said(&mut *shell, script, b"");
    guest.reboot();
    let error = shell
        .run("true", &mut io::empty(), MINUTE, &mut |_, _| {})
        .expect_err("it was cut");
    assert!(error.is_lost(), "{error}");
    let (out, ..) = said(
        &mut *guest.connect(),
        "cat /etc/kept; ls /run; pgrep -c sleep",
        b"",
    );
    assert_eq!(out, "kept\nsshd\n0\n");
}
