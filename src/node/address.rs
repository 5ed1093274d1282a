//! The address that a node tells others.

use std::fs;
use std::net::Ipv6Addr;

/// The kernel's list of IPv6 addresses.
const LIST: &str = "/proc/net/if_inet6";
/// Flags of addresses that are not to be used: duplicate (0x08), deprecated (0x20), tentative (0x40).
const UNUSABLE: u8 = 0x68;
/// The flag of addresses that change by themselves.
const TEMPORARY: u8 = 0x01;

/// An address that others reach this machine at: a global one before a unique local one (RFC 4193), a lasting one
/// before a temporary one. `None`, if the machine has neither.
#[must_use]
pub fn of_machine() -> Option<Ipv6Addr> {
    choose(&fs::read_to_string(LIST).ok()?)
}

/// Lines of: address, interface number, prefix length, scope, flags, interface name.
fn choose(list: &str) -> Option<Ipv6Addr> {
    let usable = list.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        let [_, _, scope, flags] = [words.next()?, words.next()?, words.next()?, words.next()?];
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let address = Ipv6Addr::from(address);
        (scope == "00" && flags & UNUSABLE == 0).then_some((rank(address, flags), address))
    });
    usable.min().map(|(_, address)| address)
}

fn rank(address: Ipv6Addr, flags: u8) -> (bool, bool) {
    (address.is_unique_local(), flags & TEMPORARY != 0)
}

#[cfg(test)]
mod tests {
    use super::choose;

    const LIST: &str = "\
fe80000000000000505400fffe123456 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
fd101234000000000000000000000005 02 40 00 80     eth0
20010db8000000000000000000000066 02 40 00 40     eth0
20010db8000000000000000000000077 02 40 00 01     eth0
20010db8000000000000000000000088 02 40 00 80     eth0
";

    #[test]
    fn a_lasting_global_address_is_the_best() {
        let address = |list: &str| choose(list).map(|address| address.to_string());
        assert_eq!(address(LIST).as_deref(), Some("2001:db8::88"));
        let fewer = |count| LIST.lines().take(count).collect::<Vec<_>>().join("\n");
        assert_eq!(address(&fewer(5)).as_deref(), Some("2001:db8::77"));
        assert_eq!(address(&fewer(4)).as_deref(), Some("fd10:1234::5"));
        assert_eq!(address(&fewer(2)), None);
        assert_eq!(address("nonsense\n\n00 00"), None);
    }
}
