//! Why something is not written.

use std::fmt::Display;

use trustnet_api::network::{ErrorBody, ErrorCode};

use super::NodeId;

/// Why a request was refused. Its text is the answer's `message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body cannot be read.
    #[error("the body is no JSON: {0}")]
    Malformed(String),
    /// A field is not what it must be.
    #[error("`{field}`: {reason}")]
    Invalid {
        /// Which, as a path.
        field: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// Another key holds the name, or, by a chance of one in 2⁶⁴, the id.
    #[error("the name `{0}` is another node's: choose another one, or remove that node first")]
    NameTaken(String),
    /// A new key came without the network's join token.
    #[error(
        "a new key is admitted with the network's join token only: send `Authorization: Bearer …`"
    )]
    JoinToken,
    /// The signature, or one made after it by that key, was seen already.
    #[error("this signature, or a later one of this key, was seen already: sign anew")]
    Replayed,
    /// It lets a node in that was banned when this registry became the root; and what was decided of it before is not known.
    #[error(
        "node {0} is banned, and this was signed before this registry became the root, which cannot know whether it was done before: sign anew"
    )]
    BeforeRoot(NodeId),
    /// The heartbeat's sequence is not above the last.
    #[error("the sequence is not above {last}, the last one seen")]
    StaleSequence {
        /// The last one.
        last: u64,
    },
    /// There is no such node.
    #[error("node {0} is not registered: register first")]
    Unknown(NodeId),
    /// The administrator keeps the node out.
    #[error("node {0} is banned by the administrator of this network")]
    Banned(NodeId),
}

impl Refusal {
    /// A field that is not what it must be.
    pub fn invalid(field: &str, reason: impl Display) -> Self {
        Self::Invalid {
            field: field.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Why, for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed(_) => ErrorCode::BadRequest,
            Self::Invalid { .. } => ErrorCode::InvalidField,
            Self::NameTaken(_) => ErrorCode::NameTaken,
            Self::JoinToken => ErrorCode::JoinToken,
            Self::Replayed => ErrorCode::Replayed,
            Self::StaleSequence { .. } => ErrorCode::StaleSequence,
            Self::Unknown(_) => ErrorCode::NotFound,
            Self::Banned(_) => ErrorCode::Banned,
            Self::BeforeRoot(_) => ErrorCode::Forbidden,
        }
    }

    /// The answer's body.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            status: "error".to_owned(),
            code: self.code(),
            message: self.to_string(),
            field: match self {
                Self::Invalid { field, .. } => Some(field.clone()),
                _ => None,
            },
        }
    }
}
