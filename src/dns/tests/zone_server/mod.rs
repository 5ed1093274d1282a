//! A real authoritative name server (Knot DNS) of a test: a process with a configuration of its own, on loopback.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use trustnet_core::tnr::Seen;
use trustnet_dns::{NameServers, Names};

/// The key that may change the zones.
pub const KEY: &str = "dXBkYXRlciB1cGRhdGVyIHVwZGF0ZXIgdXBkYXRlciE=";
/// One that may change them, too, and is for SHA-512.
pub const STRONG: &str =
    "c3Ryb25nIHN0cm9uZyBzdHJvbmcgc3Ryb25nIHN0cm9uZyBzdHJvbmcgc3Ryb25nIHN0cm9uZw==";
/// One that is known and may change nothing.
pub const READER: &str = "cmVhZGVyIHJlYWRlciByZWFkZXIgcmVhZGVyIHJlYWQ=";

/// How long each server is given in tests: long for a machine that has much to do, short where nobody answers.
pub const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(20);

/// A name server. It goes with the test.
pub struct ZoneServer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for ZoneServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ZoneServer {
    /// A server of these zones, each by its name and the records below its own; a zone without any records is one that the
    /// server fails to load. None where there is no such server on this machine, which is said.
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    pub fn start(zones: &[(&str, Option<&str>)]) -> Option<Self> {
        let program = ["/usr/sbin/knotd", "/usr/local/sbin/knotd"];
        let Some(program) = program.into_iter().find(|path| Path::new(path).exists()) else {
            println!("skipped: there is no knotd (Debian's package `knot`)");
            return None;
        };
        // Somebody else may take the port meanwhile.
        let started = (0..5).find_map(|_| Self::try_start(program, zones));
        Some(started.expect("a name server that answers"))
    }

    fn try_start(program: &str, zones: &[(&str, Option<&str>)]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        for (zone, records) in zones {
            if let Some(records) = records {
                let text = format!(
                    "$ORIGIN {zone}.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 5\n@ NS ns1\n\
                     ns1 AAAA ::1\n{records}\n"
                );
                fs::write(folder.path().join(format!("{zone}.zone")), text).expect("written");
            }
        }
        let config = folder.path().join("knot.conf");
        fs::write(&config, configuration(folder.path(), port, zones)).expect("written");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(program)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the name server starts");
        let mut server = Self {
            child,
            port,
            _folder: folder,
        };
        let loaded = zones.iter().find(|(_, records)| records.is_some());
        let (zone, _) = loaded.expect("a zone");
        let names = Names::with(server.servers()).within(SHORT);
        let until = Instant::now() + LONG;
        while Instant::now() < until {
            let seen = names.at(server.address(), &format!("ns1.{zone}"));
            if matches!(seen, Seen::Addresses { .. }) {
                return Some(server);
            }
            if matches!(server.child.try_wait(), Ok(Some(_))) {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, self.port).into()
    }

    /// It alone.
    pub fn servers(&self) -> NameServers {
        NameServers::with(vec![self.address()])
    }
}

fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a port");
        let port = tcp.local_addr().expect("bound").port();
        if UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn configuration(folder: &Path, port: u16, zones: &[(&str, Option<&str>)]) -> String {
    let folder = folder.display();
    let mut text = format!(
        "server:\n  rundir: {folder}\n  listen: [\"::1@{port}\", \"127.0.0.1@{port}\"]\n  udp-workers: 1\n  tcp-workers: 1\n  \
         background-workers: 1\nlog:\n  - target: stderr\n    any: info\ncontrol:\n  listen: {folder}/knot.sock\n\
         database:\n  storage: {folder}\nkey:\n  \
         - id: updater\n    algorithm: hmac-sha256\n    secret: {KEY}\n  \
         - id: strong\n    algorithm: hmac-sha512\n    secret: {STRONG}\n  \
         - id: reader\n    algorithm: hmac-sha256\n    secret: {READER}\n\
         acl:\n  - id: update\n    key: [updater, strong]\n    action: update\n\
         template:\n  - id: default\n    storage: {folder}\n    file: \"%s.zone\"\n    acl: update\nzone:\n"
    );
    for (zone, _) in zones {
        text.push_str(&format!("  - domain: {zone}\n"));
    }
    text
}
