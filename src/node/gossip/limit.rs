//! How many datagrams are looked at.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// So many datagrams a second are looked at, and so many at once.
const ALL: Rate = Rate {
    a_second: 2000,
    at_once: 4000,
};
/// The same of one address.
const ONE: Rate = Rate {
    a_second: 100,
    at_once: 400,
};
/// The same of all addresses of an IPv6 network of 64 bits: a subscriber has one, and as many addresses in it as wanted;
/// and so has a whole LAN, which no single machine in it is to silence.
const NETWORK: Rate = Rate {
    a_second: 1000,
    at_once: 2000,
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
    networks: Senders<u64>,
    addresses: Senders<IpAddr>,
}

impl Limit {
    pub fn new(now: u64) -> Self {
        Self {
            all: Bucket::full(ALL, now),
            networks: Senders::new(NETWORK),
            addresses: Senders::new(ONE),
        }
    }

    /// Whether to look at one more datagram. What one address sends too much takes nothing from its network.
    pub fn admits(&mut self, sender: IpAddr, now: u64) -> bool {
        let sender = sender.to_canonical();
        let network = match sender {
            IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).ok(),
            IpAddr::V4(_) => None,
        };
        self.addresses.take(sender, now)
            && network.is_none_or(|network| self.networks.take(network, now))
            && self.all.take(ALL, now)
    }
}

/// The buckets of senders.
#[derive(Debug)]
struct Senders<K> {
    rate: Rate,
    buckets: BTreeMap<K, Bucket>,
}

impl<K: Ord> Senders<K> {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: BTreeMap::new(),
        }
    }

    fn take(&mut self, sender: K, now: u64) -> bool {
        if self.buckets.len() >= MAX_SENDERS && !self.buckets.contains_key(&sender) {
            self.buckets.clear();
        }
        let bucket = self.buckets.entry(sender);
        let bucket = bucket.or_insert_with(|| Bucket::full(self.rate, now));
        bucket.take(self.rate, now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::{Limit, MAX_SENDERS};

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn admitted(limit: &mut Limit, senders: impl IntoIterator<Item = IpAddr>, now: u64) -> usize {
        let senders = senders.into_iter();
        senders.filter(|sender| limit.admits(*sender, now)).count()
    }

    #[test]
    fn one_loud_sender_takes_nothing_from_the_others_not_even_of_its_own_network() {
        let loud = || std::iter::repeat_n(address("fd10:1234::1"), 10_000);
        let mut limit = Limit::new(0);
        assert_eq!(admitted(&mut limit, loud(), 0), 400);
        assert!(limit.admits(address("fd10:1234::2"), 0));
        assert!(limit.admits(address("2001:db8::1"), 0));
        assert_eq!(admitted(&mut limit, loud(), 1000), 100);
        assert!(limit.admits(address("fd10:1234::2"), 1000));
    }

    #[test]
    fn a_network_full_of_addresses_leaves_a_share_to_others() {
        let network = u128::from(0x2001_0db8_u32) << 96;
        let subscriber =
            || (0..10_000).map(|number: u32| Ipv6Addr::from(network | u128::from(number)).into());
        let mut limit = Limit::new(0);
        assert_eq!(admitted(&mut limit, subscriber(), 0), 2000);
        assert!(limit.admits(address("2001:db8:0:1::1"), 0));
        assert_eq!(admitted(&mut limit, subscriber(), 1000), 1000);
    }

    #[test]
    fn an_ipv4_address_is_one_sender_however_it_is_written_and_no_network() {
        let mut limit = Limit::new(0);
        let [plain, mapped] = ["192.0.2.1", "::ffff:192.0.2.1"].map(address);
        let loud = [plain, mapped].into_iter().cycle().take(10_000);
        assert_eq!(admitted(&mut limit, loud, 0), 400);
        let others = (0..2_500_u32).map(|number| {
            std::net::Ipv4Addr::from(0xc633_6400 + number)
                .to_ipv6_mapped()
                .into()
        });
        assert_eq!(admitted(&mut limit, others, 0), 2_500);
    }

    #[test]
    fn many_senders_together_have_their_limit_too() {
        let sender = |number: u32| Ipv6Addr::from(u128::from(number) << 64).into();
        let mut limit = Limit::new(0);
        assert_eq!(admitted(&mut limit, (0..20_000).map(sender), 0), 4000);
        assert!(limit.addresses.buckets.len() <= MAX_SENDERS);
        assert!(limit.networks.buckets.len() <= MAX_SENDERS);
    }
}
