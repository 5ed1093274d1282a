//! `/api/nodes/{node_id}`, and its peers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{Request, StatusCode, Uri};
use axum::response::Response;
use trustnet_api::network::{ErrorCode, Peers};
use trustnet_core::network::{NodeId, Refusal, Write};

use super::signed::Signed;
use super::{Failure, Known, answer, write};
use trustnet_core::network::query::{self, Query};

/// How many peers are told, where it is not said.
const PEERS: u64 = 5;
/// The most peers that are told.
const MAX_PEERS: u64 = 100;

pub async fn node(State(registry): Known, uri: Uri) -> Result<Response, Failure> {
    query::none(uri.query())?;
    let id = of_path(&uri)?;
    let node = registry
        .registrar()
        .read(|directory| directory.get(id).cloned());
    let node = node.ok_or(Refusal::Unknown(id))?;
    Ok(answer::json(StatusCode::OK, &node.record(&registry.now())))
}

pub async fn peers(
    State(registry): Known,
    uri: Uri,
    RawQuery(text): RawQuery,
) -> Result<Response, Failure> {
    let id = of_path(&uri)?;
    let query = Query::parse(text.as_deref(), &["count"])?;
    let count = query.number("count", 1, MAX_PEERS)?.unwrap_or(PEERS);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let drawn = registry.draw();
    let nodes = registry.registrar().read(|directory| {
        let peers = directory.peers(id, count, drawn);
        peers.into_iter().map(Arc::clone).collect::<Vec<_>>()
    });
    let peers = nodes.iter().map(|node| node.peer()).collect();
    Ok(answer::json(StatusCode::OK, &Peers { peers }))
}

pub async fn remove(State(registry): Known, incoming: Request<Body>) -> Result<Response, Failure> {
    let id = of_path(incoming.uri())?;
    let signed = Signed::read_empty(&registry, incoming).await?;
    let signature = signed.signature()?;
    let signer = signature.signer();
    let administrator = registry
        .administrator()
        .filter(|key| key.node_id() == signer);
    let known = registry
        .registrar()
        .read(|directory| directory.get(id).cloned());
    let key = match (administrator, &known) {
        (Some(key), _) => key,
        (None, Some(node)) if signer == id => node.key,
        (None, None) if signer == id => return Err(Refusal::Unknown(id).into()),
        _ => {
            let message = "a node is removed by itself, or by the administrator";
            return Err(Failure::new(ErrorCode::Forbidden, message));
        }
    };
    let proof = signed.verify(&registry, &signature, &key)?;
    write::done(
        &registry,
        &signed,
        id,
        proof.created,
        Write::Remove {
            id,
            proof,
            by_administrator: administrator.is_some(),
        },
    )
    .await
}

/// The node of a path. An id has nothing that could be escaped, so the path is taken as it came: as it was signed.
pub(super) fn of_path(uri: &Uri) -> Result<NodeId, Failure> {
    let id = uri.path().strip_prefix("/api/nodes/").unwrap_or_default();
    let id = id.split('/').next().unwrap_or_default();
    Ok(query::id("node_id", id)?)
}
