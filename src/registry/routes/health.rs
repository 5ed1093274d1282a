//! `GET /api/health`.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use trustnet_api::network::HealthStatus;

use super::{Failure, Known, answer};
use trustnet_core::network::query;

pub async fn health(State(registry): Known, RawQuery(text): RawQuery) -> Result<Response, Failure> {
    query::none(text.as_deref())?;
    let health = registry.health();
    let status = match health.status {
        HealthStatus::Ok => StatusCode::OK,
        HealthStatus::Starting | HealthStatus::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok(answer::json(status, &health))
}
