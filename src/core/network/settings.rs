//! What a registry is configured to do: its file, checked and complete.

mod node;

use std::net::Ipv6Addr;
use std::path::PathBuf;

use trustnet_api::network::{
    BackoffSection, HeartbeatSection, LimitsSection, LogFormat, LogLevel, PersistenceSection,
    REGISTRY_PORT, RegistryConfig, RegistryRole, RegistrySection, ReplicationSection, TlsSection,
};

use super::registration::is_domain;
use super::{Endpoint, Liveness, PublicKey};
use crate::problem::Problem;

pub use node::{GossipPlan, NodeRegistry, NodeSettings};

/// What to do where nobody is said to vouch for registries.
const CA: &str = "add `ca`, a file with the certificate of who signed those of the registries; `/etc/ssl/certs/ca-certificates.crt` has the public ones on Debian";

/// What a registry is configured to do. Times are milliseconds, where nothing else is said.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistrySettings {
    /// What it is in its network.
    pub role: RegistryRole,
    /// The address that it answers at.
    pub address: Ipv6Addr,
    /// The port that it answers at.
    pub port: u16,
    /// The network's domain, in lower case; empty, if none is given.
    pub domain: String,
    /// Where a secondary finds its root.
    pub root: RootPlace,
    /// The file with the network's join token.
    pub join_token_file: Option<PathBuf>,
    /// The administrator's key.
    pub administrator: Option<PublicKey>,
    /// The files of its TLS.
    pub tls: Option<TlsFiles>,
    /// The authorities that vouch for registries, if these are called by TLS.
    pub ca: Option<PathBuf>,
    /// The database's file.
    pub database: PathBuf,
    /// How a secondary follows its root.
    pub replication: ReplicationSettings,
    /// When a node counts as what.
    pub liveness: Liveness,
    /// Copies of the directory.
    pub snapshots: Option<SnapshotSettings>,
    /// What requests may take.
    pub limits: Limits,
    /// The least that is logged.
    pub log_level: LogLevel,
    /// The form of log lines.
    pub log_format: LogFormat,
}

/// Where a secondary finds its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootPlace {
    /// Its address, which is tried first.
    pub address: Option<Endpoint>,
    /// The domain whose `tnr.<domain>` is looked up.
    pub domain: Option<String>,
}

/// The files of a service's TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How a secondary follows its root. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicationSettings {
    /// How often it asks, where the root does not hold its answers.
    pub refresh: u64,
    /// How long it waits for an answer.
    pub timeout: u64,
    /// How many writes it keeps for a root that is away.
    pub max_queued_writes: usize,
    /// The first pause between attempts.
    pub backoff_initial: u64,
    /// The longest pause between attempts.
    pub backoff_max: u64,
    /// What a pause is multiplied by for the next one.
    pub backoff_multiplier: f64,
}

/// How often copies of the directory are made, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// How often, in milliseconds.
    pub interval: u64,
    /// The folder.
    pub folder: PathBuf,
}

/// What requests may take. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// How many connections there may be at once.
    pub connections: usize,
    /// How many registrations an address may send at once.
    pub registration_burst: u32,
    /// How many registrations an address may send in a second, over time.
    pub registrations_per_second: f64,
    /// How long a request's headers may take, and how long a connection may lie idle.
    pub header_timeout: u64,
    /// How long a request may take, from its headers to its answer.
    pub request_timeout: u64,
    /// How many answers may be held at once for changes to come.
    pub held: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 12_000,
            registration_burst: 60,
            registrations_per_second: 10.0,
            header_timeout: 60_000,
            request_timeout: 10_000,
            held: 1024,
        }
    }
}

impl RegistrySettings {
    /// Checks a configuration, and fills in what it does not say.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn resolve(config: &RegistryConfig) -> Result<Self, Vec<Problem>> {
        let mut check = Check::default();
        let registry = &config.registry;
        let settings = Self {
            role: registry.role,
            address: check
                .parsed::<Ipv6Addr>(
                    "registry.ipv6_address",
                    Some(&registry.ipv6_address),
                    "it is no IPv6 address",
                )
                .unwrap_or(Ipv6Addr::UNSPECIFIED),
            port: check.port(registry.port),
            domain: check
                .domain("registry.domain", registry.domain.as_deref())
                .unwrap_or_default(),
            root: check.root(config),
            join_token_file: check.path(
                "registry.join_token_file",
                registry.join_token_file.as_ref(),
            ),
            administrator: check.administrator(registry.administrator_key.as_ref()),
            tls: check.tls("registry.tls", registry.tls.as_ref()),
            ca: check.root_ca(registry),
            database: check
                .path("database.path", Some(&config.database.path))
                .unwrap_or_default(),
            replication: check.replication(config),
            liveness: check.liveness(&config.heartbeat.clone().unwrap_or_default()),
            snapshots: config
                .persistence
                .as_ref()
                .and_then(|persistence| check.snapshots(persistence)),
            limits: check.limits(&config.limits.clone().unwrap_or_default()),
            log_level: config
                .logging
                .as_ref()
                .and_then(|logging| logging.level)
                .unwrap_or(LogLevel::Info),
            log_format: config
                .logging
                .as_ref()
                .and_then(|logging| logging.format)
                .unwrap_or(LogFormat::Json),
        };
        check.done(settings)
    }
}

/// What is wrong so far.
#[derive(Default)]
struct Check(Vec<Problem>);

impl Check {
    fn done<T>(self, settings: T) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() {
            Ok(settings)
        } else {
            Err(self.0)
        }
    }

    fn wrong(&mut self, path: &str, message: impl Into<String>, hint: &str) {
        self.0.push(Problem::error(path, message).hint(hint));
    }

    fn parsed<T: std::str::FromStr>(
        &mut self,
        path: &str,
        text: Option<&String>,
        rule: &str,
    ) -> Option<T> {
        let text = text?;
        let value = text.parse().ok();
        if value.is_none() {
            self.wrong(path, format!("`{text}` is not what belongs here"), rule);
        }
        value
    }

    fn administrator(&mut self, key: Option<&String>) -> Option<PublicKey> {
        let rule = "an Ed25519 key is 32 bytes in Base64";
        self.parsed("registry.administrator_key", key, rule)
    }

    fn tls(&mut self, at: &str, written: Option<&TlsSection>) -> Option<TlsFiles> {
        let written = written?;
        let certificate = self.path(&format!("{at}.certificate"), Some(&written.certificate));
        let key = self.path(&format!("{at}.key"), Some(&written.key));
        Some(TlsFiles {
            certificate: certificate?,
            key: key?,
        })
    }

    /// A network speaks TLS or it does not: what is secret in it must not go plainly over one of two ways.
    fn root_ca(&mut self, registry: &RegistrySection) -> Option<PathBuf> {
        if registry.role == RegistryRole::Secondary
            && registry.tls.is_some()
            && registry.ca.is_none()
        {
            let message = "a secondary that speaks TLS follows a root that does, and verifies it";
            self.wrong("registry.ca", message, CA);
        }
        self.path("registry.ca", registry.ca.as_ref())
    }

    fn port(&mut self, port: Option<u16>) -> u16 {
        if port == Some(0) {
            self.wrong("registry.port", "no one answers at port 0", "8000 is usual");
        }
        port.unwrap_or(REGISTRY_PORT)
    }

    fn domain(&mut self, path: &str, domain: Option<&str>) -> Option<String> {
        let domain = domain?;
        if !is_domain(domain) {
            let rule = "a domain is labels of letters, digits and `-` with dots between";
            self.wrong(path, format!("`{domain}` is no domain"), rule);
        }
        Some(domain.to_ascii_lowercase())
    }

    fn path(&mut self, at: &str, path: Option<&String>) -> Option<PathBuf> {
        let path = path?;
        if path.is_empty() {
            self.wrong(at, "the path is empty", "write the path of a file");
        }
        Some(PathBuf::from(path))
    }

    fn positive(&mut self, path: &str, value: Option<u32>, default: u32) -> u64 {
        if value == Some(0) {
            self.wrong(
                path,
                "0 is no time and no number to go by",
                "write 1 or more",
            );
        }
        u64::from(value.unwrap_or(default))
    }

    /// Seconds to milliseconds.
    fn time(&mut self, path: &str, value: Option<u32>, default: u32) -> u64 {
        self.positive(path, value, default) * 1000
    }

    fn root(&mut self, config: &RegistryConfig) -> RootPlace {
        let registry = &config.registry;
        let at = "registry.root_registry";
        if registry.role == RegistryRole::Root {
            if registry.root_registry.is_some() {
                self.wrong(
                    at,
                    "a root has no root",
                    "take it out, or write `role: secondary`",
                );
            }
            return RootPlace::default();
        }
        let written = registry.root_registry.clone().unwrap_or_default();
        let place = RootPlace {
            address: self.parsed(
                "registry.root_registry.address",
                written.address.as_ref(),
                "write an address and a port, as in `[2001:db8::1]:8000`",
            ),
            domain: self
                .domain("registry.root_registry.domain", written.domain.as_deref())
                .or_else(|| registry.domain.as_ref().map(|d| d.to_ascii_lowercase())),
        };
        if written.address.is_none() && place.domain.is_none() {
            let hint = "give `address`, or a `domain` whose `tnr.<domain>` has the root's address";
            self.wrong(at, "a secondary is to find its root", hint);
        }
        place
    }

    fn replication(&mut self, config: &RegistryConfig) -> ReplicationSettings {
        let written: ReplicationSection = config.replication.clone().unwrap_or_default();
        match (config.registry.role, written.enabled) {
            (RegistryRole::Root, Some(true)) => self.wrong(
                "replication.enabled",
                "a root follows no one",
                "write `false`, or `role: secondary`",
            ),
            (RegistryRole::Secondary, Some(false)) => self.wrong(
                "replication.enabled",
                "a secondary follows its root",
                "write `true`, or `role: root`",
            ),
            _ => {}
        }
        let sync = config
            .node_sync
            .as_ref()
            .and_then(|sync| sync.sync_interval);
        let refresh = self.time(
            "replication.root_refresh_interval",
            written.root_refresh_interval,
            60,
        );
        let sync = self.time("node_sync.sync_interval", sync, u32::MAX);
        let backoff: BackoffSection = written.backoff.unwrap_or_default();
        let initial = self.time("replication.backoff.initial", backoff.initial, 1);
        let max = self.time("replication.backoff.max", backoff.max, 60);
        if max < initial {
            let hint = "let it be as long as `initial`, or longer";
            self.wrong(
                "replication.backoff.max",
                "the longest pause is shorter than the first",
                hint,
            );
        }
        let multiplier = backoff.multiplier.unwrap_or(2.0);
        if !(1.0..=1000.0).contains(&multiplier) {
            let message = format!("pauses cannot grow by {multiplier}");
            self.wrong("replication.backoff.multiplier", message, "write 1 to 1000");
        }
        let queued = self.positive(
            "replication.max_queued_writes",
            written.max_queued_writes,
            5000,
        );
        ReplicationSettings {
            refresh: refresh.min(sync),
            timeout: self.time("replication.sync_timeout", written.sync_timeout, 10),
            max_queued_writes: usize::try_from(queued).unwrap_or(usize::MAX),
            backoff_initial: initial,
            backoff_max: max,
            backoff_multiplier: multiplier,
        }
    }

    fn liveness(&mut self, written: &HeartbeatSection) -> Liveness {
        let interval = self.time("heartbeat.interval", written.interval, 30);
        self.positive("heartbeat.timeout", written.timeout, 5);
        let threshold = self.positive("heartbeat.missing_threshold", written.missing_threshold, 3);
        let offline = interval.saturating_mul(threshold);
        let inactive = self.time("heartbeat.inactive_after", written.inactive_after, 3600);
        let removed = self.time("heartbeat.removed_after", written.removed_after, 86_400);
        if !(offline <= inactive && inactive <= removed) {
            let message = format!(
                "a node is offline after {} s, inactive after {} s, removed after {} s",
                offline / 1000,
                inactive / 1000,
                removed / 1000
            );
            let hint = "let each be as long as the one before it, or longer";
            self.wrong("heartbeat", message, hint);
        }
        Liveness {
            interval,
            offline_after: offline,
            inactive_after: inactive,
            removed_after: removed,
        }
    }

    fn snapshots(&mut self, written: &PersistenceSection) -> Option<SnapshotSettings> {
        let interval = self.time(
            "persistence.snapshot_interval",
            written.snapshot_interval,
            3600,
        );
        if written.snapshot_path.is_none() {
            let message = "there is no folder for the snapshots";
            self.wrong(
                "persistence",
                message,
                "add `snapshot_path`, or leave `persistence` out",
            );
        }
        let folder = self.path("persistence.snapshot_path", written.snapshot_path.as_ref())?;
        Some(SnapshotSettings { interval, folder })
    }

    fn limits(&mut self, written: &LimitsSection) -> Limits {
        let usual = Limits::default();
        let connections = self.positive("limits.connections", written.connections, 12_000);
        let burst = self.positive("limits.registration_burst", written.registration_burst, 60);
        let rate = written
            .registrations_per_second
            .unwrap_or(usual.registrations_per_second);
        if !(0.001..=1e9).contains(&rate) {
            let message = format!("{rate} a second is no rate");
            self.wrong(
                "limits.registrations_per_second",
                message,
                "write 0.001 or more",
            );
        }
        Limits {
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            registration_burst: u32::try_from(burst).unwrap_or(u32::MAX),
            registrations_per_second: rate,
            header_timeout: self.time("limits.header_timeout", written.header_timeout, 60),
            request_timeout: self.time("limits.request_timeout", written.request_timeout, 10),
            held: usual.held,
        }
    }
}

#[cfg(test)]
mod tests;
