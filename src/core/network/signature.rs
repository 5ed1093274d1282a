//! Who wrote a request: HTTP Message Signatures (RFC 9421) with Ed25519, and the digest of the body (RFC 9530).
//!
//! A signature covers `@method`, `@path` and `content-digest`, no less and no more, with the parameters `created`,
//! `keyid` (the signer's node id) and `alg` (`ed25519`). So it holds wherever the request is forwarded to. What is
//! not covered (host, query, other headers) decides nothing about who may write what.

mod error;
mod key;
mod pem;
mod received;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httpsig::prelude::message_component::{HttpMessageComponent, HttpMessageComponentId};
use httpsig::prelude::{AlgorithmName, HttpSignatureBase, HttpSignatureParams};
use sha2::{Digest as _, Sha256};

pub use self::error::SignatureError;
pub use self::key::SigningKey;
pub use self::received::Received;
use super::{NodeId, Proof, PublicKey};

/// The header with the body's digest.
pub const CONTENT_DIGEST: &str = "content-digest";
/// The header that says what is signed.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// The header with the signature.
pub const SIGNATURE: &str = "signature";

/// The label of our signatures. Those of others may have another one.
const LABEL: &str = "sig1";
/// What a signature covers, in our order. Others may have another one.
const COVERED: [&str; 3] = ["@method", "@path", CONTENT_DIGEST];
/// The algorithm's name in RFC 9421.
const ALGORITHM: &str = "ed25519";

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The method, as it is sent: in capitals.
    pub method: &'a str,
    /// The path of the URI, as it is sent; without the query.
    pub path: &'a str,
    /// The body; empty, if there is none.
    pub body: &'a [u8],
}

/// The headers that sign a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// The value of `Content-Digest`.
    pub content_digest: String,
    /// The value of `Signature-Input`.
    pub signature_input: String,
    /// The value of `Signature`.
    pub signature: String,
}

impl SignatureHeaders {
    /// The names and the values.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, &str); 3] {
        [
            (CONTENT_DIGEST, &self.content_digest),
            (SIGNATURE_INPUT, &self.signature_input),
            (SIGNATURE, &self.signature),
        ]
    }
}

/// Signs a request, as of a moment in seconds since 1970.
#[must_use]
pub fn sign(key: &SigningKey, message: &Message<'_>, created: u64) -> SignatureHeaders {
    let content_digest = digest(message.body);
    let lines = COVERED.map(|name| component(name, value_of(name, message, &content_digest)));
    let params = HttpSignatureParams {
        created: Some(created),
        alg: Some(AlgorithmName::Ed25519.to_string()),
        keyid: Some(key.public().node_id().to_string()),
        covered_components: lines.iter().map(|line| line.id.clone()).collect(),
        ..HttpSignatureParams::default()
    };
    let headers = HttpSignatureBase::try_new(&lines, &params)
        .and_then(|base| base.build_signature_headers(key, Some(LABEL)))
        .expect("the lines are those of the parameters, and the key signs anything");
    SignatureHeaders {
        content_digest,
        signature_input: headers.signature_input_header_value(),
        signature: headers.signature_header_value(),
    }
}

/// Whether a request was signed by a key, at most `life` seconds before or after `at` (seconds since 1970).
///
/// # Errors
/// It was not, and why.
pub fn verify(
    received: &Received<'_>,
    message: &Message<'_>,
    key: &PublicKey,
    at: u64,
    life: u64,
) -> Result<Proof, SignatureError> {
    let signature = Signature::parse(received)?;
    signature.fresh(at, life)?;
    signature.verify(message, key)
}

/// A signature as it was received: who says to have signed, and when. Nothing of it is proven before [`Self::verify`].
#[derive(Debug, Clone)]
pub struct Signature<'a> {
    signer: NodeId,
    created: u64,
    /// The value of `@signature-params`, as it was signed.
    params: &'a str,
    covered: Vec<HttpMessageComponentId>,
    content_digest: &'a str,
    bytes: [u8; 64],
}

impl<'a> Signature<'a> {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// One is missing, or is not of the form that is wanted here.
    pub fn parse(received: &Received<'a>) -> Result<Self, SignatureError> {
        received::parse(received)
    }

    /// Who says to have signed.
    #[must_use]
    pub fn signer(&self) -> NodeId {
        self.signer
    }

    /// When it says to have been made: seconds since 1970.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// Whether it was made at most `life` seconds before or after `at` (seconds since 1970).
    ///
    /// # Errors
    /// [`SignatureError::Expired`] or [`SignatureError::Future`].
    pub fn fresh(&self, at: u64, life: u64) -> Result<(), SignatureError> {
        if at.saturating_sub(self.created) > life {
            Err(SignatureError::Expired {
                age: at - self.created,
                life,
            })
        } else if self.created.saturating_sub(at) > life {
            Err(SignatureError::Future {
                ahead: self.created - at,
            })
        } else {
            Ok(())
        }
    }

    /// Whether the key has signed this request. Its age is not looked at.
    ///
    /// # Errors
    /// The key is not the signer's or is none, the body is another one, or the signature is not the key's.
    pub fn verify(&self, message: &Message<'_>, key: &PublicKey) -> Result<Proof, SignatureError> {
        if key.node_id() != self.signer {
            return Err(SignatureError::Signer {
                signer: self.signer,
                key: key.node_id(),
            });
        }
        self.covers(message.body)?;
        key::verify(key, &self.base(message), &self.bytes)?;
        Ok(Proof {
            created: self.created,
            signature: first_eight(&Sha256::digest(self.bytes)),
        })
    }

    /// Whether the digest is the body's. Digests by other algorithms beside it are covered, and not looked at.
    fn covers(&self, body: &[u8]) -> Result<(), SignatureError> {
        let wanted = digest(body);
        let mut members = self.content_digest.split(',');
        if members.any(|member| member.trim_matches([' ', '\t']) == wanted) {
            Ok(())
        } else {
            Err(SignatureError::Digest)
        }
    }

    /// The text that was signed (RFC 9421, section 2.5). The parameters stand in it as they were received: in which
    /// order is the signer's choice.
    fn base(&self, message: &Message<'_>) -> String {
        let mut base = String::with_capacity(320);
        for id in &self.covered {
            let name = id.name.to_string();
            let value = value_of(name.trim_matches('"'), message, self.content_digest);
            for part in [&name, ": ", value, "\n"] {
                base.push_str(part);
            }
        }
        base.push_str("\"@signature-params\": ");
        base.push_str(self.params);
        base
    }
}

fn value_of<'a>(name: &str, message: &Message<'a>, content_digest: &'a str) -> &'a str {
    match name {
        "@method" => message.method,
        "@path" => message.path,
        _ => content_digest,
    }
}

fn component(name: &str, value: &str) -> HttpMessageComponent {
    HttpMessageComponent {
        id: HttpMessageComponentId::try_from(name).expect("the name is one of `COVERED`"),
        value: value.into(),
    }
}

/// The value of `Content-Digest` for a body.
#[must_use]
pub fn digest(body: &[u8]) -> String {
    let mut text = String::with_capacity(56);
    text.push_str("sha-256=:");
    STANDARD.encode_string(Sha256::digest(body), &mut text);
    text.push(':');
    text
}

fn first_eight(digest: &[u8]) -> u64 {
    let bytes = digest.iter().take(8);
    bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
