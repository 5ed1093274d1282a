//! Trying again, within bounds, what may pass.

use std::thread;
use std::time::Duration;

use super::ProviderError;

/// How often something is tried, and how long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often it is tried.
    pub tries: u32,
    /// How long before the second time; before each further one it is twice as long, unless they say how long.
    pub pause: Duration,
    /// The longest that they may make us wait before we ask again.
    pub longest: Duration,
    /// How long an answer may take.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            pause: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            answer: Duration::from_secs(20),
        }
    }
}

/// Why one try failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// It may pass: what came, and after how long they want to be asked again.
    Passing(String, Option<Duration>),
    /// It will not.
    Lasting(ProviderError),
}

impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        Self::Lasting(error)
    }
}

impl Patience {
    /// Tries, and tries again what may pass. `what` is said where that does not help.
    pub(super) fn persist<T>(
        &self,
        what: &str,
        mut attempt: impl FnMut() -> Result<T, Fault>,
    ) -> Result<T, ProviderError> {
        let mut pause = self.pause;
        let mut tries = 1;
        loop {
            let (why, after) = match attempt() {
                Ok(value) => return Ok(value),
                Err(Fault::Lasting(error)) => return Err(error),
                Err(Fault::Passing(why, after)) => (why, after),
            };
            tracing::debug!("{what}: {why} (try {tries})");
            if tries >= self.tries {
                let what = what.to_owned();
                return Err(ProviderError::Unavailable { what, why, tries });
            }
            thread::sleep(after.unwrap_or(pause).min(self.longest));
            pause = pause.saturating_mul(2);
            tries += 1;
        }
    }
}
