//! A node's way into the directory, and what keeps it there.
//!
//! A [`Member`] is told what happened and says what is to be done. It looks for a registry in rounds: its own, the
//! configured one, those of `tnr.<domain>`, those of earlier runs, those of its peers; each is asked to register the
//! node until one does. Then it beats, and registers again when a registry does not know it any more. It ends never.

mod answers;
mod candidates;
mod machine;
#[cfg(test)]
mod tests;

use trustnet_api::network::ErrorCode;

use super::{Backoff, Endpoint};

pub use machine::Member;

/// What a member needs to know. Times are milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberSettings {
    /// The registry in the node's own process.
    pub integrated: Option<Endpoint>,
    /// The registry that is configured.
    pub configured: Option<Endpoint>,
    /// Whether registries are looked up under `tnr.<domain>`.
    pub lookup: bool,
    /// The registries of earlier runs, the best first.
    pub remembered: Vec<Endpoint>,
    /// How often a heartbeat is sent. A registry that awaits it more often gets it more often.
    pub interval: u64,
    /// After how long a call counts as not answered.
    pub timeout: u64,
    /// How often peers are asked for.
    pub peers_interval: u64,
    /// How long is waited after a round in which no registry answered.
    pub backoff: Backoff,
    /// Any number of this node's own, its id's bytes for one: it spreads the calls of many nodes over the time.
    pub spread: u64,
}

/// What happened. A `ticket` is that of the [`Action`] which is answered: late answers change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed: [`Member::wake_at`] has come, or the member starts.
    Tick,
    /// The registries of `tnr.<domain>`, in the order of the answer; none, if there was no answer.
    Resolved {
        /// Of [`Action::Resolve`].
        ticket: u64,
        /// Where they are.
        registries: Vec<Endpoint>,
    },
    /// A registry answered, or did not.
    Answered {
        /// Of the call.
        ticket: u64,
        /// What it said.
        answer: Answer,
    },
    /// Peers told of registries: gossip did, or a registry's list of peers.
    Heard {
        /// Where they are.
        registries: Vec<Endpoint>,
    },
}

/// What a registry said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The node is in the directory (200 or 201).
    Registered {
        /// How often a heartbeat is awaited, in milliseconds.
        interval: u64,
    },
    /// The registry will bring the registration to the root (202).
    Queued,
    /// The heartbeat was taken, or will be brought to the root.
    Beaten,
    /// The directory has this node as it is now.
    Present,
    /// The directory does not have this node, or not as it is now.
    Absent,
    /// The registry refused.
    Refused {
        /// Why.
        code: ErrorCode,
        /// Why, in its words.
        message: String,
        /// How long it asks to wait, in milliseconds.
        retry_after: Option<u64>,
    },
    /// There was no answer, or none that could be read.
    Failed(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Look the registries of `tnr.<domain>` up: [`Event::Resolved`].
    Resolve {
        /// Comes back with the answer.
        ticket: u64,
    },
    /// Register the node: [`Answer::Registered`], [`Answer::Queued`].
    Register {
        /// Comes back with the answer.
        ticket: u64,
        /// Where.
        at: Endpoint,
    },
    /// Look into the directory whether the node is there: [`Answer::Present`], [`Answer::Absent`].
    Find {
        /// Comes back with the answer.
        ticket: u64,
        /// Where.
        at: Endpoint,
    },
    /// Send a heartbeat: [`Answer::Beaten`].
    Beat {
        /// Comes back with the answer.
        ticket: u64,
        /// Where.
        at: Endpoint,
        /// Above that of all before.
        sequence: u64,
    },
    /// Ask for peers. Nothing is awaited; registries of those who come are [`Event::Heard`].
    FetchPeers {
        /// Where.
        at: Endpoint,
    },
    /// Keep these registries for the next run, the best first.
    Remember {
        /// Where they are.
        registries: Vec<Endpoint>,
    },
}

/// How a member stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The registry that it has, or had last.
    pub registry: Option<Endpoint>,
    /// Whether the node is in the directory, as far as it was told.
    pub registered: bool,
    /// Whether a registration waits for the root.
    pub queued: bool,
    /// When a registry last answered, by the wall clock, in milliseconds.
    pub heard_at: Option<i64>,
    /// Whether it is registered, and its last call was answered.
    pub well: bool,
    /// What went wrong last, in words; nothing, if all is well.
    pub trouble: Option<String>,
}
