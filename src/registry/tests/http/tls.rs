//! The registry over TLS. After each that is refused it answers others.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use trustnet_core::network::{RegistrySettings, TlsFiles};
use trustnet_registry::client::innermost;
use trustnet_registry::clock::Clock;
use trustnet_registry::service::{RegistryService, ServiceError};
use trustnet_registry::tls::TlsError;
use trustnet_registry::transport::Transport;

use crate::certificates::Authority;
use crate::stage::{Stage, read, request, settings};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A registry with a certificate, and who vouches for it.
struct Secured {
    stage: Stage,
    authority: Authority,
    files: TempDir,
}

impl Secured {
    async fn start(names: &[&str]) -> Self {
        Self::with(names, |_| {}).await
    }

    async fn with(names: &[&str], change: impl FnOnce(&mut RegistrySettings)) -> Self {
        let (authority, files) = (Authority::new(), tempfile::tempdir().expect("a folder"));
        let tls = authority.certify(files.path(), names);
        Self::of(authority, files, tls, change).await
    }

    async fn of(
        authority: Authority,
        files: TempDir,
        tls: TlsFiles,
        change: impl FnOnce(&mut RegistrySettings),
    ) -> Self {
        let stage = Stage::with(|settings| {
            settings.tls = Some(tls);
            change(settings);
        });
        Self {
            stage: stage.await,
            authority,
            files,
        }
    }

    fn ca(&self) -> std::path::PathBuf {
        self.authority.write(self.files.path())
    }

    /// Whether it answers, as a client of ours sees it, with whom this authority vouches for; if not, why.
    async fn asked(&self, ca: &Path, domain: Option<&str>) -> Result<u16, String> {
        let transport = Transport::new(Some(ca), domain, &[]).expect("an authority");
        let client = transport.client().timeout(LONG).build().expect("a client");
        let url = transport.url(self.stage.address().into(), "/api/health");
        assert!(url.starts_with("https://[::1]:"), "{url}");
        match client.get(url).send().await {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) => Err(innermost(&error)),
        }
    }

    async fn is_alive(&self) {
        assert_eq!(self.asked(&self.ca(), None).await, Ok(200));
    }
}

#[tokio::test]
async fn who_trusts_the_authority_is_answered() {
    let by_address = Secured::start(&["::1"]).await;
    assert_eq!(by_address.asked(&by_address.ca(), None).await, Ok(200));
    let domain = Some("example.org");
    assert_eq!(by_address.asked(&by_address.ca(), domain).await, Ok(200));
    // Its address is not in this one: it is a registry of the domain, wherever it is.
    let by_name = Secured::start(&["tnr.example.org"]).await;
    assert_eq!(by_name.asked(&by_name.ca(), domain).await, Ok(200));
}

/// What a client with one version of TLS gets for a request.
async fn over(
    secured: &Secured,
    version: &'static SupportedProtocolVersion,
    asked: &[u8],
) -> io::Result<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    let ca = rustls::pki_types::pem::PemObject::from_pem_file(secured.ca()).expect("PEM");
    roots.add(ca).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(secured.stage.address().ip());
    let stream = secured.stage.connect().await;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let mut stream = stream.await.expect("TLS");
    assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
    stream.write_all(asked).await.expect("sent");
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).await?;
    Ok(answers)
}

#[tokio::test]
async fn both_versions_of_tls_carry_many_requests_each() {
    let secured = Secured::start(&["::1"]).await;
    let mut asked = request("GET", "/api/nodes", &[], b"").repeat(50);
    asked.extend(request("GET", "/nix", &[("connection", "close")], b""));
    for version in [&TLS12, &TLS13] {
        let answers = over(&secured, version, &asked).await.expect("a clean end");
        let answers = String::from_utf8_lossy(&answers);
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 50);
        assert_eq!(answers.matches("HTTP/1.1 404").count(), 1);
    }
}

#[tokio::test]
async fn plain_http_at_the_port_of_tls_is_no_request() {
    let secured = Secured::start(&["::1"]).await;
    for bytes in [
        request("GET", "/api/health", &[], b""),
        b"\r\n\r\n".to_vec(),
        vec![0; 100_000],
        vec![0xff; 100_000],
        // The begin of a handshake that is to be of 16 MB.
        [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 100_000]].concat(),
    ] {
        let mut stream = secured.stage.connect().await;
        // It may be cut before all is sent.
        let _ = stream.write_all(&bytes).await;
        let answer = timeout(LONG, read(&mut stream)).await;
        assert!(answer.expect("an end").is_none());
        secured.is_alive().await;
    }
}

#[tokio::test]
async fn whom_the_authority_does_not_vouch_for_is_not_talked_to() {
    let well = Secured::start(&["::1"]).await;
    let other = tempfile::tempdir().expect("a folder");
    let other = Authority::new().write(other.path());
    let why = well.asked(&other, None).await;
    let why = why.expect_err("another authority");
    assert!(why.contains("BadSignature"), "{why}");
    well.is_alive().await;

    for names in [
        &["::2", "tnr.example.com", "example.org"][..],
        &["localhost"],
        &[],
    ] {
        let misnamed = Secured::start(names).await;
        let why = misnamed.asked(&misnamed.ca(), Some("example.org")).await;
        let why = why.expect_err("another name");
        assert!(why.contains("not valid for name"), "{why}");
    }

    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("a folder"));
    let tls = authority.certify_until(files.path(), &["::1"], 2021);
    let expired = Secured::of(authority, files, tls, |_| {}).await;
    let why = expired.asked(&expired.ca(), None).await;
    let why = why.expect_err("it was good until 2021");
    assert!(why.contains("expired"), "{why}");
}

/// What a client says first.
fn hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("tnr.example.org").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a hello");
    bytes
}

/// Reads until the connection is at its end, which comes long before a minute is over.
async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = timeout(LONG, stream.read_to_end(&mut rest)).await;
    // Cut, with or without a word.
    let _ = end.expect("long before");
}

#[tokio::test]
async fn a_handshake_has_the_time_that_headers_have() {
    let impatient = |settings: &mut RegistrySettings| settings.limits.header_timeout = 200;
    let secured = Secured::with(&["::1"], impatient).await;
    let hello = hello();
    // Nothing, half of the first word, and all of it but nothing more.
    for begin in [&[][..], &hello[..1], &hello[..hello.len() / 2], &hello] {
        let mut stream = secured.stage.connect().await;
        stream.write_all(begin).await.expect("sent");
        ends(&mut stream).await;
    }
    // One byte at a time is no way round.
    let mut stream = secured.stage.connect().await;
    let slow = async {
        for byte in hello.iter().cycle() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    timeout(LONG, slow).await.expect("it is cut long before");
    // Who has shaken hands has to ask as soon as others do.
    let answer = timeout(LONG, over(&secured, &TLS13, b"GET /api/hea")).await;
    assert!(answer.expect("an end").is_err(), "it is cut");
}

#[tokio::test]
async fn handshakes_that_stand_still_take_places_and_do_not_delay_the_end() {
    let few = |settings: &mut RegistrySettings| settings.limits.connections = 3;
    let secured = Secured::with(&["::1"], few).await;
    let hello = hello();
    let mut standing = Vec::new();
    for _ in 0..3 {
        let mut stream = secured.stage.connect().await;
        stream.write_all(&hello).await.expect("sent");
        let mut first = [0];
        // The registry has begun to answer: its place is taken.
        stream.read_exact(&mut first).await.expect("an answer");
        standing.push(stream);
    }
    assert!(secured.asked(&secured.ca(), None).await.is_err());
    standing.pop();
    while secured.asked(&secured.ca(), None).await.is_err() {
        // Until the end of the other one was seen.
        tokio::task::yield_now().await;
    }
    let end = timeout(Duration::from_secs(9), secured.stage.service.stop()).await;
    end.expect("at once, not after the time for headers");
}

#[tokio::test]
async fn another_certificate_is_taken_up_by_the_connections_that_come() {
    let mut secured = Secured::start(&["::1"]).await;
    secured.is_alive().await;
    let before = Authority::new();
    let before = std::mem::replace(&mut secured.authority, before);
    let folder = secured.files.path();
    secured.authority.certify(folder, &["::1"]);
    let ca = secured.ca();
    let taken_up = async {
        while secured.asked(&ca, None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, taken_up).await.expect("it is seen");
    let old = tempfile::tempdir().expect("a folder");
    let why = secured.asked(&before.write(old.path()), None).await;
    assert!(why.is_err());
}

#[tokio::test]
async fn a_registry_does_not_start_with_a_key_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let tls = authority.certify(folder.path(), &["::1"]);
    let open = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&tls.key, open).expect("set");
    let mut settings = settings(&folder);
    settings.tls = Some(tls);
    let started = RegistryService::start(&settings, Clock::system()).await;
    assert!(matches!(
        started.err(),
        Some(ServiceError::Tls(TlsError::Open { mode: 0o640, .. }))
    ));
}
