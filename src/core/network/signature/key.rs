//! Ed25519 keys, and the curve's arithmetic behind them.

use std::fmt::{self, Debug, Formatter};

use ed25519_dalek::{Signer as _, VerifyingKey};
use httpsig::prelude::{AlgorithmName, HttpSigResult};

use super::SignatureError;
use crate::network::PublicKey;

/// An Ed25519 private key. It prints nothing of itself, and is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a seed: 32 random bytes, RFC 8032's private key.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The seed of the key.
    pub(super) fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key().to_bytes())
    }

    /// Signs something that is no request. It begins with what it is for, so that it is never taken for anything else.
    #[must_use]
    pub fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

impl Debug for SigningKey {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.public().node_id())
    }
}

impl httpsig::prelude::SigningKey for SigningKey {
    fn sign(&self, data: &[u8]) -> HttpSigResult<Vec<u8>> {
        Ok(self.0.sign(data).to_vec())
    }

    fn key_id(&self) -> String {
        self.public().node_id().to_string()
    }

    fn alg(&self) -> AlgorithmName {
        AlgorithmName::Ed25519
    }
}

impl PublicKey {
    /// Whether the key has signed these bytes. Keys and signatures of small order, with which one signature fits many
    /// texts, are refused.
    ///
    /// # Errors
    /// [`SignatureError::Key`] or [`SignatureError::Forged`].
    pub fn verify_bytes(&self, bytes: &[u8], signature: &[u8; 64]) -> Result<(), SignatureError> {
        if !is_canonical(self.as_bytes()) {
            return Err(SignatureError::Key);
        }
        let key = VerifyingKey::from_bytes(self.as_bytes()).map_err(|_| SignatureError::Key)?;
        if key.is_weak() {
            return Err(SignatureError::Key);
        }
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        key.verify_strict(bytes, &signature)
            .map_err(|_| SignatureError::Forged)
    }
}

/// Whether the key has signed.
pub(super) fn verify(
    key: &PublicKey,
    text: &str,
    signature: &[u8; 64],
) -> Result<(), SignatureError> {
    key.verify_bytes(text.as_bytes(), signature)
}

/// Whether the point's coordinate is below the field's order, 2²⁵⁵ - 19: a key has one form, and so one node id.
fn is_canonical(key: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = key;
    high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *low < 0xed
}
