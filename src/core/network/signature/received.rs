//! The headers of a signed request, as they come.

use httpsig::prelude::message_component::{HttpMessageComponentId, HttpMessageComponentName};
use httpsig::prelude::{HttpSignatureHeaders, HttpSignatureParams};

use super::{
    ALGORITHM, CONTENT_DIGEST, COVERED, SIGNATURE, SIGNATURE_INPUT, Signature, SignatureError,
};
use crate::network::NodeId;

/// The headers that sign a request, as they came.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The value of `Content-Digest`.
    pub content_digest: &'a str,
    /// The value of `Signature-Input`.
    pub signature_input: &'a str,
    /// The value of `Signature`.
    pub signature: &'a str,
}

impl<'a> Received<'a> {
    /// Takes the headers out of those of a request: `all` gives every value of a header.
    ///
    /// # Errors
    /// One is missing, more than once there, or has bytes that no such header has.
    pub fn find<I>(all: impl Fn(&'static str) -> I) -> Result<Self, SignatureError>
    where
        I: Iterator<Item = &'a [u8]>,
    {
        let one = |name: &'static str| {
            let mut values = all(name);
            let value = values.next().ok_or(SignatureError::Missing(name))?;
            if values.next().is_some() {
                return Err(SignatureError::Repeated(name));
            }
            std::str::from_utf8(value)
                .map_err(|_| SignatureError::Form(format!("`{name}` is no ASCII")))
        };
        Ok(Self {
            signature_input: one(SIGNATURE_INPUT)?,
            signature: one(SIGNATURE)?,
            content_digest: one(CONTENT_DIGEST)?,
        })
    }
}

pub(super) fn parse<'a>(received: &Received<'a>) -> Result<Signature<'a>, SignatureError> {
    let form = |error: httpsig::prelude::HttpSigError| SignatureError::Form(error.to_string());
    let mut all = HttpSignatureHeaders::try_parse(received.signature, received.signature_input)
        .map_err(form)?;
    let count = all.len();
    let Some((label, headers)) = all.pop().filter(|_| count == 1) else {
        return Err(SignatureError::Count(count));
    };
    let params = headers.signature_params();
    if !covers_all(&params.covered_components) {
        return Err(SignatureError::Components);
    }
    let text = params_text(received.signature_input, &label, params)?;
    let (Some(created), Some(keyid), Some(ALGORITHM)) =
        (params.created, &params.keyid, params.alg.as_deref())
    else {
        return Err(SignatureError::Parameters);
    };
    Ok(Signature {
        signer: keyid.parse::<NodeId>().map_err(|_| SignatureError::KeyId)?,
        created,
        params: text,
        covered: params.covered_components.clone(),
        content_digest: received.content_digest,
        bytes: bytes(&headers)?,
    })
}

/// Whether it is what must be covered, once each and without parameters.
fn covers_all(covered: &[HttpMessageComponentId]) -> bool {
    let name = |id: &HttpMessageComponentId| match &id.name {
        HttpMessageComponentName::HttpField(name) => COVERED.iter().position(|c| c == name),
        HttpMessageComponentName::Derived(name) => COVERED.iter().position(|c| *c == name.as_ref()),
    };
    let mut seen = [false; COVERED.len()];
    for id in covered {
        match name(id).and_then(|index| seen.get_mut(index)) {
            Some(seen) if !*seen && id.params.0.is_empty() => *seen = true,
            _ => return false,
        }
    }
    seen.iter().all(|seen| *seen)
}

/// The parameters as they were received. They are to say the same as what was read of them, but for the order, which
/// the crate does not keep; so there is no unknown one, none twice, and none that was written in another way than
/// it is signed.
fn params_text<'a>(
    input: &'a str,
    label: &str,
    params: &HttpSignatureParams,
) -> Result<&'a str, SignatureError> {
    let text = input
        .trim_matches(' ')
        .strip_prefix(label)
        .and_then(|rest| rest.strip_prefix('='))
        .ok_or(SignatureError::Parameters)?;
    let read = params.to_string();
    let mut wanted: Vec<&str> = read.split(';').collect();
    let mut written: Vec<&str> = text.split(';').collect();
    if written.first() != wanted.first() || written.len() != 4 {
        return Err(SignatureError::Parameters);
    }
    wanted.sort_unstable();
    written.sort_unstable();
    if wanted == written {
        Ok(text)
    } else {
        Err(SignatureError::Parameters)
    }
}

/// The signature's bytes. The crate gives them as it writes them.
fn bytes(headers: &HttpSignatureHeaders) -> Result<[u8; 64], SignatureError> {
    use base64::Engine as _;
    let text = headers.signature().to_string();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    bytes
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| SignatureError::Form("a signature has 64 bytes".to_owned()))
}
