//! Servers that are not what they should be.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use trustnet_host::interrupt::Interrupt;
use trustnet_host::keys::KeyPair;
use trustnet_host::login;
use trustnet_host::shell::{self, Shell, ShellError};
use trustnet_host::ssh::Endpoint;

use crate::sshd::{Sshd, UUID};

const MINUTE: Duration = Duration::from_secs(60);

fn at(port: u16) -> Endpoint {
    Endpoint {
        address: "127.0.0.1".to_owned(),
        port,
    }
}

/// Why a connection is refused; `Box<dyn Shell>` has no Debug.
fn refused(result: Result<Box<dyn Shell>, ShellError>) -> ShellError {
    match result {
        Ok(_) => panic!("it connects"),
        Err(error) => error,
    }
}

#[test]
fn a_wrong_host_key_is_refused_before_any_login_is_tried() {
    let guest = Sshd::configured("LogLevel DEBUG3");
    let other = KeyPair::generate("other").expect("a key");
    let mut record = guest.record("web");
    record.host_key = other.public().to_owned();
    let error = refused(shell::connect(
        &guest.session(&record),
        &guest.endpoint(),
        MINUTE,
    ));
    let ShellError::WrongHostKey {
        expected, shown, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    let fingerprint = |key: &str| {
        let key = ssh_key::PublicKey::from_openssh(key).expect("a key");
        key.fingerprint(ssh_key::HashAlg::Sha256).to_string()
    };
    assert_eq!(*expected, fingerprint(other.public()));
    assert_eq!(*shown, Some(fingerprint(&guest.host_key_public)));
    assert!(error.hint().is_some());
    let log = guest.log();
    assert!(log.contains("Connection from"), "{log}");
    for word in ["userauth-request", "publickey", "Failed", "Accepted"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
    // The login key itself would have been let in.
    guest.connect();
    let log = guest.log();
    assert!(log.contains("userauth-request") && log.contains("Accepted publickey"));
}

#[test]
fn a_server_without_a_key_of_the_pinned_kind_is_refused() {
    let guest = Sshd::configured("HostKeyAlgorithms rsa-sha2-512\nLogLevel DEBUG3");
    let record = guest.record("web");
    let error = refused(shell::connect(
        &guest.session(&record),
        &guest.endpoint(),
        MINUTE,
    ));
    assert!(matches!(error, ShellError::Handshake { .. }), "{error:?}");
    assert!(!guest.log().contains("userauth-request"));
}

#[test]
fn a_login_key_that_the_guest_does_not_know_is_told_with_whose_it_is() {
    let guest = Sshd::start();
    let mut record = guest.record("web");
    let stranger = KeyPair::generate("stranger").expect("a key");
    let pem = stranger.private_pem().expect("a key");
    login::keep(&guest.paths, UUID, stranger.public(), &pem).expect("it is kept");
    record.login_key = Some(stranger.public().to_owned());
    let session = guest.session(&record);
    let file = session.identity().expect("it was kept").file;
    assert_ne!(file, guest.login_key());
    let error = refused(shell::connect(&session, &guest.endpoint(), MINUTE));
    assert!(
        matches!(&error, ShellError::LoginRefused { key: Some(key), user, .. } if *key == file && user == "root"),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("neither the login key `/"),
        "{error}"
    );
}

#[test]
fn a_server_that_says_nothing_is_given_up_at_the_limit_and_one_that_hangs_up_at_once() {
    let guest = Sshd::start();
    let record = guest.record("web");
    let connect = |port, limit| refused(shell::connect(&guest.session(&record), &at(port), limit));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let since = Instant::now();
    let error = connect(port, Duration::from_millis(200));
    assert!(matches!(error, ShellError::Silent { .. }), "{error:?}");
    assert!(error.is_not_up() && since.elapsed() < MINUTE / 2);
    // It hangs up, as user-mode networking does while nobody listens in the guest.
    let hangs_up = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(silent.accept());
        }
    });
    let error = connect(port, MINUTE);
    assert!(matches!(error, ShellError::Unreachable { .. }), "{error:?}");
    drop(std::net::TcpStream::connect(("127.0.0.1", port)));
    hangs_up.join().expect("it hung up");
    // Now nothing listens at all.
    let error = connect(port, MINUTE);
    assert!(matches!(error, ShellError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_server_that_speaks_and_then_falls_silent_is_given_up_at_the_limit() {
    let guest = Sshd::start();
    let record = guest.record("web");
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    let speaks = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a connection");
        stream.write_all(b"SSH-2.0-half\r\n").expect("it is heard");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest)
    });
    let error = refused(shell::connect(
        &guest.session(&record),
        &at(port),
        Duration::from_millis(300),
    ));
    assert!(matches!(error, ShellError::TimedOut { .. }), "{error:?}");
    drop(speaks.join().expect("it ends when we hang up"));
}

#[test]
fn a_guest_that_goes_down_in_the_middle_of_a_command_is_a_lost_connection() {
    let mut guest = Sshd::start();
    let mut shell = guest.connect();
    let error = shell
        .run(
            "echo on; sleep 600",
            &mut io::empty(),
            MINUTE,
            &mut |_, _| guest.stop(),
        )
        .expect_err("it was cut");
    assert!(error.is_lost(), "{error:?}");
    // It stays so.
    let error = shell.run("true", &mut io::empty(), MINUTE, &mut |_, _| {});
    assert!(error.expect_err("it was cut").is_lost());
}

#[test]
fn a_server_that_says_nothing_holds_nobody_who_interrupts() {
    let guest = Sshd::start();
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut endpoint = guest.endpoint();
    endpoint.port = server.local_addr().expect("an address").port();
    let record = guest.record("web");
    let interrupt = Interrupt::default();
    interrupt.raise();
    // An hour is longer than any test may take.
    let limit = Duration::from_secs(3600);
    let error = shell::connect_unless(&guest.session(&record), &endpoint, limit, &interrupt)
        .err()
        .expect("it is given up");
    assert!(matches!(error, ShellError::Silent { .. }), "{error:?}");
    // Without an interruption it is a connection like any other.
    let mut there = shell::connect_unless(
        &guest.session(&record),
        &guest.endpoint(),
        limit,
        &Interrupt::default(),
    )
    .expect("it lets us in");
    let exit = there.run("true", &mut io::empty(), limit, &mut |_, _| {});
    assert!(exit.expect("it runs").is_success());
}
