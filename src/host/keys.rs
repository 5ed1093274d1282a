//! SSH keys that the program makes: one for logging in, made once a user; one a guest, as its host key.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};

use crate::error::HostError;
use crate::paths::{Paths, private_dir};

/// A key pair in OpenSSH's forms. The private half prints nothing and is wiped when dropped.
pub struct KeyPair {
    private: PrivateKey,
    public: String,
}

impl KeyPair {
    /// Makes an Ed25519 key pair.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate(comment: &str) -> Result<Self, HostError> {
        let mut private = PrivateKey::random(&mut OsRng, Algorithm::Ed25519)
            .map_err(key_error("make an SSH key"))?;
        private.set_comment(comment);
        let public = private
            .public_key()
            .to_openssh()
            .map_err(key_error("encode an SSH key"))?;
        Ok(Self { private, public })
    }

    /// The public half, as a line for `authorized_keys` or, behind a host's name, for `known_hosts`.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The private half, in PEM.
    ///
    /// # Errors
    /// The key cannot be encoded.
    pub fn private_pem(&self) -> Result<String, HostError> {
        let pem = self
            .private
            .to_openssh(LineEnding::LF)
            .map_err(key_error("encode an SSH key"))?;
        Ok(pem.to_string())
    }
}

/// The user's login key: its file, and its public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginKey {
    /// The private half's file, readable by the user only.
    pub file: PathBuf,
    /// The public half, as a line for `authorized_keys`.
    pub public: String,
}

/// Reads the user's login key, and makes it the first time.
///
/// # Errors
/// The file cannot be read or written, or is no key.
pub fn login_key(paths: &Paths) -> Result<LoginKey, HostError> {
    let file = paths.data.join("id_ed25519");
    let pem = match fs::read_to_string(&file) {
        Ok(pem) => pem,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            private_dir(&paths.data)?;
            make_login_key(&file)?;
            fs::read_to_string(&file).map_err(HostError::file("read the login key", &file))?
        }
        Err(error) => return Err(HostError::file("read the login key", &file)(error)),
    };
    let key = PrivateKey::from_openssh(pem).map_err(key_error(format!(
        "read the login key `{}`",
        file.display()
    )))?;
    let public = key
        .public_key()
        .to_openssh()
        .map_err(key_error("encode an SSH key"))?;
    Ok(LoginKey { file, public })
}

/// Writes a new key beside its place and links it there: of two processes at once, one wins, and
/// both read the winner's.
fn make_login_key(file: &Path) -> Result<(), HostError> {
    let failed = |error| HostError::file("write the login key", file)(error);
    let pem = KeyPair::generate("trustnet-vm")?.private_pem()?;
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut out| out.write_all(pem.as_bytes()).and_then(|()| out.sync_all()));
    let linked = written.and_then(|()| match fs::hard_link(&temporary, file) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    let removed = fs::remove_file(&temporary);
    linked.and(removed).map_err(failed)
}

fn key_error(doing: impl Into<String>) -> impl FnOnce(ssh_key::Error) -> HostError {
    let doing = doing.into();
    move |error| HostError::Key {
        doing,
        why: error.to_string(),
    }
}
