//! What the program says when it cannot go on, and with which exit code it ends.

use std::error::Error;
use std::fmt::Write;

use trustnet_core::plan::{Refusal, RefusalKind};
use trustnet_host::apply::ApplyError;
use trustnet_host::cache::download::DownloadError;
use trustnet_host::cache::error::CacheError;
use trustnet_host::error::{HostError, chain};
use trustnet_host::image::bring::BringError;
use trustnet_host::image::convert::ConvertError;
use trustnet_host::image::unpack::UnpackError;
use trustnet_host::kubernetes;

/// How the program ends; documented in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Flags or configuration.
    Usage,
    /// The spec is invalid.
    Spec,
    /// libvirt, or the cluster, cannot be reached.
    Connect,
    /// A VM operation failed.
    Vm,
    /// A storage operation failed.
    Storage,
    /// The guest is not ready.
    NotReady,
    /// The services of a guest are not as they are to be.
    Provision,
    /// A difference was found.
    Difference,
    /// Interrupted; the journal holds the rest.
    Interrupted,
    /// As a command in a guest ended.
    Guest(u8),
}

impl Exit {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 1,
            Self::Spec => 2,
            Self::Connect => 3,
            Self::Vm => 4,
            Self::Storage => 5,
            Self::NotReady => 6,
            Self::Provision => 7,
            Self::Difference => 8,
            Self::Interrupted => 9,
            Self::Guest(code) => code,
        }
    }
}

/// Why the program cannot go on.
#[derive(Debug)]
pub struct Failure {
    /// How it ends.
    pub exit: Exit,
    /// What is said: lower-case fragments, what was tried first, then why.
    pub message: String,
    /// The next action.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure in our own words.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
        }
    }

    /// The same with the next action.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    fn of(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, chain(error))
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let exit = exit_of(&error);
        let failure = Self::of(exit, &error);
        match &error {
            HostError::Connect { uri, .. } => failure.hint(connect_hint(uri)),
            HostError::Secret { hint, .. } => {
                let reference = "the spec names it under `valueFrom`";
                failure.hint(hint.as_deref().unwrap_or(reference))
            }
            HostError::Artifact(error) => match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            },
            _ => failure,
        }
    }
}

impl From<kubernetes::ApplyError> for Failure {
    fn from(error: kubernetes::ApplyError) -> Self {
        use kubernetes::ApplyError as E;
        let exit = match &error {
            E::NotBuilt | E::Kubeconfig { .. } => Exit::Usage,
            E::Unreachable { .. } => Exit::Connect,
            E::Refused { .. } | E::Conflicts(_) => Exit::Vm,
            E::NotReady { .. } => Exit::NotReady,
            E::Interrupted => Exit::Interrupted,
        };
        let hint = error.hint();
        Self {
            hint,
            ..Self::of(exit, &error)
        }
    }
}

fn connect_hint(uri: &str) -> String {
    if uri.ends_with("/session") {
        "is libvirt installed (`libvirt-daemon-system` on Debian), and XDG_RUNTIME_DIR or HOME set?"
            .to_owned()
    } else {
        "does the daemon run, and may this user talk to it (group `libvirt`)? \
         `--connect qemu:///session` needs neither"
            .to_owned()
    }
}

/// The one place that maps what went wrong with the world to an exit code.
fn exit_of(error: &HostError) -> Exit {
    match error {
        HostError::Connect { .. } => Exit::Connect,
        HostError::Vm { .. } => Exit::Vm,
        HostError::Storage { .. } | HostError::Artifact(_) => Exit::Storage,
        HostError::File { .. } | HostError::Secret { .. } | HostError::Key { .. } => Exit::Usage,
        HostError::Journal { .. } => Exit::Interrupted,
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        let exit = match &error {
            CacheError::Host(error) => exit_of(error),
            CacheError::Download(DownloadError::Stopped { .. }) | CacheError::Stopped => {
                Exit::Interrupted
            }
            CacheError::Download(_)
            | CacheError::Oci(_)
            | CacheError::Content { .. }
            | CacheError::Damaged { .. }
            | CacheError::Missing(_)
            | CacheError::Unverifiable { .. }
            | CacheError::Checksums { .. }
            | CacheError::Signature { .. }
            | CacheError::Import(_)
            | CacheError::Export(_)
            | CacheError::Version { .. } => Exit::Storage,
        };
        let failure = Self::of(exit, &error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<BringError> for Failure {
    fn from(error: BringError) -> Self {
        let hint = error.hint();
        let failure = match error {
            // A file on its way, or its record: not the user's configuration.
            BringError::Host(error @ HostError::File { .. }) => Self {
                exit: Exit::Storage,
                ..Self::from(error)
            },
            BringError::Host(error) => Self::from(error),
            BringError::Cache(error) => Self::from(error),
            BringError::Stopped { .. }
            | BringError::Unread { .. }
            | BringError::Convert(ConvertError::Stopped(_))
            | BringError::Unpack {
                source: UnpackError::Stopped,
                ..
            } => Self::of(Exit::Interrupted, &error),
            _ => Self::of(Exit::Storage, &error),
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        match &error {
            ApplyError::Failed { source, .. } => Self::of(exit_of(source), source),
            ApplyError::Unfinished { source, .. } => Self::of(exit_of(source), source)
                .hint("what was done stays: `trustnet-vm resume` finishes it"),
            ApplyError::Stuck { .. } => Self::of(Exit::Interrupted, &error)
                .hint("see what is in the way, then `trustnet-vm rollback` or `resume`"),
            ApplyError::NotReady(why) => {
                let failure = Self::new(Exit::NotReady, why.to_string());
                match why.hint() {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            ApplyError::Undone => Self::new(Exit::Interrupted, error.to_string()),
            ApplyError::Left => Self::new(Exit::Interrupted, error.to_string())
                .hint("`trustnet-vm resume` finishes it, `trustnet-vm rollback` undoes it"),
        }
    }
}

impl From<Vec<Refusal>> for Failure {
    fn from(refusals: Vec<Refusal>) -> Self {
        let storage = refusals
            .iter()
            .all(|refusal| refusal.kind == RefusalKind::Storage);
        let mut message = String::new();
        for refusal in &refusals {
            if !message.is_empty() {
                message.push_str("\n  and ");
            }
            message.push_str(&refusal.message);
            if let (Some(hint), true) = (&refusal.hint, refusals.len() > 1) {
                let _ = write!(message, " ({hint})");
            }
        }
        let hint = match refusals.as_slice() {
            [only] => only.hint.clone(),
            _ => None,
        };
        Self {
            exit: if storage { Exit::Storage } else { Exit::Vm },
            message,
            hint,
        }
    }
}
