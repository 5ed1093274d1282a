//! How long a node may be silent.

/// When a node counts as what. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// How often a heartbeat is awaited.
    pub interval: u64,
    /// After how long without one a node is offline: the interval times the threshold.
    pub offline_after: u64,
    /// After how long without one a node is inactive.
    pub inactive_after: u64,
    /// After how long without one a node is removed.
    pub removed_after: u64,
}

impl Default for Liveness {
    /// Offline after 3 missed beats of 30 s, inactive after an hour, removed after a day.
    fn default() -> Self {
        Self {
            interval: 30_000,
            offline_after: 90_000,
            inactive_after: 3_600_000,
            removed_after: 86_400_000,
        }
    }
}
