//! What the writing thread is asked.

use tokio::sync::oneshot;
use trustnet_api::network::{Changes, Snapshot};
use trustnet_core::network::{NodeId, Write};

use super::{WriteError, Written};

/// What the writing thread is asked. Whoever asked may have left: nobody misses the answer then.
#[derive(Debug)]
pub(super) enum Job {
    Write {
        write: Write,
        answer: Answer<Written>,
    },
    Replace {
        snapshot: Snapshot,
        root: NodeId,
        answer: Answer<()>,
    },
    Follow {
        changes: Changes,
        answer: Answer<()>,
    },
    Close {
        answer: oneshot::Sender<()>,
    },
}

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, WriteError>>;
