//! Interruption by the user: the first time asks to stop and undo, the second to stop where we are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often the user has interrupted. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Counts one more, and says how many that makes.
    pub fn raise(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether to stop after the step in hand.
    #[must_use]
    pub fn stop(&self) -> bool {
        self.0.load(Ordering::SeqCst) >= 1
    }

    /// Whether to leave everything as it is.
    #[must_use]
    pub fn leave(&self) -> bool {
        self.0.load(Ordering::SeqCst) >= 2
    }
}
