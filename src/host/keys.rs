//! SSH keys that the program makes: two for each VM, its guest's host key and the one that logs in.

use rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};

use crate::error::HostError;

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

fn key_error(doing: impl Into<String>) -> impl FnOnce(ssh_key::Error) -> HostError {
    let doing = doing.into();
    move |error| HostError::Key {
        doing,
        why: error.to_string(),
    }
}
