//! TLS: the certificate that a service shows.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use trustnet_core::network::TlsFiles;

use crate::file;

/// How often it is looked whether the files are others, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most bytes of a file.
const MAX_FILE: u64 = 4 << 20;

/// The certificate and key of a service. Others in their files are taken up by the next connection.
pub struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// The files as they were when they were last read, well or not.
    stamps: Stamps,
    looked_at: Instant,
}

/// What tells a file from the one before: its number, its length, and when it was written.
type Stamp = Option<(u64, u64, i64, i64)>;
type Stamps = [Stamp; 2];

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read `{path}` for TLS: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the key.
    #[error(
        "`{path}` has the private key of TLS, and others may read it (mode {mode:04o}): run `chmod 600 {path}`"
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is no certificate in a file.
    #[error("`{path}` has no certificate that can be used: one or more in PEM are wanted")]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// There is no key in a file.
    #[error(
        "`{path}` has no private key that can be used: one of RSA, ECDSA or Ed25519 is wanted, in PEM and without a password"
    )]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// They do not fit.
    #[error(
        "the key in `{key}` is not that of the first certificate in `{certificate}`: name two files that were made for each other, with the service's own certificate first"
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The library refuses.
    #[error("prepare TLS: {0}")]
    Library(#[from] rustls::Error),
}

impl Tls {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// They cannot be read or used, do not fit each other, or others may read the key.
    pub fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        let stamps = stamps(files);
        Ok(Self {
            current: Mutex::new(Current {
                config: load(files)?,
                stamps,
                looked_at: Instant::now(),
            }),
            files: files.clone(),
        })
    }

    /// Makes a connection of TLS out of one that is not, in so much time in all.
    ///
    /// # Errors
    /// The other side speaks something else, wants what is not to be had, is too slow, or goes.
    pub async fn accept<S>(
        self: &Arc<Self>,
        stream: S,
        within: Duration,
    ) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = timeout(within, async {
            let acceptor = TlsAcceptor::from(self.config().await);
            acceptor.accept(stream).await
        });
        shaken
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What to speak by now.
    async fn config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let config = {
            let mut current = self.current();
            let now = Instant::now();
            if now.duration_since(current.looked_at) < LOOK_EVERY {
                return Arc::clone(&current.config);
            }
            current.looked_at = now;
            Arc::clone(&current.config)
        };
        let own = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || own.look()).await;
        looked.unwrap_or(config)
    }

    /// Reads the files again, if they are others. While they are no good, those of before are held to.
    fn look(&self) -> Arc<ServerConfig> {
        let stamps = stamps(&self.files);
        if self.current().stamps == stamps {
            return Arc::clone(&self.current().config);
        }
        let loaded = load(&self.files);
        let mut current = self.current();
        current.stamps = stamps;
        match loaded {
            Ok(config) => {
                tracing::info!(certificate = %self.files.certificate.display(), "another certificate is taken up");
                current.config = config;
            }
            Err(error) => {
                tracing::warn!(%error, "another certificate is no good: the one of before is shown");
            }
        }
        Arc::clone(&current.config)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is computed with.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of a file.
///
/// # Errors
/// It cannot be read, or has none.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = bytes(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::NoCertificate {
            path: path.to_owned(),
        }),
    }
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let no_key = || TlsError::NoKey {
        path: files.key.clone(),
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
            },
            rustls::Error::InvalidCertificate(_) => TlsError::NoCertificate {
                path: files.certificate.clone(),
            },
            _ => no_key(),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let facts = fs::metadata(path).map_err(failed)?;
    let path = path.to_owned();
    if let Some(mode) = file::laid_open(&facts) {
        return Err(TlsError::Open { path, mode });
    }
    let bytes = bytes(&path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| TlsError::NoKey { path })
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(TlsError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn stamps(files: &TlsFiles) -> Stamps {
    [&files.certificate, &files.key].map(|path| {
        let found = fs::metadata(path).ok()?;
        Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::Tls;
    use crate::certificates::Authority;

    #[test]
    fn other_files_are_taken_up_once_they_are_good() {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
        let files = authority.certify(folder.path(), &["::1"]);
        let tls = Tls::open(&files).expect("good files");
        let before = tls.look();
        assert!(Arc::ptr_eq(&before, &tls.look()), "they are the same");
        // Half of a renewal: the key is that of before.
        let key = fs::read(&files.key).expect("a key");
        authority.certify(folder.path(), &["::1"]);
        let other = fs::read(&files.key).expect("a key");
        fs::write(&files.key, key).expect("written");
        assert!(Arc::ptr_eq(&before, &tls.look()));
        fs::remove_file(&files.key).expect("removed");
        assert!(Arc::ptr_eq(&before, &tls.look()));
        // Others may read it.
        fs::write(&files.key, other).expect("written");
        assert!(Arc::ptr_eq(&before, &tls.look()));
        authority.certify(folder.path(), &["::1"]);
        assert!(!Arc::ptr_eq(&before, &tls.look()));
    }
}
