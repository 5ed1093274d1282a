//! What a registry queued while it was a secondary, done now that it is the root.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{self, Request};
use jiff::Timestamp;
use tower_service::Service as _;
use tracing::info;
use trustnet_api::network::{ErrorBody, FORWARDER, QUEUED_AT};
use trustnet_core::network::Sent;

use super::{answers, driver};
use crate::client::{Answer, CallError};
use crate::queue::{Queue, Queued};
use crate::registry::Registry;
use crate::routes::routes;
use crate::sqlite::StoreError;

/// The most bytes of an answer to a write.
const MAX_ANSWER: usize = 256 * 1024;

/// Marks a request as one of the registry's own queue: no address sent it, and none is limited by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inherited;

/// Why a root does not begin its service.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// The queue.
    #[error("the queue of writes from before the promotion: {0}")]
    Queue(#[from] StoreError),
    /// The directory.
    #[error(
        "{left} writes that were acknowledged before the promotion could not be stored ({why}): they stay in `queue.db`; \
         mend the disk, and start again"
    )]
    Unwritten {
        /// How many.
        left: u64,
        /// Why.
        why: String,
    },
}

/// Does the writes that were acknowledged before a promotion, in their order, as if a secondary brought them now; each
/// leaves the queue when it is done, or refused for good. A kill in between leaves one that was done: it is recognised.
///
/// `token`: the network's join token.
///
/// # Errors
/// The queue cannot be used, or the directory takes nothing; then what is left waits for the next start.
pub async fn take_over(
    registry: &Arc<Registry>,
    path: &Path,
    token: Option<&str>,
) -> Result<(), InheritedError> {
    let there = path
        .try_exists()
        .map_err(StoreError::file("look for the queue", path))?;
    if !there {
        return Ok(());
    }
    let (queue, waiting) = Queue::open(path)?;
    if waiting == 0 {
        return Ok(());
    }
    info!(waiting, "writes from before the promotion are done first");
    let mut router = routes(Arc::clone(registry));
    let mut left = waiting;
    while let Some(mut first) = came(queue.first().await)? {
        driver::complete(&mut first.request, token);
        let (sent, why) = match request(&first, token) {
            Ok(request) => {
                let answered = answer(&mut router, request).await;
                let sent = answers::queued(&answered, &first, registry.now().wall);
                (sent, why(answered))
            }
            Err(error) => (Sent::Refused, error.to_string()),
        };
        match sent {
            Sent::Done => {}
            Sent::Refused => driver::dropped(&first, &why),
            Sent::Busy | Sent::Lost => return Err(InheritedError::Unwritten { left, why }),
        }
        came(queue.remove(first.number).await)?;
        left = left.saturating_sub(1);
    }
    info!("the writes from before the promotion are done");
    Ok(())
}

fn came<T, E>(coming: Result<Result<T, StoreError>, E>) -> Result<T, StoreError> {
    coming.map_err(|_| StoreError::Closed)?
}

/// The write, as a secondary with the join token would send it.
fn request(write: &Queued, token: Option<&str>) -> http::Result<Request<Body>> {
    let signed = &write.request;
    let mut request = Request::builder()
        .method(signed.method.as_str())
        .uri(signed.path.as_str())
        .extension(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)))
        .extension(Inherited);
    for (name, value) in signed.signature.pairs() {
        request = request.header(name, value);
    }
    if let Some(authorization) = &signed.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    if let Some(token) = token {
        request = request.header(FORWARDER, format!("Bearer {token}"));
    }
    if let Ok(at) = Timestamp::from_millisecond(write.received) {
        request = request.header(QUEUED_AT, at.to_string());
    }
    if !signed.body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    request.body(Body::from(signed.body.clone()))
}

/// What this registry itself answers.
async fn answer(router: &mut Router, request: Request<Body>) -> Result<Answer, CallError> {
    let Ok(response) = router.call(request).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), MAX_ANSWER).await;
    Ok(Answer {
        status,
        retry_after: None,
        body: body.map_err(|error| CallError::Form(error.to_string()))?,
    })
}

fn why(answered: Result<Answer, CallError>) -> String {
    match answered {
        Ok(answer) => match serde_json::from_slice::<ErrorBody>(&answer.body) {
            Ok(error) => error.message,
            Err(_) => format!("it answers {}", answer.status),
        },
        Err(error) => error.to_string(),
    }
}
