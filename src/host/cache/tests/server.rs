//! An HTTP server on loopback that does what a test says, byte by byte.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The path, with the query.
    pub path: String,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// How many were before it.
    pub nth: usize,
}

/// The answers.
type Handler = dyn Fn(&Hit, &mut dyn Write) -> io::Result<()> + Send + Sync;

/// A server; it ends with its value.
pub struct Server {
    address: SocketAddr,
    hits: Arc<Mutex<Vec<Hit>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// The authority that vouches for it, as PEM; none without TLS.
    pub authority: Option<Vec<u8>>,
}

impl Server {
    /// Without TLS.
    pub fn start(
        handler: impl Fn(&Hit, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(move |stream, seen| converse(stream, &handler, seen))
    }

    /// With TLS, by a certificate for `localhost` that an authority of its own has signed.
    pub fn start_tls(
        handler: impl Fn(&Hit, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (config, authority) = certified();
        let config = Arc::new(config);
        let mut server = Self::listen(move |stream, seen| {
            let connection =
                ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            converse(StreamOwned::new(connection, stream), &handler, seen)
        });
        server.authority = Some(authority);
        server
    }

    /// A proxy that leads to this server, wherever it is asked to go.
    pub fn proxy_to(server: &Self) -> Self {
        let to = server.address;
        Self::listen(move |stream, seen| {
            // The client says no more before it is answered: nothing is lost with the reader.
            if asked(&mut BufReader::new(&stream), seen)?.is_some() {
                (&stream).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                tunnel(&stream, &TcpStream::connect(to)?);
            }
            Ok(())
        })
    }

    fn listen(
        serve: impl Fn(TcpStream, &Mutex<Vec<Hit>>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let serve = Arc::new(serve);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let hits = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(AtomicBool::new(false));
        let (seen, end) = (Arc::clone(&hits), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (serve, seen) = (Arc::clone(&serve), Arc::clone(&seen));
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                    // A client that goes away is no matter.
                    let _ = serve(stream, &seen);
                });
            }
        });
        Self {
            address,
            hits,
            ends,
            thread: Some(thread),
            authority: None,
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        match self.authority {
            Some(_) => format!("https://localhost:{}{path}", self.address.port()),
            None => format!("http://{}{path}", self.address),
        }
    }

    /// What was asked so far.
    pub fn hits(&self) -> Vec<Hit> {
        self.hits.lock().expect("a lock").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn converse(
    stream: impl Read + Write,
    handler: &Handler,
    seen: &Mutex<Vec<Hit>>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(hit) = asked(&mut stream, seen)? else {
        return Ok(());
    };
    let stream = stream.get_mut();
    handler(&hit, stream)?;
    stream.flush()
}

/// Reads a question, and notes it; none where the client has gone.
fn asked(stream: &mut impl BufRead, seen: &Mutex<Vec<Hit>>) -> io::Result<Option<Hit>> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    if path.is_empty() {
        return Ok(None);
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut seen = seen.lock().expect("a lock");
    let nth = seen.len();
    let hit = Hit { path, headers, nth };
    seen.push(hit.clone());
    Ok(Some(hit))
}

/// Carries bytes both ways until both sides have ended.
fn tunnel(one: &TcpStream, other: &TcpStream) {
    let carry = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| carry(one, other));
        carry(other, one);
    });
}

/// A whole answer.
pub fn answer(out: &mut dyn Write, status: &str, headers: &[&str], body: &[u8]) -> io::Result<()> {
    head(out, status, headers, Some(body.len()))?;
    out.write_all(body)
}

/// The head of an answer, which may promise more or less than comes.
pub fn head(
    out: &mut dyn Write,
    status: &str,
    headers: &[&str],
    length: Option<usize>,
) -> io::Result<()> {
    write!(out, "HTTP/1.1 {status}\r\nConnection: close\r\n")?;
    if let Some(length) = length {
        write!(out, "Content-Length: {length}\r\n")?;
    }
    for header in headers {
        write!(out, "{header}\r\n")?;
    }
    write!(out, "\r\n")?;
    out.flush()
}

/// A file, or the rest of it, as a server does that keeps to the rules.
pub fn file(out: &mut dyn Write, hit: &Hit, etag: &str, body: &[u8]) -> io::Result<()> {
    let tag = format!("ETag: {etag}");
    let range = hit.headers.get("range").and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse::<usize>()
            .ok()
    });
    match range.filter(|_| {
        hit.headers
            .get("if-range")
            .is_some_and(|asked| asked == etag)
    }) {
        Some(start) if start < body.len() => {
            let range = format!(
                "Content-Range: bytes {start}-{}/{}",
                body.len() - 1,
                body.len()
            );
            answer(out, "206 Partial Content", &[&tag, &range], &body[start..])
        }
        Some(_) => answer(out, "416 Range Not Satisfiable", &[], b""),
        None => answer(out, "200 OK", &[&tag], body),
    }
}

/// A server's configuration, and the authority that vouches for it.
fn certified() -> (ServerConfig, Vec<u8>) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("an authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("an authority");
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("a certificate");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a certificate");
    (config, ca_certificate.pem().into_bytes())
}
