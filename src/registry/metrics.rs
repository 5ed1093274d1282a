//! `GET /metrics`: what is counted, as OpenMetrics text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use trustnet_api::network::RegistryRole;
use trustnet_core::network::query;

use crate::registry::Registry;
use crate::routes::Failure;

/// The routes that are counted apart, by how their paths begin; the last is all others.
const ROUTES: [&str; 8] = [
    "/api/health",
    "/api/register",
    "/api/heartbeat",
    "/api/nodes",
    "/api/snapshot",
    "/api/changes",
    "/metrics",
    "other",
];
/// The classes of statuses: 1xx to 5xx.
const CLASSES: usize = 5;
/// The upper bounds of the times that are counted, in microseconds.
const BOUNDS: [u64; 8] = [
    100, 500, 1_000, 5_000, 25_000, 100_000, 1_000_000, 10_000_000,
];

/// What is counted.
#[derive(Default)]
pub struct Metrics {
    answers: [[AtomicU64; CLASSES]; ROUTES.len()],
    times: [AtomicU64; BOUNDS.len() + 1],
    time: AtomicU64,
    connections: AtomicU64,
    connections_refused: AtomicU64,
}

impl Metrics {
    /// Counts an answer. Held answers are no measure of anything: their time is not counted.
    pub fn answered(&self, route: usize, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1;
        if let Some(count) = self.answers.get(route).and_then(|route| route.get(class)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if ROUTES.get(route) == Some(&"/api/changes") {
            return;
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.times.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.time.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts a connection, for as long as what is returned lives.
    pub fn connected(&self) -> Connected<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(&self.connections)
    }

    /// Counts a connection that was one too many.
    pub fn refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that is counted.
pub struct Connected<'a>(&'a AtomicU64);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// As which route a path is counted.
#[must_use]
pub fn route(path: &str) -> usize {
    let of = |route: &str| {
        path.strip_prefix(route)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ROUTES
        .iter()
        .position(|route| of(route))
        .unwrap_or(ROUTES.len() - 1)
}

/// `GET /metrics`.
///
/// # Errors
/// It is asked with a parameter.
pub async fn metrics(
    State(registry): State<std::sync::Arc<Registry>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    query::none(query.as_deref())?;
    let text = text(&registry);
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

fn text(registry: &Registry) -> String {
    let metrics = registry.metrics();
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let mut page = Page::default();
    page.family(
        "requests",
        "counter",
        "Answers, by route and class of status",
    );
    for (route, classes) in ROUTES.iter().zip(&metrics.answers) {
        for (class, count) in classes.iter().enumerate() {
            let labels = format!("{{route=\"{route}\",class=\"{}xx\"}}", class + 1);
            let count = load(count);
            if count > 0 {
                page.value("requests_total", &labels, count);
            }
        }
    }
    page.family(
        "request_seconds",
        "histogram",
        "How long answers took, held ones left out",
    );
    let mut sum = 0;
    for (index, count) in metrics.times.iter().enumerate() {
        sum += load(count);
        let bound = BOUNDS.get(index).map(|bound| seconds(*bound));
        let bound = bound.unwrap_or_else(|| "+Inf".to_owned());
        page.value(
            "request_seconds_bucket",
            &format!("{{le=\"{bound}\"}}"),
            sum,
        );
    }
    page.value("request_seconds_count", "", sum);
    page.value("request_seconds_sum", "", seconds(load(&metrics.time)));
    page.family("connections", "gauge", "Open connections");
    page.value("connections", "", load(&metrics.connections));
    page.family(
        "connections_refused",
        "counter",
        "Connections over the limit",
    );
    page.value(
        "connections_refused_total",
        "",
        load(&metrics.connections_refused),
    );
    directory(registry, &mut page);
    page.0.push_str("# EOF\n");
    page.0
}

fn directory(registry: &Registry, page: &mut Page) {
    let health = registry.health();
    page.family("nodes", "gauge", "Nodes of the directory, by state");
    let counts = health.nodes;
    for (state, count) in [
        ("active", counts.active),
        ("offline", counts.offline),
        ("inactive", counts.inactive),
        ("banned", counts.banned),
    ] {
        page.value("nodes", &format!("{{state=\"{state}\"}}"), count);
    }
    let replication = health.replication;
    page.family("directory_version", "gauge", "The directory's version");
    page.value("directory_version", "", replication.version);
    page.family(
        "replica_lag_seconds",
        "gauge",
        "How far behind the root; 0 on the root",
    );
    page.value("replica_lag_seconds", "", replication.lag_seconds);
    page.family("queued_writes", "gauge", "Writes that wait for the root");
    page.value("queued_writes", "", replication.queued_writes);
    page.family(
        "root_connected",
        "gauge",
        "Whether the root answers; 1 on the root",
    );
    page.value("root_connected", "", u8::from(replication.connected));
    page.family(
        "followers",
        "gauge",
        "Questions for changes that are held just now: one of each secondary that is connected",
    );
    page.value("followers", "", registry.held());
    if let Some(upstream) = registry.upstream() {
        let counts = upstream.counts();
        page.family(
            "replica_events",
            "counter",
            "How often the root was found and lost, snapshots taken in, and queued writes that the root took or refused for good",
        );
        for (event, count) in [
            ("connected", counts.connected),
            ("lost", counts.lost),
            ("loaded", counts.loaded),
            ("delivered", counts.delivered),
            ("dropped", counts.dropped),
        ] {
            page.value(
                "replica_events_total",
                &format!("{{event=\"{event}\"}}"),
                count,
            );
        }
    }
    page.family("healthy", "gauge", "Whether the registry does its work");
    page.value("healthy", "", u8::from(health.problems.is_empty()));
    let role = match health.role {
        RegistryRole::Root => "root",
        RegistryRole::Secondary => "secondary",
    };
    page.family("build", "info", "The program");
    let labels = format!("{{version=\"{}\",role=\"{role}\"}}", health.version);
    page.value("build_info", &labels, 1);
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = write!(
            self.0,
            "# HELP trustnet_registry_{name} {help}.\n# TYPE trustnet_registry_{name} {kind}\n"
        );
    }

    fn value(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "trustnet_registry_{name}{labels} {value}");
    }
}
