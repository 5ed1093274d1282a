//! What a node answers over HTTP.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::watch;
use trustnet_api::network::{ErrorBody, ErrorCode, HealthStatus, MAX_PAGE, Peers};

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
                None,
            )
        })
        .method_not_allowed_fallback(|| async {
            refused(
                StatusCode::METHOD_NOT_ALLOWED,
                ErrorCode::MethodNotAllowed,
                "the route has other methods",
                None,
            )
        })
        .with_state(shared)
}

async fn health(State(shared): State<Shared>) -> Response {
    let health = shared.view().health(&shared.who);
    let status = match health.status {
        HealthStatus::Ok => StatusCode::OK,
        HealthStatus::Starting | HealthStatus::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    count: Option<usize>,
}

async fn peers(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let count = asked.map_or(0, |Query(asked)| asked.count.unwrap_or(MAX_PAGE));
    if !(1..=MAX_PAGE).contains(&count) {
        let rule =
            "`count`: a whole number from 1 to 1000 is wanted, and no other parameter is known";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return refused(status, ErrorCode::InvalidField, rule, Some("count"));
    }
    let view = shared.view();
    let peers = view.peers.iter().take(count).cloned();
    Json(Peers {
        peers: peers.collect(),
    })
    .into_response()
}

async fn measured(State(shared): State<Shared>) -> Response {
    let text = metrics::text(&shared.who, &shared.view());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

fn refused(status: StatusCode, code: ErrorCode, message: &str, field: Option<&str>) -> Response {
    let body = ErrorBody {
        status: "error".to_owned(),
        code,
        message: message.to_owned(),
        field: field.map(str::to_owned),
    };
    (status, Json(body)).into_response()
}
