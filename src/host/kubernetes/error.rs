//! Why objects are not in a cluster.

use std::fmt;

use super::ObjectName;

/// A field that another manager has, with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Of which object.
    pub object: ObjectName,
    /// The field's path.
    pub field: String,
    /// Who has it.
    pub manager: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: `{}` has `{}`",
            self.object, self.manager, self.field
        )
    }
}

/// Why objects are not in a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// This program cannot.
    #[error("this `trustnet-vm` was built without Kubernetes")]
    NotBuilt,
    /// There is no way to a cluster.
    #[error("failed to read the kubeconfig: {why}")]
    Kubeconfig {
        /// Why.
        why: String,
    },
    /// The cluster does not answer, or nobody can tell that it is the one.
    #[error("failed to reach the cluster `{server}`: {why}")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        why: String,
    },
    /// The server refuses something.
    #[error("failed to {doing} {object}: {why}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// To what.
        object: ObjectName,
        /// The server's words.
        why: String,
        /// Its code.
        code: u16,
    },
    /// Others have some of the fields.
    #[error("other managers have fields of the objects: {}", listed(.0))]
    Conflicts(Vec<Conflict>),
    /// Time is up.
    #[error("not ready after {waited_s} s: {}", listed(.objects))]
    NotReady {
        /// How long was waited, in seconds.
        waited_s: u64,
        /// What is not ready, with what it says.
        objects: Vec<Unready>,
    },
    /// The user has interrupted the wait.
    #[error("interrupted while objects became ready; they stay")]
    Interrupted,
}

/// An object that is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unready {
    /// Which.
    pub object: ObjectName,
    /// What it says.
    pub said: String,
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.said)
    }
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join("; ")
}

impl ApplyError {
    /// The next action.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotBuilt => {
                "build it with `cargo build --release --features kubernetes`, or give the manifests to `kubectl apply`"
            }
            Self::Kubeconfig { .. } => "`kubectl config get-contexts` shows those that there are",
            Self::Unreachable { .. } => "does `kubectl cluster-info` reach it?",
            Self::Refused { code: 401, .. } => "log in anew: the cluster does not know you",
            Self::Refused { code: 403, .. } => {
                "ask for a role that may `get` and `patch` these objects in the namespace"
            }
            Self::Refused { code: 404, .. } => {
                "the cluster does not know that kind, or the namespace: are KubeVirt and CDI installed, where they are needed?"
            }
            Self::Refused { .. } => return None,
            Self::Conflicts(_) => "`--force-conflicts` takes the fields from them",
            Self::NotReady { objects, .. } => {
                return objects.first().map(|one| {
                    let namespace = one.object.namespace.as_deref().unwrap_or("default");
                    format!("look with `kubectl --namespace {namespace} describe pods`")
                });
            }
            Self::Interrupted => "the same again goes on from there",
        };
        Some(hint.to_owned())
    }
}
