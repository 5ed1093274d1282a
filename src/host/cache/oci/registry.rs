//! A registry, asked over HTTP: HTTPS, except on this very machine.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, Write};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::io::AsyncWrite;
use tokio::runtime::{Builder, Runtime};
use trustnet_core::artifact::Digest;
use trustnet_core::readiness::clean;

use super::manifest::{ACCEPTED, Descriptor};
use super::{ImageName, Login, OciError, size};

/// How long a registry may take to answer a connection, or be silent in the middle.
const CONNECT: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(60);

/// One repository of a registry.
pub(super) struct Registry {
    client: Client,
    runtime: RefCell<Runtime>,
    reference: Reference,
    auth: RegistryAuth,
    name: ImageName,
}

impl Registry {
    pub(super) fn connect(name: &ImageName, login: &Login) -> Result<Self, OciError> {
        let failed = |why: String| failed(name, "getting ready")(why);
        // Who else in this program has chosen it has chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let host = name.0.resolve_registry();
        let protocol = if is_loopback(host) {
            ClientProtocol::HttpsExcept(vec![host.to_owned()])
        } else {
            ClientProtocol::Https
        };
        let client = Client::try_from(ClientConfig {
            protocol,
            platform_resolver: None,
            connect_timeout: Some(CONNECT),
            read_timeout: Some(SILENCE),
            user_agent: concat!("trustnet-vm/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        })
        .map_err(|error| failed(reasons(&error)))?;
        let auth = match login {
            Login::Anonymous => RegistryAuth::Anonymous,
            Login::Password { user, password } => {
                RegistryAuth::Basic(user.clone(), password.clone())
            }
        };
        Ok(Self {
            client,
            runtime: RefCell::new(runtime),
            reference: name.0.clone(),
            auth,
            name: name.clone(),
        })
    }

    /// The manifest or index of that digest, else of the name's tag; and its SHA-256.
    pub(super) fn manifest(&self, digest: Option<&str>) -> Result<(String, Vec<u8>), OciError> {
        let what = match (digest, self.reference.tag()) {
            (None, Some(tag)) => format!("the tag `{tag}`"),
            (digest, _) => digest.unwrap_or_default().to_owned(),
        };
        let reference = match digest {
            Some(digest) => self.reference.clone_with_digest(digest.to_owned()),
            None => self.reference.clone(),
        };
        let asked = self
            .client
            .pull_manifest_raw(&reference, &self.auth, &ACCEPTED);
        let (bytes, _) = self
            .runtime
            .borrow_mut()
            .block_on(asked)
            .map_err(|error| self.error(&error, "asking for the manifest", &what))?;
        let found = format!("sha256:{}", Digest::of(&bytes));
        match digest {
            Some(digest) if digest != found => Err(self.not_it(digest)),
            _ => Ok((found, bytes.to_vec())),
        }
    }

    /// A blob that is small enough to be kept whole.
    pub(super) fn small_blob(&self, blob: &Descriptor) -> Result<Vec<u8>, OciError> {
        let mut bytes = Vec::new();
        self.blob(blob, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes a blob as it comes. It has been written whole, and was the right one, if there is no error.
    pub(super) fn blob(&self, blob: &Descriptor, out: &mut dyn Write) -> Result<(), OciError> {
        let mut sink = Sink {
            out,
            left: blob.size,
            state: State::Good,
        };
        let digest = blob.digest.as_str();
        let pulled = self.client.pull_blob(&self.reference, &digest, &mut sink);
        let pulled = self.runtime.borrow_mut().block_on(pulled);
        let came = blob.size - sink.left;
        match (sink.state, pulled) {
            (State::Full(source), _) => Err(OciError::Write {
                image: self.name.to_string(),
                source,
            }),
            (State::TooLong, _) => Err(size(&self.name, blob, "more".to_owned())),
            (State::Good, Ok(())) if sink.left > 0 => Err(size(&self.name, blob, came.to_string())),
            (State::Good, Err(OciDistributionError::DigestError(_))) if sink.left > 0 => {
                Err(size(&self.name, blob, came.to_string()))
            }
            (State::Good, Err(error)) => {
                let doing = format!("fetching {digest}, {came} of {} bytes in", blob.size);
                Err(self.error(&error, &doing, digest))
            }
            (State::Good, Ok(())) => Ok(()),
        }
    }

    fn not_it(&self, what: &str) -> OciError {
        OciError::Digest {
            image: self.name.to_string(),
            what: what.to_owned(),
        }
    }

    fn error(&self, error: &OciDistributionError, doing: &str, what: &str) -> OciError {
        use OciDistributionError as Why;
        let image = self.name.to_string();
        let missing = |code: &OciErrorCode| {
            matches!(
                code,
                OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::BlobUnknown
                    | OciErrorCode::NotFound
            )
        };
        let refused =
            |code: &OciErrorCode| matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied);
        let (image, why) = (image, reasons(error));
        let what = clean(what);
        match error {
            Why::ServerError { code: 404, .. } | Why::ImageManifestNotFoundError(_) => {
                OciError::NotFound { image, what }
            }
            Why::RegistryError { envelope, .. } => match envelope.errors.first() {
                Some(first) if missing(&first.code) => OciError::NotFound { image, what },
                Some(first) if refused(&first.code) => OciError::Refused { image, why },
                _ => failed(&self.name, doing)(why),
            },
            Why::UnauthorizedError { .. }
            | Why::AuthenticationFailure(_)
            | Why::ServerError { code: 403, .. } => OciError::Refused { image, why },
            Why::DigestError(_) => self.not_it(&what),
            _ => failed(&self.name, doing)(why),
        }
    }
}

fn failed(name: &ImageName, doing: &str) -> impl FnOnce(String) -> OciError {
    move |why| OciError::Registry {
        image: name.to_string(),
        doing: doing.to_owned(),
        why,
    }
}

/// The error with its reasons, on one line that is fit for a terminal: a registry's words are in it.
fn reasons(error: &dyn Error) -> String {
    const MAX: usize = 300;
    let text = clean(&crate::error::chain(error));
    match text.char_indices().nth(MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Whether a registry is on this very machine: plain HTTP goes nowhere else.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

enum State {
    Good,
    TooLong,
    Full(io::Error),
}

/// Hands on what comes, and not one byte more than there should be.
struct Sink<'a> {
    out: &'a mut dyn Write,
    left: u64,
    state: State,
}

impl AsyncWrite for Sink<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.len() as u64 > self.left {
            self.state = State::TooLong;
            return Poll::Ready(Err(io::Error::other("too long")));
        }
        if let Err(error) = self.out.write_all(bytes) {
            self.state = State::Full(error);
            return Poll::Ready(Err(io::Error::other("not written")));
        }
        self.left -= bytes.len() as u64;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
