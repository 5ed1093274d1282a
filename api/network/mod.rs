//! What registries and nodes say to one another: JSON over HTTP, `snake_case`.
//!
//! Answers may gain fields; requests with unknown fields are refused.

mod answer;
mod change;
mod config;
mod health;
mod heartbeat;
mod node_config;
mod node_record;
pub mod openapi;
mod register;
mod whole;

pub use answer::{Done, ErrorBody, ErrorCode, Queued};
pub use change::{Change, ChangeType, Changes, Snapshot};
pub use config::{
    BackoffSection, DatabaseEngine, DatabaseSection, HeartbeatSection, LimitsSection, LogFormat,
    LogLevel, LoggingSection, LookupMethod, NodeSyncSection, PersistenceSection, RegistryConfig,
    RegistrySection, ReplicationSection, RootRegistrySection, TlsSection,
};
pub use health::{
    HealthStatus, NodeCounts, NodeHealth, NodeRegistryHealth, NotIncluded, PeerCounts,
    RegistryHealth, RegistryRole, ReplicationHealth,
};
pub use heartbeat::{Heartbeat, HeartbeatAnswer, HeartbeatStatus};
pub use node_config::{
    ConsensusSection, GossipSection, NodeConfig, NodeHeartbeatSection, NodeRegistrySection,
    NodeRegistryType, NodeSection, TransactionPoolSection,
};
pub use node_record::{NodeList, NodeRecord, NodeState, PeerInformationSource};
pub use register::{Peer, Peers, RegisterAnswer, RegisterRequest, RegisterStatus};

/// The port of a registry, where nothing else is said.
pub const REGISTRY_PORT: u16 = 8000;
/// The port of a node, where nothing else is said.
pub const NODE_PORT: u16 = 9000;
/// The first label of the DNS name under which a domain's registries are found.
pub const REGISTRY_LABEL: &str = "tnr";
/// The most bytes that a request's body may have.
pub const MAX_BODY: usize = 64 * 1024;
/// The most node records of a page.
pub const MAX_PAGE: usize = 1000;
/// How long a signature is good, in seconds, after and before its `created`.
pub const SIGNATURE_LIFE: u64 = 300;

/// What a node's id looks like: `0x` and the first 16 hex digits of SHA-256 over its public key.
pub const NODE_ID: &str = "^0x[0-9a-f]{16}$";
/// What an address with a port looks like. Whether the address is one is not to be seen by that.
const ENDPOINT: &str = r"^(\[[0-9A-Fa-f:.]{2,45}(%[0-9]+)?\]|[0-9.]{7,15}):[1-9][0-9]{0,4}$";

/// Header of a secondary's answers: how many seconds it lags behind the root.
pub const REPLICA_LAG: &str = "trustnet-replica-lag";
/// Header of a forwarded write: when the secondary took it, RFC 3339.
pub const QUEUED_AT: &str = "trustnet-queued-at";
/// Header of a forwarded write: the forwarder's own `Bearer …` with the join token. The node's stays in `Authorization`:
/// that a secondary may forward admits no new key.
pub const FORWARDER: &str = "trustnet-forwarder";
/// How long a secondary may keep a write for its root, in seconds.
pub const QUEUE_LIFE: u64 = 24 * 60 * 60;
