//! Answers that are not the thing that was asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// `error`.
    #[schemars(extend("enum" = ["error"]))]
    pub status: String,
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, for people.
    pub message: String,
    /// The field of the request that is wrong, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the request is no HTTP or no JSON that can be read.
    BadRequest,
    /// 401: there is no signature, or it is not this request's.
    BadSignature,
    /// 401: the signature is too old, or not yet good.
    Expired,
    /// 401: a new key is admitted with the network's join token only.
    JoinToken,
    /// 403: the key may not do that.
    Forbidden,
    /// 403: the administrator keeps the node out.
    Banned,
    /// 404: there is no such node, or no such route.
    NotFound,
    /// 405: the route has other methods, which `Allow` names.
    MethodNotAllowed,
    /// 408: the request did not come in time.
    Timeout,
    /// 409: this signature, or one after it, was seen already.
    Replayed,
    /// 409: the heartbeat's sequence is not above the last.
    StaleSequence,
    /// 409: another key holds the name.
    NameTaken,
    /// 410: the changes since that version are no longer known; take a snapshot.
    Gone,
    /// 413, 414 and 431: the body, the URI or the headers are over the limit.
    TooLarge,
    /// 415: the body is to be `application/json`.
    MediaType,
    /// 422: a field is not what it must be.
    InvalidField,
    /// 429: too many requests from this address.
    RateLimited,
    /// 500: the registry failed; its log says how.
    Internal,
    /// 503: the registry cannot take this now.
    Unavailable,
}

/// A secondary has taken a write, and will bring it to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Queued {
    /// `queued`.
    #[schemars(extend("enum" = ["queued"]))]
    pub status: String,
}

/// A write is done, and durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// `success`.
    #[schemars(extend("enum" = ["success"]))]
    pub status: String,
}
