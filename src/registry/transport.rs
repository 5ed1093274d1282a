//! How registries are called: by plain HTTP, or by TLS and verified.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use trustnet_api::network::REGISTRY_LABEL;
use trustnet_core::network::Endpoint;

use crate::tls::{TlsError, certificates, provider};

/// How registries are called.
#[derive(Debug, Clone)]
pub struct Transport {
    tls: ClientConfig,
    scheme: &'static str,
}

impl Transport {
    /// By TLS, if there is a file with the authorities that vouch for registries. Each is to be vouched for as `tnr.` and
    /// the domain; as the address that is called only where this is one of the known ones, or this machine's own.
    ///
    /// # Errors
    /// The file cannot be read, or has no certificate.
    pub fn new(
        ca: Option<&Path>,
        domain: Option<&str>,
        known: &[IpAddr],
    ) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?;
        let Some(ca) = ca else {
            let nobody = config.with_root_certificates(RootCertStore::empty());
            return Ok(Self {
                tls: nobody.with_no_client_auth(),
                scheme: "http",
            });
        };
        let config = config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(ca, domain, known)?));
        Ok(Self {
            tls: config.with_no_client_auth(),
            scheme: "https",
        })
    }

    /// Where something of a registry is.
    #[must_use]
    pub fn url(&self, at: Endpoint, path: &str) -> String {
        format!("{}://{at}{path}", self.scheme)
    }

    /// A client that goes directly where it is told to.
    pub fn client(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(self.tls.clone())
    }
}

/// Verifies as rustls does: by an address that an administrator wrote down, and any by the domain's name. Other addresses
/// come from the DNS, and from peers: that somebody is who answers there says nothing of whether it is a registry.
#[derive(Debug)]
struct Verifier {
    verifier: Arc<WebPkiServerVerifier>,
    name: Option<ServerName<'static>>,
    known: Vec<IpAddr>,
}

impl Verifier {
    fn new(ca: &Path, domain: Option<&str>, known: &[IpAddr]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        // The system's file may have some that are too old to be read.
        let (used, _) = roots.add_parsable_certificates(certificates(ca)?);
        let none = || TlsError::NoCertificate {
            path: ca.to_owned(),
        };
        if used == 0 {
            return Err(none());
        }
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let name = domain.map(|domain| format!("{REGISTRY_LABEL}.{domain}"));
        Ok(Self {
            verifier: builder.build().map_err(|_| none())?,
            // A domain that is too long for a certificate is in none.
            name: name.and_then(|name| ServerName::try_from(name).ok()),
            known: known.to_vec(),
        })
    }

    /// Whether it is enough to be who answers there.
    fn knows(&self, address: &ServerName<'_>) -> bool {
        let ServerName::IpAddress(address) = address else {
            return false;
        };
        let address = IpAddr::from(*address);
        address.is_loopback() || self.known.contains(&address)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        address: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |name| {
            self.verifier
                .verify_server_cert(own, intermediates, name, ocsp, now)
        };
        let by_address = if self.knows(address) {
            verify(address)
        } else {
            Err(CertificateError::NotValidForName.into())
        };
        match (by_address, &self.name) {
            (
                Err(
                    error @ Error::InvalidCertificate(
                        CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. },
                    ),
                ),
                Some(name),
            ) => verify(name).map_err(|why| match why {
                // Of two names that it is not, the one that was called says more.
                Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                ) => error,
                why => why,
            }),
            (verified, _) => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::path::Path;

    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::{Transport, Verifier};
    use crate::certificates::Authority;
    use crate::tls::{TlsError, certificates};

    /// Whoever tells a caller where to go chooses the address, and may have a certificate for that.
    #[test]
    fn a_certificate_for_an_address_is_good_where_the_address_was_written_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new();
        let ca = authority.write(folder.path());
        let address: IpAddr = "2001:db8::1".parse().expect("an address");
        let is_believed = |names: &[&str], domain, known: &[IpAddr]| {
            let own = authority.certify(folder.path(), names).certificate;
            let own = certificates(&own).expect("it was just made");
            let verifier = Verifier::new(&ca, domain, known).expect("an authority");
            let name = ServerName::from(address);
            let verified = verifier.verify_server_cert(&own[0], &[], &name, &[], UnixTime::now());
            verified.is_ok()
        };
        let domain = Some("example.org");
        assert!(is_believed(&["2001:db8::1"], domain, &[address]));
        assert!(is_believed(&["tnr.example.org"], domain, &[address]));
        assert!(is_believed(&["tnr.example.org"], domain, &[]));
        assert!(!is_believed(&["2001:db8::1"], domain, &[]));
        assert!(!is_believed(&["2001:db8::1"], None, &[]));
        assert!(!is_believed(&["tnr.example.com"], domain, &[address]));
    }

    #[test]
    fn an_authority_makes_calls_secure_and_a_file_without_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = "[2001:db8::1]:8000".parse().expect("an address");
        let url =
            |ca: Option<&Path>| Transport::new(ca, None, &[]).map(|calls| calls.url(at, "/x"));
        let ca = Authority::new().write(folder.path());
        let secure = url(Some(&ca)).expect("an authority");
        assert_eq!(secure, "https://[2001:db8::1]:8000/x");
        let plain = url(None).expect("nothing to go wrong");
        assert_eq!(plain, "http://[2001:db8::1]:8000/x");
        // No certificate, one that cannot be read, and one that is none.
        let junk = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        for text in ["", &junk.replace("MAA", "M@A"), junk] {
            std::fs::write(&ca, text).expect("written");
            assert!(matches!(
                url(Some(&ca)),
                Err(TlsError::NoCertificate { .. })
            ));
        }
    }
}
