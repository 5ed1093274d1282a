//! `POST /api/register`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use trustnet_api::network::{
    ChangeType, ErrorCode, RegisterAnswer, RegisterRequest, RegisterStatus,
};
use trustnet_core::network::{NodeId, Refusal, Registration, Write};

use super::signed::{self, Signed};
use super::{Failure, Known, answer, request, write};
use crate::follower::inherited::Inherited;
use crate::registrar::Written;
use crate::registry::Registry;

/// How many peers a new node is told.
const PEERS: usize = 5;

pub async fn register(
    State(registry): Known,
    Extension(from): Extension<SocketAddr>,
    incoming: Request<Body>,
) -> Result<Response, Failure> {
    // A secondary brings what many sent it, and shows that it is one; or this registry was one itself.
    let inherited = incoming.extensions().get::<Inherited>().is_some();
    let forwarded = inherited
        || (registry.token().is_wanted() && signed::is_forwarded(&registry, incoming.headers()));
    if !forwarded && let Err(seconds) = registry.limiter().take(from.ip(), registry.now().steady) {
        let message = "too many registrations from this address";
        return Err(Failure::new(ErrorCode::RateLimited, message).retry(seconds));
    }
    let signed = Signed::read(&registry, incoming).await?;
    let body: RegisterRequest = request::json(signed.headers(), &signed.body)?;
    let registration = Registration::check(&body)?;
    let signature = signed.signature()?;
    let proof = signed.verify(&registry, &signature, registration.key())?;
    let id = registration.id();
    let admitted = registry.token().admits(signed.authorization());
    if let Some(upstream) = registry.upstream() {
        // A stranger must not fill the queue.
        let known = registry
            .registrar()
            .read(|directory| directory.get(id).is_some());
        if !known && !admitted {
            return Err(Refusal::JoinToken.into());
        }
        return write::forward(&registry, upstream, &signed, id, proof.created).await;
    }
    let what = Write::Register {
        registration,
        proof,
        admitted,
    };
    let written = write::write(&registry, what).await?;
    let status = match written {
        Written::Changed(entry) if entry.change == ChangeType::NodeRegistered => {
            StatusCode::CREATED
        }
        _ => StatusCode::OK,
    };
    Ok(answer::json(status, &welcome(&registry, id)))
}

fn welcome(registry: &Arc<Registry>, id: NodeId) -> RegisterAnswer {
    let drawn = registry.draw();
    let peers = registry.registrar().read(|directory| {
        let peers = directory.peers(id, PEERS, drawn);
        peers.into_iter().cloned().collect::<Vec<_>>()
    });
    RegisterAnswer {
        status: RegisterStatus::Success,
        node_id: id.to_string(),
        peers: peers.iter().map(|node| node.peer()).collect(),
        heartbeat_interval: registry.heartbeat_interval() / 1000,
    }
}
