//! Ports inside the guest.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use trustnet_core::provision::HttpQuestion;
use trustnet_host::provision::answers;
use trustnet_host::shell::ShellError;

use crate::sshd::Sshd;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_port_that_listens_answers_and_one_that_does_not_is_closed() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    let echo = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a connection");
        let mut word = [0; 4];
        stream.read_exact(&mut word).expect("a word");
        stream.write_all(&word).expect("it is heard");
    });
    let mut word = Vec::new();
    {
        let mut port = shell.dial("localhost", port, MINUTE).expect("it listens");
        port.write_all(b"ping").expect("it is heard");
        port.read_to_end(&mut word).expect("a word");
    }
    assert_eq!(word, b"ping");
    echo.join().expect("it ends");
    for _ in 0..2 {
        let closed = shell
            .dial("127.0.0.1", port, MINUTE)
            .err()
            .expect("nothing listens");
        assert!(matches!(closed, ShellError::Closed { .. }), "{closed:?}");
    }
    // The connection to the guest goes on.
    let exit = shell.run("true", &mut std::io::empty(), MINUTE, &mut |_, _| {});
    assert!(exit.expect("it runs").is_success());
}

#[test]
fn a_port_that_says_nothing_is_given_up_at_the_limit() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    let mut silent = shell
        .dial("127.0.0.1", port, Duration::from_millis(300))
        .expect("it listens");
    let error = silent.read(&mut [0; 8]).expect_err("it says nothing");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn an_http_server_that_says_nothing_is_given_up_at_the_limit_of_who_asks() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let question = HttpQuestion {
        host: "localhost".to_owned(),
        port: server.local_addr().expect("an address").port(),
        path: "/".to_owned(),
        status: None,
        contains: None,
    };
    let why = answers(&mut *shell, &question, Duration::from_millis(300))
        .expect("the guest is there")
        .expect_err("it says nothing");
    assert!(why.contains("within 0.3 s"), "{why}");
}

#[test]
fn thirty_two_guests_at_once_are_told_apart() {
    let guests: Vec<Sshd> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..32).map(|_| scope.spawn(Sshd::in_root)).collect();
        starting
            .into_iter()
            .map(|guest| guest.join().expect("it starts"))
            .collect()
    });
    std::thread::scope(|scope| {
        for guest in &guests {
            scope.spawn(|| {
                let name = guest.port.to_string();
                let mut shell = guest.connect();
                let put = shell.put(
                    &mut name.as_bytes(),
                    name.len() as u64,
                    "/etc/tn-me",
                    0o644,
                    &mut |_| {},
                );
                put.expect("it is written");
            });
        }
    });
    for guest in &guests {
        let told = std::fs::read_to_string(guest.path("/etc/tn-me")).expect("it is there");
        assert_eq!(told, guest.port.to_string());
    }
}
