//! What the routes share: the directory, who may do what, and how the service is.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use trustnet_api::network::{HealthStatus, RegistryHealth, RegistryRole, ReplicationHealth};
use trustnet_core::network::{NodeId, Now, PublicKey, RegistrySettings};

use crate::forward::Upstream;
use crate::limits::RateLimiter;
use crate::metrics::Metrics;
use crate::registrar::Registrar;
use crate::token::JoinToken;

/// How long a failure of the disk is told, in milliseconds, where nothing was written since.
const FAILURE_TOLD: u64 = 60_000;

/// A registry, as its routes know it.
pub struct Registry {
    registrar: Registrar,
    role: RegistryRole,
    domain: String,
    node_id: NodeId,
    administrator: Option<PublicKey>,
    token: JoinToken,
    heartbeat_interval: u64,
    request_timeout: Duration,
    limiter: RateLimiter,
    metrics: Metrics,
    upstream: Option<Arc<dyn Upstream>>,
    held: Arc<Semaphore>,
    max_held: usize,
    ending: watch::Sender<bool>,
    /// Since when the disk fails, by the steady clock; 0, if it does not.
    failing_since: AtomicU64,
    random: RandomState,
    drawn: AtomicU64,
}

impl Registry {
    /// A registry over a directory. A secondary has its way to the root, a root has none.
    #[must_use]
    pub fn new(
        registrar: Registrar,
        settings: &RegistrySettings,
        node_id: NodeId,
        token: JoinToken,
        upstream: Option<Arc<dyn Upstream>>,
    ) -> Self {
        Self {
            registrar,
            role: settings.role,
            domain: settings.domain.clone(),
            node_id,
            administrator: settings.administrator,
            token,
            heartbeat_interval: settings.liveness.interval,
            request_timeout: Duration::from_millis(settings.limits.request_timeout),
            limiter: RateLimiter::new(
                settings.limits.registration_burst,
                settings.limits.registrations_per_second,
            ),
            metrics: Metrics::default(),
            upstream,
            held: Arc::new(Semaphore::new(settings.limits.held)),
            max_held: settings.limits.held,
            ending: watch::Sender::new(false),
            failing_since: AtomicU64::new(0),
            random: RandomState::new(),
            drawn: AtomicU64::new(0),
        }
    }

    /// The directory.
    #[must_use]
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// What it is in its network.
    #[must_use]
    pub fn role(&self) -> RegistryRole {
        self.role
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        self.registrar.now()
    }

    /// What time it is, in seconds since 1970.
    #[must_use]
    pub fn now_seconds(&self) -> u64 {
        self.now().seconds()
    }

    /// The administrator's key.
    #[must_use]
    pub fn administrator(&self) -> Option<PublicKey> {
        self.administrator
    }

    /// The network's join token.
    #[must_use]
    pub fn token(&self) -> &JoinToken {
        &self.token
    }

    /// How often a heartbeat is awaited, in milliseconds.
    #[must_use]
    pub fn heartbeat_interval(&self) -> u64 {
        self.heartbeat_interval
    }

    /// How long a request may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Who registers too often.
    #[must_use]
    pub fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A secondary's way to its root.
    #[must_use]
    pub fn upstream(&self) -> Option<&dyn Upstream> {
        self.upstream.as_deref()
    }

    /// A random number. Nothing secret hangs on it.
    #[must_use]
    pub fn draw(&self) -> u64 {
        let count = self.drawn.fetch_add(1, Ordering::Relaxed);
        self.random.hash_one(count)
    }

    /// A place among the answers that are held; `None`, if there are too many.
    #[must_use]
    pub fn hold(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.held).try_acquire_owned().ok()
    }

    /// How many answers are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.max_held - self.held.available_permits()
    }

    /// Becomes true when the service ends: nothing is held from then on.
    #[must_use]
    pub fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    /// Ends what is held.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Something could not be stored.
    pub fn store_failed(&self) {
        self.failing_since
            .store(self.now().steady.max(1), Ordering::Relaxed);
    }

    /// Something was stored.
    pub fn store_works(&self) {
        if self.failing_since.load(Ordering::Relaxed) != 0 {
            self.failing_since.store(0, Ordering::Relaxed);
        }
    }

    /// How it stands with the root.
    #[must_use]
    pub fn replication(&self) -> ReplicationHealth {
        match &self.upstream {
            Some(upstream) => upstream.state(),
            None => ReplicationHealth {
                version: self
                    .registrar
                    .read(trustnet_core::network::Directory::version),
                root: None,
                lag_seconds: 0.0,
                queued_writes: 0,
                connected: true,
            },
        }
    }

    /// How the registry is.
    #[must_use]
    pub fn health(&self) -> RegistryHealth {
        let replication = self.replication();
        let mut problems = Vec::new();
        let failing = self.failing_since.load(Ordering::Relaxed);
        if failing != 0 && self.now().steady.saturating_sub(failing) < FAILURE_TOLD {
            problems.push("what is written cannot be stored: see the log, and the disk".to_owned());
        }
        if !replication.connected {
            let root = replication.root.as_deref().unwrap_or("not found yet");
            problems.push(format!("the root does not answer ({root})"));
        }
        let status = if problems.is_empty() {
            HealthStatus::Ok
        } else if replication.version == 0 && !replication.connected {
            HealthStatus::Starting
        } else {
            HealthStatus::Degraded
        };
        RegistryHealth {
            status,
            service: "trustnet-registry".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node_id: self.node_id.to_string(),
            role: self.role,
            domain: self.domain.clone(),
            join_token: self.token.is_wanted(),
            nodes: self
                .registrar
                .read(trustnet_core::network::Directory::counts),
            replication,
            problems,
        }
    }
}
