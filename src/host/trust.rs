//! TLS towards registries and nodes, and who is trusted to vouch for them.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned};
use trustnet_api::network::REGISTRY_LABEL;

/// The authorities of a file, and what the other side is to be certified as: one of these names.
#[derive(Debug, Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    names: Vec<ServerName<'static>>,
}

/// Why nobody is trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read, or has no certificate.
    #[error("failed to read certificates from `{path}`: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The library refuses.
    #[error("failed to prepare TLS")]
    Library(#[from] Error),
}

impl Trust {
    /// The authorities of a PEM file; they are to vouch for the address, or for `tnr.` and the domain.
    ///
    /// # Errors
    /// The file cannot be read, or has no certificate.
    pub fn read(
        file: &Path,
        address: Option<IpAddr>,
        domain: Option<&str>,
    ) -> Result<Self, TrustError> {
        let failed = |why: String| TrustError::File {
            path: file.to_owned(),
            why,
        };
        let found =
            CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = found.map_err(|error| failed(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        // The system's file may have some that are too old to be read.
        if roots.add_parsable_certificates(found).0 == 0 {
            return Err(failed("there is none that can be used".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let domain = domain.map(|domain| format!("{REGISTRY_LABEL}.{domain}"));
        let domain = domain.and_then(|name| ServerName::try_from(name).ok());
        let names = address.map(ServerName::from).into_iter().chain(domain);
        Ok(Self {
            config: Arc::new(config),
            names: names.collect(),
        })
    }

    /// What the other side may be certified as, the likelier first.
    pub(crate) fn names(&self) -> &[ServerName<'static>] {
        &self.names
    }

    /// Speaks TLS over a stream, with who is certified as this name.
    ///
    /// # Errors
    /// The other side is not trusted, speaks something else, or goes.
    pub(crate) fn secure<S: Read + Write>(
        &self,
        stream: S,
        name: &ServerName<'static>,
    ) -> io::Result<StreamOwned<ClientConnection, S>> {
        let connection = ClientConnection::new(Arc::clone(&self.config), name.clone());
        let connection = connection.map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

/// Whether only the name is another one: all else of the certificate was in order.
pub(crate) fn is_misnamed(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(
        error,
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ))
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::Trust;
    use crate::inquiry::{InquiryError, Question, at};

    const LONG: Duration = Duration::from_secs(60);

    /// A server that is certified as this name, and says the same to all; who vouches for it is written to a file.
    fn server(name: &str, ca: &Path) -> SocketAddr {
        let ca_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&ca_key).expect("an authority").pem();
        std::fs::write(ca, pem).expect("written");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .and_then(|params| params.signed_by(&key, &Issuer::new(authority, ca_key)))
            .expect("a certificate");
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a certificate");
        let config = Arc::new(config);
        let listener = TcpListener::bind("[::1]:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let mut stream = StreamOwned::new(connection, stream.expect("somebody"));
                let (mut asked, mut byte) = (Vec::new(), [0]);
                while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    asked.push(byte[0]);
                }
                // Who does not trust it is gone by now.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere");
            }
        });
        address
    }

    #[test]
    fn who_is_certified_as_the_address_or_as_the_domain_is_asked_and_no_one_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ca, other) = (
            folder.path().join("ca.pem"),
            folder.path().join("other.pem"),
        );
        let question = Question::get("/api/health");
        let ask = |address: SocketAddr, ca: &Path, domain| {
            let trust = Trust::read(ca, Some(address.ip()), domain).expect("an authority");
            at(address, Some(&trust), &question, LONG)
        };
        let by_address = server("::1", &ca);
        let answer = ask(by_address, &ca, None).expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"here"[..]));
        let by_domain = server("tnr.example.org", &other);
        assert!(ask(by_domain, &other, Some("example.org")).is_ok());
        for (address, ca, domain) in [
            (by_domain, &other, None),
            (by_domain, &other, Some("example.net")),
            (by_domain, &ca, Some("example.org")),
            (by_address, &other, None),
        ] {
            let refused = ask(address, ca, domain);
            assert!(
                matches!(refused, Err(InquiryError::Tls { .. })),
                "{refused:?}"
            );
        }
        // Plainly it says nothing that is an answer.
        let plain = at(by_address, None, &question, Duration::from_secs(5));
        assert!(plain.is_err(), "{plain:?}");
    }

    #[test]
    fn who_is_silent_or_speaks_otherwise_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let ca = folder.path().join("ca.pem");
        server("::1", &ca);
        let listener = TcpListener::bind("[::1]:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let trust = Trust::read(&ca, Some(address.ip()), None).expect("an authority");
        let question = Question::get("/");
        let silent = at(address, Some(&trust), &question, Duration::from_millis(300));
        assert!(
            matches!(silent, Err(InquiryError::Slow { .. })),
            "{silent:?}"
        );
        std::thread::spawn(move || {
            // The first one has been and gone.
            for mut stream in listener.incoming().skip(1).flatten() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            }
        });
        let plain = at(address, Some(&trust), &question, LONG);
        assert!(matches!(plain, Err(InquiryError::Tls { .. })), "{plain:?}");
        std::fs::write(&ca, "").expect("written");
        assert!(Trust::read(&ca, None, None).is_err());
    }
}
