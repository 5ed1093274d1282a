//! What time it is.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use trustnet_core::network::Now;

/// The two clocks of a service.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Now + Send + Sync>);

impl Clock {
    /// The machine's clocks. The steady one begins now.
    #[must_use]
    pub fn system() -> Self {
        let start = Instant::now();
        Self::new(move || Now {
            wall: Timestamp::now().as_millisecond(),
            steady: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Other clocks: those of a test.
    pub fn new(read: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        (self.0)()
    }
}

impl Debug for Clock {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Clock").field(&self.now()).finish()
    }
}
