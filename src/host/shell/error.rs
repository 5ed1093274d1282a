//! What went wrong with a connection to a guest.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Exit;
use crate::error::HostError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// Nothing listens there, or what listens hung up before it said who it is.
    #[error("failed to reach SSH at `{at}`")]
    Unreachable {
        /// Address and port.
        at: String,
        /// Why.
        source: io::Error,
    },
    /// Something accepted the connection and said nothing: a guest that is not up yet.
    #[error("SSH at `{at}` said nothing for {} s", .waited.as_secs_f32())]
    Silent {
        /// Address and port.
        at: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The server is another than the guest. No login was tried.
    #[error(
        "the host key at `{at}` is not the guest's: expected {expected}, shown {}; nothing was sent",
        .shown.as_deref().unwrap_or("none of this type")
    )]
    WrongHostKey {
        /// Address and port.
        at: String,
        /// The fingerprint of the key that was pinned when the VM was made.
        expected: String,
        /// The fingerprint of the key that was shown, if one was.
        shown: Option<String>,
    },
    /// The two sides have no way of speaking in common.
    #[error("failed to agree with SSH at `{at}` on how to speak: {why}")]
    Handshake {
        /// Address and port.
        at: String,
        /// Why.
        why: String,
    },
    /// The guest is who it should be, and takes no key of ours.
    #[error("`{user}` at `{at}` accepts {}: {why}", offered(.key.as_deref()))]
    LoginRefused {
        /// Address and port.
        at: String,
        /// The guest's user.
        user: String,
        /// The login key's file, where there is one.
        key: Option<PathBuf>,
        /// Why.
        why: String,
    },
    /// The connection is gone: the guest went down, or was rebooted.
    #[error("lost the connection to `{at}` while trying to {doing}: {why}")]
    Lost {
        /// Address and port.
        at: String,
        /// What was being done.
        doing: String,
        /// Why.
        why: String,
    },
    /// It took too long.
    #[error("failed to {doing} at `{at}` within {} s", .limit.as_secs_f32())]
    TimedOut {
        /// Address and port.
        at: String,
        /// What was being done.
        doing: String,
        /// The limit.
        limit: Duration,
    },
    /// The guest could not do what a script of ours asked.
    #[error("failed to {doing} in the guest: {said} ({exit})")]
    Guest {
        /// What was being done, to what.
        doing: String,
        /// How the script ended.
        exit: Exit,
        /// Its last words.
        said: String,
    },
    /// Nothing in the guest listens there, or it may not be asked.
    #[error("the guest does not reach `{to}`: {why}")]
    Closed {
        /// Address and port, as the guest resolves it.
        to: String,
        /// Why.
        why: String,
    },
    /// The server refuses something else.
    #[error("failed to {doing} at `{at}`: {why}")]
    Refused {
        /// Address and port.
        at: String,
        /// What was being done.
        doing: String,
        /// Why.
        why: String,
    },
    /// This side's end of a copy.
    #[error("failed to {doing}")]
    Local {
        /// What was being done.
        doing: String,
        /// Why.
        source: io::Error,
    },
    /// A key of ours.
    #[error(transparent)]
    Key(#[from] HostError),
}

/// The keys that were offered in vain.
fn offered(key: Option<&Path>) -> String {
    key.map_or("no key of the agent's".to_owned(), |key| {
        format!(
            "neither the login key `{}` nor one of the agent's",
            key.display()
        )
    })
}

impl ShellError {
    /// Whether the connection is gone, so that a new one may work.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// Whether the guest may just not be up yet.
    #[must_use]
    pub fn is_not_up(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. })
    }

    /// The next action.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreachable { .. } | Self::Silent { .. } => {
                "the guest may still be coming up: `trustnet-vm wait NAME`; its console: `trustnet-vm console NAME`"
            }
            Self::WrongHostKey { .. } => {
                "something else answers at this address, or the guest's host key was replaced: look at the guest with \
                 `trustnet-vm console NAME` (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`); a guest that is to be \
                 trusted again is made again"
            }
            Self::Handshake { .. } => {
                "the guest's sshd must offer its ssh-ed25519 host key and a cipher of this decade"
            }
            Self::LoginRefused { .. } => {
                "each VM has a login key of its own, with the user who made it: run this as that user, or load a key \
                 that the guest knows into your agent"
            }
            Self::Lost { .. } => {
                "the guest may have gone down: `trustnet-vm get NAME`, then once more"
            }
            _ => return None,
        })
    }
}
