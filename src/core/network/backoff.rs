//! How long to wait after a failure.

/// Waits that grow with every failure in a row. Milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    initial: u64,
    max: u64,
    multiplier: f64,
    next: u64,
}

impl Default for Backoff {
    /// 1 s, twice as long after each failure, 60 s at most.
    fn default() -> Self {
        Self::new(1_000, 60_000, 2.0)
    }
}

impl Backoff {
    /// Waits from `initial` on, each `multiplier` times the one before, `max` at most. What makes no sense is taken
    /// for the nearest that does: no wait is under a millisecond, and none is shorter than the one before.
    #[must_use]
    pub fn new(initial: u64, max: u64, multiplier: f64) -> Self {
        let initial = initial.max(1);
        let multiplier = if multiplier.is_finite() {
            multiplier.max(1.0)
        } else {
            1.0
        };
        Self {
            initial,
            max: max.max(initial),
            multiplier,
            next: initial,
        }
    }

    /// How long to wait after one more failure. `drawn` is any random number: it takes away up to half, so that many
    /// who failed together do not come back together.
    pub fn failed(&mut self, drawn: u64) -> u64 {
        let wait = self.next;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a wait is positive, and under `max`"
        )]
        let grown = (wait as f64 * self.multiplier).min(self.max as f64) as u64;
        self.next = grown.clamp(wait, self.max);
        wait - drawn % (wait / 2 + 1)
    }

    /// It worked: the next failure is the first again.
    pub fn succeeded(&mut self) {
        self.next = self.initial;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    #[test]
    fn waits_double_up_to_a_minute_and_begin_again_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8).map(|_| backoff.failed(0)).collect();
        assert_eq!(
            waits,
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
        );
        backoff.succeeded();
        assert_eq!(backoff.failed(0), 1_000);
    }

    #[test]
    fn what_is_drawn_takes_away_half_at_most() {
        for drawn in [1, 499, 500, 501, u64::MAX] {
            let wait = Backoff::default().failed(drawn);
            assert!((500..=1_000).contains(&wait), "{drawn}: {wait}");
        }
        assert_eq!(Backoff::default().failed(500), 500);
    }

    #[test]
    fn senseless_numbers_never_make_a_wait_of_nothing() {
        for multiplier in [f64::NAN, f64::INFINITY, -3.0, 0.0, 1e300] {
            let mut backoff = Backoff::new(0, 0, multiplier);
            assert!(
                (0..9).all(|_| backoff.failed(u64::MAX) == 1),
                "{multiplier}"
            );
            let mut backoff = Backoff::new(10, u64::MAX, multiplier);
            assert!((0..99).all(|_| backoff.failed(0) >= 10), "{multiplier}");
        }
    }
}
