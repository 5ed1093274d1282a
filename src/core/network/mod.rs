//! A TrustNet's directory, decided from values: who is in it, who is heard of, what changed.
//!
//! Nothing here opens a socket, reads a clock or draws a random number: registries and nodes bring what
//! they heard, when that was, and what they drew. So a whole network runs in one test, on a clock of its own.

mod backoff;
mod batch;
pub mod body;
mod change;
mod directory;
mod endpoint;
mod identity;
mod liveness;
mod member;
mod node;
mod now;
mod outbox;
pub mod query;
pub mod queued;
mod refusal;
mod registration;
mod replica;
mod settings;
pub mod signature;

pub use backoff::Backoff;
pub use batch::{Batch, Offer};
pub use change::{Gap, LogEntry};
pub use directory::{Beaten, Directory, Left};
pub use endpoint::{Endpoint, EndpointError};
pub use identity::{NodeId, PublicKey};
pub use liveness::Liveness;
pub use member::{Action, Answer, Event, Member, MemberSettings, Standing};
pub use node::{Node, Proof, Signed};
pub use now::Now;
pub use refusal::Refusal;
pub use registration::is_domain;
pub use registration::{Registration, is_node_name};
pub use replica::{
    Action as ReplicaAction, Asked, Event as ReplicaEvent, Kind, Probe, Replica, ReplicaCounts,
    ReplicaSettings, Sent,
};
pub use settings::{
    GossipPlan, Limits, NodeRegistry, NodeSettings, RegistrySettings, ReplicationSettings,
    RootPlace, SnapshotSettings, TlsFiles,
};

/// What is to be written into the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A node registers.
    Register {
        /// What it says of itself.
        registration: Registration,
        /// Its signature.
        proof: Proof,
        /// Whether a new key may come in: the join token was right, or none is asked for.
        admitted: bool,
    },
    /// A node is taken out, by itself or by the administrator.
    Remove {
        /// Which.
        id: NodeId,
        /// The signature, of whoever may do that.
        proof: Proof,
        /// Whether it is the administrator's, and not the node's own.
        by_administrator: bool,
    },
    /// A node is kept out, or let in again, by the administrator.
    Ban {
        /// Which.
        id: NodeId,
        /// Whether it is to be kept out.
        banned: bool,
        /// The administrator's signature.
        proof: Proof,
        /// Whether this registry took it before it became the root, and kept it in its own queue since.
        inherited: bool,
    },
    /// A node that was not heard of beats again.
    Revive {
        /// Which.
        id: NodeId,
    },
    /// A node was not heard of, as [`Directory::sweep`] found.
    Decline {
        /// Which.
        id: NodeId,
        /// The steady time of the last beat when that was found: a beat since then makes this void.
        beat_at: u64,
        /// What it declines to; `None` removes it.
        to: Option<trustnet_api::network::NodeState>,
    },
}

impl Write {
    /// The node that is written.
    #[must_use]
    pub fn id(&self) -> NodeId {
        match self {
            Self::Register { registration, .. } => registration.id(),
            Self::Remove { id, .. }
            | Self::Ban { id, .. }
            | Self::Revive { id }
            | Self::Decline { id, .. } => *id,
        }
    }
}
