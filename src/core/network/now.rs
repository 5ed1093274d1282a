//! What time it is, twice.

use jiff::Timestamp;

/// The time by two clocks. What people are told is the wall clock's; what is decided is the steady one's, so
/// that no node is lost because somebody set a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970, UTC. May jump.
    pub wall: i64,
    /// Milliseconds since some moment of this process. Never goes back.
    pub steady: u64,
}

impl Now {
    /// The wall clock's time, to whole seconds since 1970; 0 before.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        u64::try_from(self.wall / 1000).unwrap_or(0)
    }
}

/// A wall clock's time as it is written; the nearest that can be written, where it cannot.
#[must_use]
pub(super) fn timestamp(wall: i64) -> Timestamp {
    Timestamp::from_millisecond(wall).unwrap_or(if wall < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
