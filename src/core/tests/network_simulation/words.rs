//! What the actors say to one another.

use trustnet_api::network::{Change, NodeRecord};
use trustnet_core::network::{NodeId, Probe, Proof, Registration};

/// A signed write or heartbeat.
#[derive(Debug, Clone)]
pub struct Signed {
    pub proof: Proof,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Register(Registration),
    Remove(NodeId),
    Beat(NodeId, u64),
}

impl Signed {
    pub fn id(&self) -> NodeId {
        match &self.what {
            What::Register(registration) => registration.id(),
            What::Remove(id) | What::Beat(id, _) => *id,
        }
    }
}

#[derive(Debug, Clone)]
pub enum Request {
    Probe,
    Snapshot,
    /// Whether a node is there, and at this port.
    Find(NodeId, u16),
    Changes {
        since: u64,
        hold: u64,
    },
    /// With the time at which a secondary took it, by its wall clock.
    Signed(Signed, Option<i64>),
}

/// An answer, by its status.
#[derive(Debug, Clone)]
pub enum Answer {
    Probe(Probe),
    Snapshot(u64, Vec<NodeRecord>),
    Changes(Vec<Change>),
    Gone,
    /// 200, 201.
    Done,
    /// 202.
    Queued,
    /// 401.
    Expired,
    /// 404.
    Unknown,
    /// 409.
    Replayed,
    /// 409.
    Stale,
    /// Any other 4xx.
    Refused,
    /// 503.
    Unavailable,
}

#[derive(Debug, Clone)]
pub enum Timer {
    // The root's.
    Commit,
    Store,
    Sweep,
    Held(u64),
    // A secondary's.
    Wake,
    Entered,
    /// A call was not answered in time; a node's, too.
    TimedOut(u64),
    // A node's.
    Act,
}
