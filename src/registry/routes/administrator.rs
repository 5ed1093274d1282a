//! `/api/nodes/{node_id}/ban`: what the administrator decides.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use trustnet_api::network::ErrorCode;
use trustnet_core::network::Write;

use super::node::of_path;
use super::signed::Signed;
use super::{Failure, Known, write};
use crate::follower::inherited::Inherited;
use crate::registry::Registry;

pub async fn ban(State(registry): Known, incoming: Request<Body>) -> Result<Response, Failure> {
    decide(&registry, incoming, true).await
}

pub async fn unban(State(registry): Known, incoming: Request<Body>) -> Result<Response, Failure> {
    decide(&registry, incoming, false).await
}

async fn decide(
    registry: &Registry,
    incoming: Request<Body>,
    banned: bool,
) -> Result<Response, Failure> {
    let id = of_path(incoming.uri())?;
    let inherited = incoming.extensions().get::<Inherited>().is_some();
    let signed = Signed::read_empty(registry, incoming).await?;
    let signature = signed.signature()?;
    let administrator = registry.administrator();
    let Some(key) = administrator.filter(|key| key.node_id() == signature.signer()) else {
        let message = "only the administrator keeps nodes out, by the key that the registry's configuration names";
        return Err(Failure::new(ErrorCode::Forbidden, message));
    };
    let proof = signed.verify(registry, &signature, &key)?;
    // A secondary may not know of who left: the root says whether there is such a node.
    let what = Write::Ban {
        id,
        banned,
        proof,
        inherited,
    };
    write::done(registry, &signed, id, proof.created, what).await
}
