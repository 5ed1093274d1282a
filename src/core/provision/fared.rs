//! How the services of a guest have fared when a run ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::ServicePhase;

/// How far the services of a guest have come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fared {
    /// How many steps of a service are still to be taken, where there are any.
    pub pending: BTreeMap<String, usize>,
    /// The services that others of the guest need: by the one that needs them.
    pub needs: BTreeMap<String, Vec<String>>,
}

impl Fared {
    /// A step of a service is done.
    pub fn done(&mut self, service: &str) {
        if let Some(left) = self.pending.get_mut(service) {
            *left = left.saturating_sub(1);
        }
    }

    /// How a service is. With the step of a service that failed, what needs that one has failed with it; where
    /// nobody's step did, nobody can go on. What has nothing left to do is ready, whatever became of the others.
    #[must_use]
    pub fn phase(&self, service: &str, end: &End) -> ServicePhase {
        let open = self.pending.get(service).is_some_and(|left| *left > 0);
        match end {
            End::Good => ServicePhase::Ready,
            _ if !open && !matches!(end, End::Failed(failed) if failed == service) => {
                ServicePhase::Ready
            }
            End::NotYet => ServicePhase::Provisioning,
            End::Lost => ServicePhase::Failed,
            End::Failed(failed) if self.hangs_on(service, failed) => ServicePhase::Failed,
            End::Failed(_) => ServicePhase::Provisioning,
        }
    }

    /// Whether a service is another, or needs it, or needs what needs it.
    fn hangs_on(&self, service: &str, other: &str) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![service]);
        while let Some(one) = next.pop() {
            if one == other {
                return true;
            }
            if seen.insert(one) {
                next.extend(
                    self.needs
                        .get(one)
                        .into_iter()
                        .flatten()
                        .map(String::as_str),
                );
            }
        }
        false
    }
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is under way, or was interrupted.
    NotYet,
    /// All is done.
    Good,
    /// A step of this service failed.
    Failed(String),
    /// It failed, and not at a step: the guest is lost, or an artifact is not there.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_failed_and_what_needs_it_has_failed() {
        use ServicePhase::{Failed, Provisioning, Ready};
        let fared = Fared {
            pending: ["done", "sql", "app", "front", "web"]
                .map(|name| (name.to_owned(), usize::from(name != "done")))
                .into(),
            needs: [("app", "sql"), ("front", "app"), ("web", "old")]
                .map(|(one, other)| (one.to_owned(), vec![other.to_owned()]))
                .into(),
        };
        let phases = |end: &End| {
            ["old", "done", "sql", "app", "front", "web"].map(|name| fared.phase(name, end))
        };
        assert_eq!(
            phases(&End::Failed("sql".to_owned())),
            [Ready, Ready, Failed, Failed, Failed, Provisioning]
        );
        assert_eq!(
            phases(&End::Lost),
            [Ready, Ready, Failed, Failed, Failed, Failed]
        );
        assert_eq!(
            phases(&End::NotYet),
            [
                Ready,
                Ready,
                Provisioning,
                Provisioning,
                Provisioning,
                Provisioning
            ]
        );
        assert_eq!(phases(&End::Good), [Ready; 6]);
        // One whose step failed has failed, whatever is counted.
        assert_eq!(fared.phase("done", &End::Failed("done".to_owned())), Failed);
        let mut one = fared.clone();
        one.done("app");
        assert_eq!(one.phase("app", &End::Lost), Ready);
    }
}
