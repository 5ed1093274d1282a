//! What a secondary hands on to its root.

use std::future::Future;
use std::pin::Pin;

use axum::body::Bytes;
use trustnet_api::network::ReplicationHealth;
use trustnet_core::network::signature::SignatureHeaders;
use trustnet_core::network::{NodeId, ReplicaCounts};

/// A signed write, whole: as it came, so that the root can verify it as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// Whose node it writes.
    pub node: NodeId,
    /// Whose key signed it: the node's, or the administrator's.
    pub signer: NodeId,
    /// The method.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// The headers that sign it.
    pub signature: SignatureHeaders,
    /// When it was signed: seconds since 1970.
    pub created: u64,
    /// The value of `Authorization`, if there is one.
    pub authorization: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// What became of a write that was handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The root has answered.
    Answer {
        /// The answer's status.
        status: u16,
        /// The answer's `Retry-After`, if there is one.
        retry_after: Option<String>,
        /// The answer's body, JSON.
        body: Bytes,
    },
    /// The root is away; the write is kept, durably, until it is back.
    Queued,
    /// The root is away; the write was kept already. Or the heartbeat is kept in memory, until the root is back or a newer
    /// one comes.
    Kept,
    /// The root is away, and the write is not kept.
    NotKept {
        /// Why not.
        why: NotKept,
        /// When to try again, in seconds.
        retry_after: u64,
    },
}

/// Why a write is not kept for a root that is away. What the disk said is for the log of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// As many are kept as may be.
    #[error("the root takes no writes now, and this registry can keep no more for it")]
    Full,
    /// The disk took it not.
    #[error("the registry cannot store this now; nothing was changed")]
    Disk,
    /// As many of its key are kept as may be, or of the second in which it was signed.
    #[error(
        "the root takes no writes now, and this registry can keep no more of this key for it: try again when it is back"
    )]
    TooMany,
    /// The service ends.
    #[error("the registry is shutting down")]
    Ending,
}

/// A future that may be sent to another thread.
pub type Coming<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A secondary's way to its root.
pub trait Upstream: Send + Sync + 'static {
    /// Hands a verified write on.
    fn submit(&self, request: SignedRequest) -> Coming<'_, Submitted>;

    /// How it stands with the root.
    fn state(&self) -> ReplicationHealth;

    /// What was counted since the start.
    fn counts(&self) -> ReplicaCounts {
        ReplicaCounts::default()
    }

    /// Lets the root and all else go: the service ends.
    fn end(&self) {}
}
