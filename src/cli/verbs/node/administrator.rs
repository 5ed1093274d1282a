//! What the administrator decides of a node, wherever it is.

use std::path::Path;

use trustnet_api::network::NodeRecord;
use trustnet_core::network::NodeId;
use trustnet_core::network::signature::SigningKey;
use trustnet_core::readiness::clean;

use super::super::promote::confirm;
use super::super::registry::all_nodes;
use super::{Came, Decision, registry, tell};
use crate::Program;
use crate::args::ToldRegistry;
use crate::contact::Contact;
use crate::failure::{Exit, Failure};

/// Decides it, with the administrator's key.
///
/// # Errors
/// The key or the node is not there, nobody says yes, or the registry refuses.
pub fn decide(
    program: &Program,
    decision: Decision,
    told: &ToldRegistry,
    node: &str,
    key: &Path,
) -> Result<Came, Failure> {
    let key = read_key(key)?;
    let mut registry = registry(program, told)?;
    let (id, who) = wanted(&mut registry, decision, node)?;
    program.ui.always(format!(
        "{}, with the administrator's key: {who}, in the directory of `{}`",
        decision.doing(),
        registry.name
    ));
    confirm(program, decision.doing())?;
    tell(&mut registry, decision, id, &key)
}

fn read_key(file: &Path) -> Result<SigningKey, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("failed to read `{}`: {error}", file.display()),
        )
    })?;
    SigningKey::from_pem(&text).ok_or_else(|| {
        let message = format!("`{}` holds no Ed25519 key", file.display());
        Failure::new(Exit::Usage, message)
            .hint("make one with `openssl genpkey -algorithm ed25519`; PKCS#8 in PEM is read")
    })
}

/// The node of that name or id, and who it is, in words.
fn wanted(
    registry: &mut Contact,
    decision: Decision,
    node: &str,
) -> Result<(NodeId, String), Failure> {
    let (nodes, _) = all_nodes(registry)?;
    let mut nodes = nodes.iter();
    let Some(found) = nodes.find(|one| one.node_name == node || one.node_id == node) else {
        // Who left is still everybody's peer in gossip, and is kept out by its id.
        return match (decision, node.parse::<NodeId>()) {
            (Decision::Ban, Ok(id)) => Ok((id, format!("{id}, which is not there now"))),
            _ => Err(unknown(registry, node)),
        };
    };
    let id = found.node_id.parse::<NodeId>().map_err(|error| {
        let message = format!("`{}`: {error}", clean(&found.node_id));
        Failure::new(Exit::Provision, message)
    })?;
    Ok((id, words(found, id)))
}

fn words(node: &NodeRecord, id: NodeId) -> String {
    format!(
        "`{}` ({id}, [{}]:{})",
        clean(&node.node_name),
        node.ipv6_address,
        node.port
    )
}

fn unknown(registry: &Contact, node: &str) -> Failure {
    let message = format!(
        "the directory of `{}` has no node `{}`",
        registry.name,
        clean(node)
    );
    Failure::new(Exit::Usage, message).hint("`trustnet-vm registry nodes` lists them")
}
