//! Signed requests.

use axum::body::{Body, Bytes};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request};
use jiff::Timestamp;
use trustnet_api::network::{ErrorCode, FORWARDER, QUEUE_LIFE, QUEUED_AT, SIGNATURE_LIFE};
use trustnet_core::network::signature::{Message, Received, Signature, SignatureHeaders};
use trustnet_core::network::{NodeId, Proof, PublicKey};

use super::{Failure, request};
use crate::forward::SignedRequest;
use crate::registry::Registry;
use trustnet_core::network::query;

/// Whether whoever sends a request shows the join token as a forwarder does; where there is none, everybody does.
pub fn is_forwarded(registry: &Registry, headers: &HeaderMap) -> bool {
    let forwarder = headers.get(FORWARDER);
    registry
        .token()
        .admits(forwarder.map(|value| value.as_bytes()))
}

/// A request that is to be signed, read whole.
pub struct Signed {
    parts: Parts,
    /// The body.
    pub body: Bytes,
}

impl Signed {
    /// Reads a request. Nothing is verified yet.
    ///
    /// # Errors
    /// It has a query, or its body is too large or does not come.
    pub async fn read(registry: &Registry, request: Request<Body>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        query::none(parts.uri.query())?;
        let body = request::body(&parts.headers, body, registry.request_timeout()).await?;
        Ok(Self { parts, body })
    }

    /// The same, where no body belongs.
    ///
    /// # Errors
    /// As [`Self::read`]; or there is a body.
    pub async fn read_empty(registry: &Registry, request: Request<Body>) -> Result<Self, Failure> {
        let signed = Self::read(registry, request).await?;
        if signed.body.is_empty() {
            Ok(signed)
        } else {
            let message = "the request is to have no body";
            Err(Failure::new(ErrorCode::BadRequest, message))
        }
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    fn received(&self) -> Result<Received<'_>, Failure> {
        let headers = &self.parts.headers;
        let all = |name| headers.get_all(name).iter().map(|value| value.as_bytes());
        Ok(Received::find(all)?)
    }

    /// The signature, as it came.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn signature(&self) -> Result<Signature<'_>, Failure> {
        Ok(Signature::parse(&self.received()?)?)
    }

    /// Whether a key has signed the request, lately.
    ///
    /// # Errors
    /// It has not.
    pub fn verify(
        &self,
        registry: &Registry,
        signature: &Signature<'_>,
        key: &PublicKey,
    ) -> Result<Proof, Failure> {
        signature.fresh(self.signed_by(registry)?, SIGNATURE_LIFE)?;
        let message = Message {
            method: self.parts.method.as_str(),
            path: self.parts.uri.path(),
            body: &self.body,
        };
        Ok(signature.verify(&message, key)?)
    }

    /// The moment about which it is to be signed: now; or when a secondary took it, if it is believed to be one.
    fn signed_by(&self, registry: &Registry) -> Result<u64, Failure> {
        let now = registry.now_seconds();
        let Some(queued) = self.parts.headers.get(QUEUED_AT) else {
            return Ok(now);
        };
        if !is_forwarded(registry, &self.parts.headers) {
            let message = format!(
                "a write that was queued is taken from a secondary with the join token: send `{FORWARDER}: Bearer …`"
            );
            return Err(Failure::new(ErrorCode::JoinToken, message));
        }
        let at = queued
            .to_str()
            .ok()
            .and_then(|text| text.parse::<Timestamp>().ok());
        let at = at.and_then(|at| u64::try_from(at.as_second()).ok());
        match at {
            // Else what is signed a day ahead would be taken, and could be sent again tomorrow.
            Some(at) if at > now.saturating_add(SIGNATURE_LIFE) => {
                let message =
                    "the write was queued at a time yet to come: one of two clocks is wrong";
                Err(Failure::new(ErrorCode::Expired, message))
            }
            Some(at) if now.saturating_sub(at) <= QUEUE_LIFE => Ok(at),
            Some(_) => {
                let message = format!("the write was queued for more than {QUEUE_LIFE} s");
                Err(Failure::new(ErrorCode::Expired, message))
            }
            None => Err(Failure::field(QUEUED_AT, "an RFC 3339 time is wanted")),
        }
    }

    /// The value of `Authorization`.
    pub fn authorization(&self) -> Option<&[u8]> {
        let mut values = self.parts.headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(only), None) => Some(only.as_bytes()),
            _ => None,
        }
    }

    /// The request, to be handed on.
    ///
    /// # Errors
    /// It has no signature.
    pub fn forward(&self, node: NodeId, created: u64) -> Result<SignedRequest, Failure> {
        let received = self.received()?;
        let authorization = self
            .authorization()
            .and_then(|v| std::str::from_utf8(v).ok());
        Ok(SignedRequest {
            node,
            signer: self.signature()?.signer(),
            method: self.parts.method.as_str().to_owned(),
            path: self.parts.uri.path().to_owned(),
            signature: SignatureHeaders {
                content_digest: received.content_digest.to_owned(),
                signature_input: received.signature_input.to_owned(),
                signature: received.signature.to_owned(),
            },
            created,
            authorization: authorization.map(str::to_owned),
            body: self.body.clone(),
        })
    }
}
