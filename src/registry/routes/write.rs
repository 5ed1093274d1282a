//! Where a verified write goes: into the directory, or on to the root.

use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use trustnet_api::network::{Done, ErrorCode, Queued};
use trustnet_core::network::{NodeId, Write};

use super::signed::Signed;
use super::{Failure, answer};
use crate::forward::{NotKept, Submitted, Upstream};
use crate::registrar::{WriteError, Written};
use crate::registry::Registry;

/// Writes, durably.
///
/// # Errors
/// It is refused, cannot be stored, or takes too long.
pub async fn write(registry: &Registry, write: Write) -> Result<Written, Failure> {
    let writing = registry.registrar().write(write);
    let Ok(written) = tokio::time::timeout(registry.request_timeout(), writing).await else {
        registry.store_failed();
        let message = "the disk of the registry is too slow; whether this was stored is not known: ask, or try again";
        return Err(Failure::new(ErrorCode::Unavailable, message).retry(5));
    };
    match &written {
        Err(WriteError::Store(_)) => registry.store_failed(),
        Ok(Written::Changed(_)) => registry.store_works(),
        // Nothing was stored.
        Ok(Written::Unchanged) | Err(WriteError::Refused(_) | WriteError::Gap(_)) => {}
    }
    Ok(written?)
}

/// Writes what has no answer but that it is done.
///
/// # Errors
/// As [`write`].
pub async fn done(
    registry: &Registry,
    signed: &Signed,
    id: NodeId,
    created: u64,
    what: Write,
) -> Result<Response, Failure> {
    if let Some(upstream) = registry.upstream() {
        return forward(registry, upstream, signed, id, created).await;
    }
    write(registry, what).await?;
    let done = Done {
        status: "success".to_owned(),
    };
    Ok(answer::json(StatusCode::OK, &done))
}

/// Hands a verified write on to the root.
///
/// # Errors
/// The root is away, and the write cannot be kept for it.
pub async fn forward(
    registry: &Registry,
    upstream: &dyn Upstream,
    signed: &Signed,
    id: NodeId,
    created: u64,
) -> Result<Response, Failure> {
    match upstream.submit(signed.forward(id, created)?).await {
        Submitted::Answer {
            status,
            retry_after,
            body,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let mut response = answer::raw(status, Body::from(body));
            let retry = retry_after.and_then(|text| HeaderValue::from_str(&text).ok());
            if let Some(retry) = retry {
                response.headers_mut().insert(RETRY_AFTER, retry);
            }
            Ok(response)
        }
        Submitted::Queued => {
            registry.store_works();
            Ok(queued())
        }
        Submitted::Kept => Ok(queued()),
        Submitted::NotKept { why, retry_after } => {
            if why == NotKept::Disk {
                registry.store_failed();
            }
            Err(Failure::new(ErrorCode::Unavailable, why.to_string()).retry(retry_after))
        }
    }
}

fn queued() -> Response {
    let queued = Queued {
        status: "queued".to_owned(),
    };
    answer::json(StatusCode::ACCEPTED, &queued)
}
