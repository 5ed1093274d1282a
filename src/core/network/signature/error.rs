//! Why a signature is not taken.

use trustnet_api::network::{ErrorBody, ErrorCode};

use crate::network::NodeId;

/// Why a signature is not taken. Its text is the answer's `message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing.
    #[error(
        "the request has no `{0}` header: sign it as an HTTP Message Signature (RFC 9421, `ed25519`)"
    )]
    Missing(&'static str),
    /// A header is there more than once.
    #[error("the request has more than one `{0}` header")]
    Repeated(&'static str),
    /// A header cannot be read.
    #[error("the headers of the signature cannot be read: {0}")]
    Form(String),
    /// There is not exactly one signature.
    #[error("the request has {0} signatures: send one")]
    Count(usize),
    /// It does not cover what it must.
    #[error(
        "the signature covers something else: `@method`, `@path` and `content-digest` are to be covered, and nothing more"
    )]
    Components,
    /// A parameter is missing, wrong, unknown or twice there.
    #[error(
        "the signature has other parameters: `created`, `keyid` and `alg` (`ed25519`) are wanted, each once, and no other"
    )]
    Parameters,
    /// The parameter `keyid` is no node id.
    #[error("the signature's `keyid` is no node id: `0x` and 16 hex digits in lower case")]
    KeyId,
    /// It was made by another key than it must be.
    #[error("the signature's `keyid` is {signer}, the key's is {key}")]
    Signer {
        /// Who says to have signed.
        signer: NodeId,
        /// Whose key it is.
        key: NodeId,
    },
    /// The public key is no point of the curve, or a weak one.
    #[error("the public key is no Ed25519 key, or a weak one")]
    Key,
    /// The body's digest is another one.
    #[error("`content-digest` has no `sha-256` digest that is the body's")]
    Digest,
    /// The signature is not the key's.
    #[error("the signature is not that of this request by this key")]
    Forged,
    /// It is too old.
    #[error(
        "the signature is {age} s old, and good for {life} s: sign anew, and look at the clock of this machine"
    )]
    Expired {
        /// How old, in seconds.
        age: u64,
        /// How old it may be, in seconds.
        life: u64,
    },
    /// It is not yet good.
    #[error("the signature is from {ahead} s ahead: look at the clock of the machine that signed")]
    Future {
        /// How far ahead, in seconds.
        ahead: u64,
    },
}

impl SignatureError {
    /// Why, for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Expired { .. } | Self::Future { .. } => ErrorCode::Expired,
            _ => ErrorCode::BadSignature,
        }
    }

    /// The answer's body.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            status: "error".to_owned(),
            code: self.code(),
            message: self.to_string(),
            field: None,
        }
    }
}
