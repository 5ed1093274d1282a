//! Whom the administrator keeps out, as registries tell.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use trustnet_core::network::NodeId;

/// So long a registry may tell of an older directory before it is believed: a secondary that lags catches up sooner, and
/// a network that was made anew begins at the beginning. Milliseconds.
const PATIENCE: u64 = 60 * 60 * 1000;

/// The banned nodes of a directory, as they are told and remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BanList {
    /// The directory's version.
    pub version: u64,
    /// Their ids.
    pub nodes: Vec<String>,
}

/// Whom the administrator keeps out. What the newest directory says counts, until a newer one says something else.
#[derive(Debug, Clone, Default)]
pub struct Bans {
    version: u64,
    nodes: BTreeSet<NodeId>,
    /// Since when only an older directory is told of, by the steady clock.
    older_since: Option<u64>,
}

impl Bans {
    /// What an earlier run remembered.
    #[must_use]
    pub fn remembered(list: &BanList) -> Self {
        Self {
            version: list.version,
            nodes: ids(list),
            older_since: None,
        }
    }

    /// What to remember for the next run.
    #[must_use]
    pub fn list(&self) -> BanList {
        BanList {
            version: self.version,
            nodes: self.nodes.iter().map(NodeId::to_string).collect(),
        }
    }

    /// Who is kept out.
    #[must_use]
    pub fn nodes(&self) -> &BTreeSet<NodeId> {
        &self.nodes
    }

    /// A registry told; gives whether that changes anything. `now` is steady milliseconds.
    pub fn told(&mut self, list: &BanList, now: u64) -> bool {
        if list.version < self.version {
            let since = *self.older_since.get_or_insert(now);
            if now.saturating_sub(since) < PATIENCE {
                return false;
            }
        }
        self.older_since = None;
        self.version = list.version;
        let nodes = ids(list);
        let changed = nodes != self.nodes;
        self.nodes = nodes;
        changed
    }
}

fn ids(list: &BanList) -> BTreeSet<NodeId> {
    list.nodes.iter().filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use trustnet_core::network::NodeId;

    use super::{BanList, Bans, PATIENCE};

    fn list(version: u64, nodes: &[u8]) -> BanList {
        let ids = nodes.iter().map(|number| NodeId::new([*number; 8]));
        BanList {
            version,
            nodes: ids.map(|id| id.to_string()).collect(),
        }
    }

    #[test]
    fn a_registry_that_lags_lifts_no_ban_and_a_network_made_anew_does_at_last() {
        let mut bans = Bans::default();
        assert!(bans.told(&list(7, &[1, 2]), 0));
        assert!(!bans.told(&list(7, &[2, 1]), 0));
        // A secondary that is empty yet, or one that has not heard of the ban.
        assert!(!bans.told(&list(0, &[]), 10));
        assert!(!bans.told(&list(6, &[]), 10 + PATIENCE - 1));
        assert_eq!(bans.list(), list(7, &[1, 2]));
        // In between the newest one was heard again.
        assert!(bans.told(&list(8, &[2]), PATIENCE));
        assert!(!bans.told(&list(3, &[]), PATIENCE + 10));
        assert!(bans.told(&list(4, &[3]), 2 * PATIENCE + 10));
        assert_eq!(bans.list(), list(4, &[3]));
    }

    #[test]
    fn what_was_remembered_counts_until_a_registry_tells_something_newer() {
        let mut bans = Bans::remembered(&list(7, &[1]));
        assert_eq!(bans.list(), list(7, &[1]));
        assert!(!bans.told(&list(6, &[]), 0));
        assert!(bans.told(&list(8, &[]), 0));
        assert!(bans.nodes().is_empty());
        let mut wrong = list(9, &[1]);
        wrong.nodes.push("0x1".to_owned());
        assert!(bans.told(&wrong, 0));
        assert_eq!(bans.list(), list(9, &[1]));
    }
}
