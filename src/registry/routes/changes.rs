//! `GET /api/changes`.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use trustnet_api::network::{Changes, ErrorCode};
use trustnet_core::network::LogEntry;

use super::{Failure, Known, answer};
use crate::registry::Registry;
use trustnet_core::network::query::Query;

/// The most changes of an answer.
const MAX_CHANGES: u64 = 1000;
/// The longest that an answer is held, in seconds.
const MAX_WAIT: u64 = 60;

pub async fn changes(
    State(registry): Known,
    RawQuery(text): RawQuery,
) -> Result<Response, Failure> {
    let query = Query::parse(text.as_deref(), &["since", "limit", "wait"])?;
    let Some(since) = query.number("since", 0, u64::MAX)? else {
        return Err(Failure::field(
            "since",
            "it is missing: the version that you have",
        ));
    };
    let limit = query
        .number("limit", 1, MAX_CHANGES)?
        .unwrap_or(MAX_CHANGES);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let wait = query.number("wait", 0, MAX_WAIT)?.unwrap_or(0);
    let mut found = look(&registry, since, limit)?;
    if found.is_empty() && wait > 0 {
        held(&registry, since, Duration::from_secs(wait)).await;
        found = look(&registry, since, limit)?;
    }
    let now = registry.now();
    let changes = Changes {
        from_version: since,
        to_version: found.last().map_or(since, |entry| entry.version),
        changes: found.iter().map(|entry| entry.wire(&now)).collect(),
    };
    Ok(answer::json(StatusCode::OK, &changes))
}

fn look(registry: &Registry, since: u64, limit: usize) -> Result<Vec<LogEntry>, Failure> {
    let found = registry.registrar().read(|directory| {
        let found = directory.changes(since, limit)?;
        Some(found.into_iter().cloned().collect())
    });
    found.ok_or_else(|| {
        let message = "the changes since that version are not known here: take a snapshot";
        Failure::new(ErrorCode::Gone, message)
    })
}

/// Waits for a version after that, for the end of the time, or for the end of the service. Where too many wait already
/// it does not: anybody may take the places, and a follower that is refused would take its root for lost.
async fn held(registry: &Registry, since: u64, time: Duration) {
    let Some(_place) = registry.hold() else {
        return;
    };
    let mut versions = registry.registrar().versions();
    let mut ending = registry.ending();
    tokio::select! {
        _ = versions.wait_for(|version| *version != since) => {}
        _ = ending.wait_for(|ending| *ending) => {}
        () = tokio::time::sleep(time) => {}
    }
}
