//! Objects brought into a Kubernetes cluster by server-side apply, and waited for.
//!
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

#[cfg(feature = "kubernetes")]
mod apply;
#[cfg(feature = "kubernetes")]
mod client;
mod error;
#[cfg(any(feature = "kubernetes", test))]
mod ready;
#[cfg(feature = "kubernetes")]
mod refusal;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

pub use self::error::{ApplyError, Conflict};

/// Which cluster, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The kubeconfig; none for `KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// One of its contexts; none for its current one.
    pub context: Option<String>,
}

/// How objects are applied.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// Whether fields that another manager has are taken from it.
    pub force_conflicts: bool,
    /// Whether all ends after the server has said what it would do.
    pub dry_run: bool,
    /// How long is waited until the objects are ready; none for not at all.
    pub wait: Option<Duration>,
    /// How long between two looks.
    pub pause: Duration,
    /// How long the server may take for an answer, all that it asks to wait included.
    pub patience: Duration,
    /// Whether to stop waiting.
    pub stop: &'a dyn Fn() -> bool,
}

impl fmt::Debug for How<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("How")
            .field("force_conflicts", &self.force_conflicts)
            .field("dry_run", &self.dry_run)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl Default for How<'_> {
    fn default() -> Self {
        Self {
            force_conflicts: false,
            dry_run: false,
            wait: Some(Duration::from_secs(300)),
            pause: Duration::from_secs(2),
            patience: Duration::from_secs(60),
            stop: &|| false,
        }
    }
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// Its kind.
    pub kind: String,
    /// Its namespace, if it is in one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectName {
    /// That of an object.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            kind: text(&object["kind"]).unwrap_or_default(),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]).unwrap_or_default(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} `{namespace}/{}`", self.kind, self.name),
            None => write!(f, "{} `{}`", self.kind, self.name),
        }
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Created,
    /// It was another one.
    Changed,
    /// It was so already.
    Unchanged,
    /// It was left alone: this user may not change it, and it is there.
    Left,
}

/// What goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server would take all of the objects.
    Checked {
        /// How many there are.
        count: usize,
    },
    /// An object is there.
    Applied {
        /// Which.
        object: ObjectName,
        /// What became of it.
        change: Change,
    },
    /// An object is not ready yet; told when what it says of itself changes.
    Waiting {
        /// Which.
        object: ObjectName,
        /// What it says.
        said: String,
    },
    /// An object is ready.
    Ready {
        /// Which.
        object: ObjectName,
    },
}

/// What became of the objects, in the order in which they were applied.
pub type Applied = Vec<(ObjectName, Change)>;

/// Applies objects, after the server has said that it would take all of them, and waits until they are ready. The same
/// objects again change nothing. A namespace that is not there has to be made before the server can look at what is to
/// be in it.
///
/// # Errors
/// There is no such cluster, the server refuses an object, or one is not ready in time. Fields of other managers are told
/// all at once, and nothing was changed then but for a new namespace.
pub fn apply(
    objects: &[Value],
    cluster: &Cluster,
    how: &How<'_>,
    tell: &mut dyn FnMut(Event),
) -> Result<Applied, ApplyError> {
    #[cfg(feature = "kubernetes")]
    return client::run(cluster, how.patience, |client| {
        apply::run(client, objects, how, tell)
    });
    #[cfg(not(feature = "kubernetes"))]
    {
        let _ = (objects, cluster, how, tell);
        Err(ApplyError::NotBuilt)
    }
}

#[cfg(test)]
mod tests {
    use super::{ApplyError, Cluster, How, apply};

    #[test]
    fn a_program_without_a_client_says_how_to_get_one_and_one_with_it_looks_for_a_kubeconfig() {
        let cluster = Cluster {
            kubeconfig: Some("/nonexistent/kubeconfig".into()),
            context: None,
        };
        let error = apply(&[], &cluster, &How::default(), &mut |_| {}).expect_err("nowhere");
        let built = match &error {
            ApplyError::NotBuilt => false,
            ApplyError::Kubeconfig { .. } => true,
            other => panic!("{other}"),
        };
        assert_eq!(built, cfg!(feature = "kubernetes"));
        assert!(error.hint().is_some_and(|hint| hint.contains('`')));
    }
}
