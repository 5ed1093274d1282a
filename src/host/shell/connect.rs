//! Reach, verify, log in: in this order, and nothing of ours is said before the host key is the pinned one.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use ssh_key::{HashAlg, PublicKey};
use ssh2::MethodType;

use super::link::{Limit, Link, Socket};
use super::{Connection, Shell, ShellError};
use crate::error::HostError;
use crate::interrupt::Interrupt;
use crate::ssh::{self, Endpoint, MANAGEMENT_USER, Session};

/// The ciphers. libssh2 hands AES to OpenSSL sixteen bytes at a time, and ChaCha20 a packet at a time: that is a
/// third less work for the same bytes, AES instructions or not.
const CIPHERS: &str = "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes256-ctr";

/// How often an interruption is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Connects to a guest: its host key must be the pinned one, byte for byte; then the VM's login key opens, or
/// a key of the user's agent. `limit` bounds all of it.
///
/// # Errors
/// See [`ShellError`]; a guest that is not up yet [`ShellError::is_not_up`].
pub fn connect(
    session: &Session<'_>,
    endpoint: &Endpoint,
    limit: Duration,
) -> Result<Box<dyn Shell>, ShellError> {
    let at = match endpoint.address.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, endpoint.port).to_string(),
        Err(_) => format!("{}:{}", endpoint.address, endpoint.port),
    };
    let pinned = pinned(session)?;
    let whole = Limit::whole(limit);
    let (socket, carrier) = reach(session, endpoint, &at, Instant::now() + limit)?;
    let mut link = Link::over(socket, carrier, at)?;
    shake_hands(&mut link, &whole, limit)?;
    verify(&mut link, &pinned)?;
    log_in(&mut link, &whole, session)?;
    // Not before the key exchange is over: libssh2 would count a key of its own among them.
    link.session().set_keepalive(true, 1);
    Ok(Box::new(Connection { link }))
}

/// Does the same, and gives up as soon as the user interrupts: the connection is then made, or not, behind our
/// back, and dropped.
///
/// # Errors
/// As for [`connect`]; an interrupted one is as if the guest had said nothing.
pub fn connect_unless(
    session: &Session<'_>,
    endpoint: &Endpoint,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<Box<dyn Shell>, ShellError> {
    let (paths, record) = (session.paths.clone(), session.record.clone());
    let (uri, uuid) = (session.uri.to_owned(), session.uuid.to_owned());
    let to = endpoint.clone();
    let (sender, receiver) = mpsc::channel();
    let begun = Instant::now();
    std::thread::spawn(move || {
        let session = Session {
            paths: &paths,
            uri: &uri,
            uuid: &uuid,
            record: &record,
        };
        // Nobody may wait for it any more.
        let _ = sender.send(connect(&session, &to, limit));
    });
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(connected) => return connected,
            Err(RecvTimeoutError::Timeout) if !interrupt.stop() => {}
            Err(_) => {
                return Err(ShellError::Silent {
                    at: format!("{}:{}", endpoint.address, endpoint.port),
                    waited: begun.elapsed(),
                });
            }
        }
    }
}

fn pinned(session: &Session<'_>) -> Result<PublicKey, ShellError> {
    let parsed = PublicKey::from_openssh(&session.record.host_key);
    parsed.map_err(|error| {
        ShellError::Key(HostError::Key {
            doing: "read the pinned host key of the VM's record".to_owned(),
            why: error.to_string(),
        })
    })
}

/// Opens the way to the guest: directly, or through the user's ssh(1) where the port is the hypervisor's.
fn reach(
    session: &Session<'_>,
    endpoint: &Endpoint,
    at: &str,
    end: Instant,
) -> Result<(Socket, Option<Child>), ShellError> {
    let reached = match ssh::carrier(session.uri, endpoint) {
        Some(mut command) => UnixStream::pair().and_then(|(ours, theirs)| {
            let theirs: std::os::fd::OwnedFd = theirs.into();
            let carrier = command
                .stdin(Stdio::from(theirs.try_clone()?))
                .stdout(Stdio::from(theirs))
                .spawn()?;
            Ok((Socket::Pair(ours), Some(carrier)))
        }),
        None => dial(endpoint, end).map(|stream| (Socket::Tcp(stream), None)),
    };
    reached.map_err(|source| ShellError::Unreachable {
        at: at.to_owned(),
        source,
    })
}

fn dial(endpoint: &Endpoint, end: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (endpoint.address.as_str(), endpoint.port).to_socket_addrs()? {
        let left = end.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
            Ok(stream) => {
                // Small packets are questions, and an answer is waited for.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn shake_hands(link: &mut Link, whole: &Limit, waited: Duration) -> Result<(), ShellError> {
    for (kind, wanted) in [
        (MethodType::HostKey, "ssh-ed25519"),
        (MethodType::CryptCs, CIPHERS),
        (MethodType::CryptSc, CIPHERS),
    ] {
        link.until(whole, "choose how to speak", |session| {
            session.method_pref(kind, wanted)
        })?;
    }
    let shaken = link.until(whole, "agree on keys", ssh2::Session::handshake);
    let Err(error) = shaken else { return Ok(()) };
    let at = link.at().to_owned();
    // A server that has spoken has at least told its version.
    let spoken = link.session().banner_bytes().is_some();
    Err(match error {
        ShellError::TimedOut { .. } if !spoken => ShellError::Silent { at, waited },
        ShellError::Lost { why, .. } if !spoken => ShellError::Unreachable {
            at,
            source: io::Error::new(
                io::ErrorKind::ConnectionReset,
                format!("it hung up before it said who it is ({why})"),
            ),
        },
        ShellError::Refused { why, .. } => ShellError::Handshake { at, why },
        error => error,
    })
}

fn verify(link: &mut Link, pinned: &PublicKey) -> Result<(), ShellError> {
    let expected = pinned.to_bytes().unwrap_or_default();
    let shown = link.session().host_key().map(|(key, _)| key.to_vec());
    if shown.as_ref() == Some(&expected) && !expected.is_empty() {
        return Ok(());
    }
    let shown = shown.map(|bytes| match PublicKey::from_bytes(&bytes) {
        Ok(key) => fingerprint(&key),
        Err(_) => "something that is no key".to_owned(),
    });
    Err(ShellError::WrongHostKey {
        at: link.at().to_owned(),
        expected: fingerprint(pinned),
        shown,
    })
}

/// As `ssh-keygen -l` shows it.
fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn log_in(link: &mut Link, whole: &Limit, session: &Session<'_>) -> Result<(), ShellError> {
    let file = session.identity().map(|identity| identity.file);
    let refused = match &file {
        None => "its login key is not on this machine".to_owned(),
        Some(file) => match with_login_key(link, whole, file) {
            Ok(()) => return Ok(()),
            Err(ShellError::Refused { why, .. }) => why,
            Err(error) => return Err(error),
        },
    };
    if std::env::var_os("SSH_AUTH_SOCK").is_some() && with_agent(link, whole)? {
        return Ok(());
    }
    Err(ShellError::LoginRefused {
        at: link.at().to_owned(),
        user: MANAGEMENT_USER.to_owned(),
        key: file,
        why: refused,
    })
}

fn with_login_key(link: &mut Link, whole: &Limit, file: &Path) -> Result<(), ShellError> {
    let pem = std::fs::read_to_string(file).map_err(HostError::file("read the login key", file))?;
    link.until(whole, "log in", |session| {
        session.userauth_pubkey_memory(MANAGEMENT_USER, None, &pem, None)
    })
}

/// Tries every key of the user's agent. An agent that does not answer has none.
fn with_agent(link: &mut Link, whole: &Limit) -> Result<bool, ShellError> {
    let Ok(mut agent) = link.session().agent() else {
        return Ok(false);
    };
    if agent.connect().is_err() || agent.list_identities().is_err() {
        return Ok(false);
    }
    for key in agent.identities().unwrap_or_default() {
        match link.until(whole, "log in", |_| agent.userauth(MANAGEMENT_USER, &key)) {
            Ok(()) => return Ok(true),
            Err(ShellError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
