//! `POST /api/heartbeat`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use trustnet_api::network::{Heartbeat, HeartbeatAnswer, HeartbeatStatus, NodeState};
use trustnet_core::network::query;
use trustnet_core::network::{NodeId, PublicKey, Refusal};

use super::signed::Signed;
use super::{Failure, Known, answer, request, write};
use crate::registrar::WriteError;
use crate::registry::Registry;

pub async fn heartbeat(
    State(registry): Known,
    incoming: Request<Body>,
) -> Result<Response, Failure> {
    let signed = Signed::read(&registry, incoming).await?;
    let body: Heartbeat = request::json(signed.headers(), &signed.body)?;
    let id: NodeId = query::id("node_id", &body.node_id)?;
    let signature = signed.signature()?;
    let key = key(&registry, id)?;
    let proof = signed.verify(&registry, &signature, &key)?;
    if let Some(upstream) = registry.upstream() {
        return write::forward(&registry, upstream, &signed, id, proof.created).await;
    }
    let beaten = registry.registrar().beat(id, body.sequence, proof).await;
    if matches!(beaten, Err(WriteError::Store(_))) {
        registry.store_failed();
    }
    let answer = HeartbeatAnswer {
        status: HeartbeatStatus::Ack,
        node_state: beaten?,
        next_heartbeat_expected: next(&registry),
    };
    Ok(answer::json(StatusCode::OK, &answer))
}

/// The key of a node that may write.
fn key(registry: &Registry, id: NodeId) -> Result<PublicKey, Failure> {
    let found = registry.registrar().read(|directory| {
        let node = directory.get(id)?;
        Some((node.key, node.state))
    });
    match found {
        None => Err(Refusal::Unknown(id).into()),
        Some((_, NodeState::Banned)) => Err(Refusal::Banned(id).into()),
        Some((key, _)) => Ok(key),
    }
}

fn next(registry: &Registry) -> Timestamp {
    let interval = i64::try_from(registry.heartbeat_interval()).unwrap_or(i64::MAX);
    let wall = registry.now().wall.saturating_add(interval);
    Timestamp::from_millisecond(wall).unwrap_or(Timestamp::MAX)
}
