//! How many datagrams are looked at.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// So many datagrams a second are looked at, and so many at once.
const ALL: Rate = Rate {
    a_second: 2000,
    at_once: 4000,
};
/// The same of one sender.
const ONE: Rate = Rate {
    a_second: 100,
    at_once: 400,
};
/// So many senders are told apart; if there are more, all begin anew.
const MAX_SENDERS: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct Rate {
    a_second: u64,
    at_once: u64,
}

/// A bucket of a thousand drops for each datagram. Time is steady milliseconds.
#[derive(Debug)]
struct Bucket {
    drops: u64,
    at: u64,
}

impl Bucket {
    fn full(rate: Rate, now: u64) -> Self {
        Self {
            drops: rate.at_once * 1000,
            at: now,
        }
    }

    fn take(&mut self, rate: Rate, now: u64) -> bool {
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        let filled = self
            .drops
            .saturating_add(passed.saturating_mul(rate.a_second));
        self.drops = filled.min(rate.at_once * 1000);
        let enough = self.drops >= 1000;
        if enough {
            self.drops -= 1000;
        }
        enough
    }
}

/// Lets no sender, and not all of them together, take more than a share of the machine.
#[derive(Debug)]
pub(super) struct Limit {
    all: Bucket,
    senders: BTreeMap<IpAddr, Bucket>,
}

impl Limit {
    pub fn new(now: u64) -> Self {
        Self {
            all: Bucket::full(ALL, now),
            senders: BTreeMap::new(),
        }
    }

    /// Whether to look at one more datagram. A subscriber has a network of addresses, and is one sender.
    pub fn admits(&mut self, sender: IpAddr, now: u64) -> bool {
        let sender = match sender {
            IpAddr::V6(address) => {
                IpAddr::V6(std::net::Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
            }
            IpAddr::V4(_) => sender,
        };
        if self.senders.len() >= MAX_SENDERS && !self.senders.contains_key(&sender) {
            self.senders.clear();
        }
        let bucket = self.senders.entry(sender);
        let bucket = bucket.or_insert_with(|| Bucket::full(ONE, now));
        bucket.take(ONE, now) && self.all.take(ALL, now)
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn one_loud_sender_takes_nothing_from_the_others() {
        let (loud, quiet) = ("2001:db8::1", "2001:db8:0:1::1");
        let (loud, quiet) = (loud.parse().expect("valid"), quiet.parse().expect("valid"));
        let mut limit = Limit::new(0);
        let admitted = (0..10_000).filter(|_| limit.admits(loud, 0)).count();
        assert_eq!(admitted, 400);
        assert!(limit.admits(quiet, 0));
        let admitted = (0..10_000).filter(|_| limit.admits(loud, 1000)).count();
        assert_eq!(admitted, 100);
    }

    #[test]
    fn many_senders_together_have_their_limit_too() {
        let sender = |number: u32| std::net::Ipv6Addr::from(u128::from(number) << 64).into();
        let mut limit = Limit::new(0);
        let admitted = (0..20_000).filter(|&n| limit.admits(sender(n), 0)).count();
        assert_eq!(admitted, 4000);
    }
}
