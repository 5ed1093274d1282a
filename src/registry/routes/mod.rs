//! The routes of the registry.

mod administrator;
mod answer;
mod changes;
mod health;
mod heartbeat;
mod node;
mod nodes;
mod register;
mod request;
mod signed;
mod snapshot;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use trustnet_api::network::ErrorCode;

pub use self::answer::Failure;
use crate::metrics;
use crate::registry::Registry;

/// What every route knows.
type Known = axum::extract::State<Arc<Registry>>;

/// All routes.
pub fn routes(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/api/health", get(health::health))
        .route("/api/register", post(register::register))
        .route("/api/heartbeat", post(heartbeat::heartbeat))
        .route("/api/nodes", get(nodes::nodes))
        .route(
            "/api/nodes/{node_id}",
            get(node::node).merge(delete(node::remove)),
        )
        .route("/api/nodes/{node_id}/peers", get(node::peers))
        .route(
            "/api/nodes/{node_id}/ban",
            put(administrator::ban).merge(delete(administrator::unban)),
        )
        .route("/api/snapshot", get(snapshot::snapshot))
        .route("/api/changes", get(changes::changes))
        .route("/metrics", get(metrics::metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(registry)
}

async fn not_found() -> Response {
    Failure::new(ErrorCode::NotFound, "there is no such route").into_response()
}

async fn method_not_allowed() -> Response {
    let mut response =
        Failure::new(ErrorCode::MethodNotAllowed, "the route has other methods").into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
