//! Waiting until a record is seen.

use std::net::Ipv6Addr;
use std::thread;
use std::time::{Duration, Instant};

use trustnet_core::tnr::{Sighting, Verdict, judge};

use crate::names::{Names, NamesError};

/// How often somebody who waits looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How long a record is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// How often it is looked for.
    pub tries: u32,
    /// How long between two times.
    pub pause: Duration,
}

impl Default for Watch {
    /// A minute: 12 times, with 5 s between.
    fn default() -> Self {
        Self {
            tries: 12,
            pause: Duration::from_secs(5),
        }
    }
}

/// One look for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which, from 1.
    pub number: u32,
    /// Of how many.
    pub of: u32,
    /// What was seen.
    pub sighting: Sighting,
    /// What is said of that.
    pub verdict: Verdict,
}

impl Names {
    /// Looks for a domain's record until everybody who answers has these addresses (any, where there are none), the tries are
    /// used up, or `stop` says so. `told` hears of each look. What comes back is the last one; that it is not published is no error.
    ///
    /// # Errors
    /// It is no domain, or there is nobody to ask.
    pub fn watch(
        &self,
        domain: &str,
        wanted: &[Ipv6Addr],
        watch: &Watch,
        stop: &dyn Fn() -> bool,
        told: &mut dyn FnMut(&Look),
    ) -> Result<Look, NamesError> {
        let mut number = 1;
        loop {
            let sighting = self.sight(domain)?;
            let look = Look {
                number,
                of: watch.tries.max(1),
                verdict: judge(wanted, &sighting),
                sighting,
            };
            told(&look);
            if look.verdict.is_published() || number >= look.of || !rested(watch.pause, stop) {
                return Ok(look);
            }
            number += 1;
        }
    }
}

/// Rests; false where it was to stop meanwhile.
fn rested(pause: Duration, stop: &dyn Fn() -> bool) -> bool {
    let until = Instant::now() + pause;
    loop {
        if stop() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(LOOK));
    }
}
