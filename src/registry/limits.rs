//! How much one address may ask for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// The most addresses that are told apart.
const MAX_SOURCES: usize = 65_536;

/// Token buckets, one for each source: an IPv4 address, or a /64 of IPv6, which is what one subscriber has. Their
/// number is bounded: while it is reached, new sources share one bucket.
pub struct RateLimiter {
    burst: f64,
    per_millisecond: f64,
    buckets: Mutex<HashMap<Source, Bucket>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4(u32),
    V6(u64),
    Others,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    /// When that was so, by the steady clock, in milliseconds.
    at: u64,
}

impl RateLimiter {
    /// A limiter by which a source may send so many at once, and so many a second over time.
    #[must_use]
    pub fn new(burst: u32, per_second: f64) -> Self {
        Self {
            burst: f64::from(burst),
            per_millisecond: per_second / 1000.0,
            buckets: Mutex::default(),
        }
    }

    /// Takes one. `steady` is in milliseconds.
    ///
    /// # Errors
    /// The source has sent too many: in how many seconds it may send the next one.
    pub fn take(&self, address: IpAddr, steady: u64) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = Source::of(address);
        if !buckets.contains_key(&source) && buckets.len() >= MAX_SOURCES {
            buckets.retain(|_, bucket| self.filled(bucket, steady) < self.burst);
            if buckets.len() >= MAX_SOURCES {
                source = Source::Others;
            }
        }
        let bucket = buckets.entry(source).or_insert(Bucket {
            tokens: self.burst,
            at: steady,
        });
        bucket.tokens = self.filled(bucket, steady);
        bucket.at = steady;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let seconds = (1.0 - bucket.tokens) / self.per_millisecond / 1000.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 3600"
        )]
        let seconds = seconds.ceil().clamp(1.0, 3600.0) as u64;
        Err(seconds)
    }

    fn filled(&self, bucket: &Bucket, steady: u64) -> f64 {
        let passed = steady.saturating_sub(bucket.at);
        #[expect(clippy::cast_precision_loss, reason = "a time in milliseconds")]
        let more = passed as f64 * self.per_millisecond;
        (bucket.tokens + more).min(self.burst)
    }
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::{MAX_SOURCES, RateLimiter};

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let limiter = RateLimiter::new(3, 0.5);
        let take = |steady| limiter.take(address("2001:db8::1"), steady);
        assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
        assert_eq!(take(0), Err(2));
        assert_eq!(take(1000), Err(1));
        assert_eq!(take(2000), Ok(()));
        assert_eq!(take(2000), Err(2));
        // It fills up, and no further.
        assert_eq!(
            [take(1_000_000), take(1_000_000), take(1_000_000)],
            [Ok(()); 3]
        );
        assert!(take(1_000_000).is_err());
    }

    #[test]
    fn a_subscriber_is_one_source_whatever_its_address() {
        let limiter = RateLimiter::new(1, 0.001);
        assert_eq!(limiter.take(address("2001:db8::1"), 0), Ok(()));
        assert!(limiter.take(address("2001:db8::2"), 0).is_err());
        assert_eq!(limiter.take(address("2001:db8:0:1::1"), 0), Ok(()));
        assert_eq!(limiter.take(address("192.0.2.1"), 0), Ok(()));
        assert!(limiter.take(address("::ffff:192.0.2.1"), 0).is_err());
        assert_eq!(limiter.take(address("192.0.2.2"), 0), Ok(()));
    }

    #[test]
    fn the_table_does_not_grow_without_end() {
        let limiter = RateLimiter::new(1, 1.0);
        let nth = |n: usize| IpAddr::V6(Ipv6Addr::from_bits((n as u128) << 64));
        let refused = (0..MAX_SOURCES + 10).filter(|n| limiter.take(nth(*n), 0).is_err());
        assert_eq!(refused.count(), 9, "the last ones share a bucket");
        assert!(limiter.buckets.lock().expect("whole").len() <= MAX_SOURCES + 1);
        // Once they are filled up, they make room.
        assert_eq!(limiter.take(nth(MAX_SOURCES + 20), 5000), Ok(()));
        assert!(limiter.buckets.lock().expect("whole").len() < 10);
    }
}
