//! What a node answers over HTTP.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::watch;
use trustnet_api::network::{ErrorBody, ErrorCode, HealthStatus, MAX_PAGE, Peers};
use trustnet_core::network::Refusal;
use trustnet_core::network::query::{self, Query};

use crate::metrics;
use crate::view::{View, Who};

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub who: Arc<Who>,
    pub view: watch::Receiver<Arc<View>>,
}

impl Shared {
    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }
}

pub(crate) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/api/health", get(health))
        .route("/api/peers", get(peers))
        .route("/metrics", get(measured))
        .fallback(|| async {
            refused(
                StatusCode::NOT_FOUND,
                ErrorCode::NotFound,
                "there is no such route",
            )
        })
        .method_not_allowed_fallback(|| async {
            refused(
                StatusCode::METHOD_NOT_ALLOWED,
                ErrorCode::MethodNotAllowed,
                "the route has other methods",
            )
        })
        .with_state(shared)
}

async fn health(State(shared): State<Shared>, RawQuery(text): RawQuery) -> Result<Response, Wrong> {
    query::none(text.as_deref())?;
    let health = shared.view().health(&shared.who);
    let status = match health.status {
        HealthStatus::Ok => StatusCode::OK,
        HealthStatus::Starting | HealthStatus::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok((status, Json(health)).into_response())
}

async fn peers(State(shared): State<Shared>, RawQuery(text): RawQuery) -> Result<Response, Wrong> {
    let query = Query::parse(text.as_deref(), &["count"])?;
    let most = MAX_PAGE as u64;
    let count = query.number("count", 1, most)?.unwrap_or(most);
    let count = usize::try_from(count).unwrap_or(MAX_PAGE);
    let view = shared.view();
    let peers = view.peers.iter().take(count).cloned();
    let peers = Peers {
        peers: peers.collect(),
    };
    Ok(Json(peers).into_response())
}

async fn measured(
    State(shared): State<Shared>,
    RawQuery(text): RawQuery,
) -> Result<Response, Wrong> {
    query::none(text.as_deref())?;
    let text = metrics::text(&shared.who, &shared.view());
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// A parameter that is not what it must be.
struct Wrong(Refusal);

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (StatusCode::UNPROCESSABLE_ENTITY, Json(self.0.body())).into_response()
    }
}

fn refused(status: StatusCode, code: ErrorCode, message: &str) -> Response {
    let body = ErrorBody {
        status: "error".to_owned(),
        code,
        message: message.to_owned(),
        field: None,
    };
    (status, Json(body)).into_response()
}
