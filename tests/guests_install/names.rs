//! A real authoritative name server (Knot DNS) at the lab's bridge, where guests reach it.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The key that may change the zone.
pub const KEY: &str = "dXBkYXRlciB1cGRhdGVyIHVwZGF0ZXIgdXBkYXRlciE=";
/// The lab's own address.
const ADDRESS: &str = "2001:db8:1::1";
/// `ns1.example.org`, AAAA, IN, asked with number 1.
const QUESTION: &[u8] = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x03ns1\x07example\x03org\0\0\x1c\0\x01";
const PATIENCE: Duration = Duration::from_secs(30);

/// The name server of `example.org`. It goes with the test.
pub struct NameServer {
    child: Child,
    _folder: TempDir,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl NameServer {
    /// One whose zone has no registry yet; none where the program is not installed.
    pub fn start() -> Option<Self> {
        let program = ["/usr/sbin/knotd", "/usr/local/sbin/knotd"];
        let program = program.into_iter().find(|path| Path::new(path).exists())?;
        let folder = tempfile::tempdir().expect("a folder");
        let zone = "$ORIGIN example.org.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 5\n@ NS ns1\nns1 AAAA 2001:db8:1::1\n";
        fs::write(folder.path().join("example.org.zone"), zone).expect("written");
        let config = folder.path().join("knot.conf");
        fs::write(&config, configuration(folder.path())).expect("written");
        let child = Command::new(program)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the name server starts");
        let server = Self {
            child,
            _folder: folder,
        };
        let begun = Instant::now();
        while !answers() {
            assert!(
                begun.elapsed() < PATIENCE,
                "the name server does not answer"
            );
            thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    /// Where it answers, at the port of name servers.
    #[expect(clippy::unused_self, reason = "there is one only once it was started")]
    pub fn address(&self) -> &'static str {
        ADDRESS
    }
}

fn answers() -> bool {
    let socket = UdpSocket::bind("[::]:0").expect("a socket");
    let wait = Duration::from_millis(200);
    socket.set_read_timeout(Some(wait)).expect("a time");
    let sent = socket.send_to(QUESTION, (ADDRESS, 53)).is_ok();
    let mut buffer = [0; 512];
    // Answered, and without an error.
    sent && matches!(socket.recv(&mut buffer), Ok(count) if count > 4 && buffer[3] & 15 == 0)
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "server:\n  rundir: {folder}\n  listen: \"{ADDRESS}@53\"\n  udp-workers: 1\n  tcp-workers: 1\n  \
         background-workers: 1\nlog:\n  - target: stderr\n    any: warning\ncontrol:\n  listen: {folder}/knot.sock\n\
         database:\n  storage: {folder}\nkey:\n  - id: updater\n    algorithm: hmac-sha256\n    secret: {KEY}\n\
         acl:\n  - id: update\n    key: updater\n    action: update\n\
         template:\n  - id: default\n    storage: {folder}\n    file: \"%s.zone\"\n    acl: update\n\
         zone:\n  - domain: example.org\n"
    )
}
