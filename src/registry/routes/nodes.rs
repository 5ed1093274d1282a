//! `GET /api/nodes`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use trustnet_api::network::{MAX_PAGE, NodeList, NodeState};

use trustnet_core::network::Node;

use super::{Failure, Known, answer};
use trustnet_core::network::query::Query;

/// The words of the parameter `state`.
const STATES: [(&str, NodeState); 4] = [
    ("active", NodeState::Active),
    ("offline", NodeState::Offline),
    ("inactive", NodeState::Inactive),
    ("banned", NodeState::Banned),
];

/// How many nodes are looked at while heartbeats wait.
const AT_ONCE: usize = 5_000;

pub async fn nodes(State(registry): Known, RawQuery(text): RawQuery) -> Result<Response, Failure> {
    let query = Query::parse(text.as_deref(), &["state", "limit", "after"])?;
    let state = query.word("state", &STATES)?;
    let limit = query
        .number("limit", 1, MAX_PAGE as u64)?
        .unwrap_or(MAX_PAGE as u64);
    let limit = usize::try_from(limit).unwrap_or(MAX_PAGE);
    let mut after = query.id("after")?;
    let mut found = Vec::new();
    let wanted = |node: &Arc<Node>| state.is_none_or(|state| state == node.state);
    let version = loop {
        let (version, looked, last) = registry.registrar().read(|directory| {
            let mut last = None;
            let mut looked = 0;
            let nodes: Box<dyn Iterator<Item = &Arc<Node>>> = match state {
                Some(NodeState::Banned) => Box::new(directory.banned_after(after)),
                _ => Box::new(directory.after(after)),
            };
            for node in nodes.take(AT_ONCE) {
                looked += 1;
                last = Some(node.id);
                if wanted(node) {
                    found.push(Arc::clone(node));
                    if found.len() > limit {
                        break;
                    }
                }
            }
            (directory.version(), looked, last)
        });
        if found.len() > limit || looked < AT_ONCE {
            break version;
        }
        after = last;
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|node| node.id.to_string());
    let now = registry.now();
    let list = NodeList {
        nodes: found.iter().map(|node| node.record(&now)).collect(),
        next,
        version,
    };
    Ok(answer::json(StatusCode::OK, &list))
}
