//! The configuration file of a registry.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::RegistryRole;

/// The configuration file of a registry. Times are seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// Who the registry is, and where it answers.
    pub registry: RegistrySection,
    /// Where the directory is kept.
    pub database: DatabaseSection,
    /// How a secondary follows its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<ReplicationSection>,
    /// When a node counts as what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HeartbeatSection>,
    /// Copies of the directory, beside the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<PersistenceSection>,
    /// How a secondary tracks the nodes of its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_sync: Option<NodeSyncSection>,
    /// What requests may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSection>,
    /// What is logged, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<LoggingSection>,
}

/// Who a registry is, and where it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistrySection {
    /// What it is in its network.
    pub role: RegistryRole,
    /// The address that it answers at; `::` for every one of the machine.
    pub ipv6_address: String,
    /// The port; 8000, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The network's domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Where a secondary finds its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_registry: Option<RootRegistrySection>,
    /// A file with the network's join token; without one any key is admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_token_file: Option<String>,
    /// The administrator's Ed25519 key, 32 bytes in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator_key: Option<String>,
    /// TLS; without it the registry speaks plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSection>,
    /// A file with the certificates, PEM, of the authorities that vouch for the network's registries: these speak TLS
    /// then, and a secondary calls its root by it. Without it registries are called by plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// Where a secondary finds its root. The address is tried first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootRegistrySection {
    /// Its address, as `[address]:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The domain whose name `tnr.<domain>` has the root's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// How the domain is looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_method: Option<LookupMethod>,
}

/// How a registry is found by a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LookupMethod {
    /// By the AAAA records of `tnr.<domain>`.
    Dns,
}

/// The files of a service's TLS. Renewed ones are taken up by the next connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// A file with the certificates, PEM, the service's own first.
    pub certificate: String,
    /// A file with the private key, PEM, that only its owner may read.
    pub key: String,
}

/// Where the directory is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSection {
    /// The engine.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<DatabaseEngine>,
    /// The database's file; its folder holds the registry's other data.
    pub path: String,
    /// Carried: one connection writes, and reads come from memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
}

/// The engine of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseEngine {
    /// SQLite.
    Sqlite,
}

/// How a secondary follows its root.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicationSection {
    /// Whether it does: false on the root, true on a secondary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How often it asks, where the root does not hold its answers; 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_refresh_interval: Option<u32>,
    /// How long it waits for an answer; 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_timeout: Option<u32>,
    /// How many writes it keeps for a root that is away; 5000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_queued_writes: Option<u32>,
    /// How it spaces its attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffSection>,
}

/// How attempts are spaced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackoffSection {
    /// The first pause; 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<u32>,
    /// The longest pause; 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// What a pause is multiplied by for the next one; 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<f64>,
}

/// When a node counts as what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatSection {
    /// How often a heartbeat is awaited; 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
    /// Carried: missed heartbeats are counted; how long a heartbeat's answer may take is the node's to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// After how many missed ones a node is offline; 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_threshold: Option<u32>,
    /// After how long without one a node is inactive; 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_after: Option<u32>,
    /// After how long without one a node is removed; 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_after: Option<u32>,
}

/// Copies of the directory, beside the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = other_names)]
pub struct PersistenceSection {
    /// How often one is made; 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_interval: Option<u32>,
    /// The folder that they are put into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_path: Option<String>,
}

/// A secondary's file calls its snapshots backups.
fn other_names(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(|p| p.as_object_mut()) else {
        return;
    };
    for (other, name) in [
        ("backup_interval", "snapshot_interval"),
        ("backup_path", "snapshot_path"),
    ] {
        let Some(mut property) = properties.get(name).cloned() else {
            continue;
        };
        property["description"] = json!(format!("Another name of `{name}`."));
        property["x-alias-of"] = json!(name);
        properties.insert(other.to_owned(), property);
    }
}

/// How a secondary tracks the nodes of its root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeSyncSection {
    /// Whether it does: a secondary always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// As `replication.root_refresh_interval`; the shorter of both counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_interval: Option<u32>,
}

/// What requests may take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSection {
    /// How many connections there may be at once; 12000, and fewer where the system allows fewer files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// How many registrations an address (a /64 of IPv6) may send at once; 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_burst: Option<u32>,
    /// How many registrations an address may send in a second, over time; 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registrations_per_second: Option<f64>,
    /// How long the headers of a request may take, and how long a connection may lie idle; 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_timeout: Option<u32>,
    /// How long a request may take, from its headers to its answer; 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<u32>,
}

/// What a service logs, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoggingSection {
    /// The least that is logged; `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    /// The form of the lines; `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<LogFormat>,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// The service failed at something.
    Error,
    /// Something is to be looked at.
    Warn,
    /// What it does.
    Info,
    /// How it does it.
    Debug,
    /// Everything.
    Trace,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A JSON object a line.
    Json,
    /// Words, for people.
    Text,
}
