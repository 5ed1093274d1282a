//! The texts of `/proc/net` and `/etc/resolv.conf`, read. Lines that are not understood say nothing.

use std::net::{IpAddr, Ipv6Addr};

use super::facts::{Address, Route};

/// Scopes of addresses in `/proc/net/if_inet6`: of the machine itself, and of the link.
const LOCAL_SCOPES: [u8; 2] = [0x10, 0x20];
/// Flags of addresses (linux/if_addr.h).
const DUPLICATE: u8 = 0x08;
const TENTATIVE: u8 = 0x40;
/// Flags of routes (linux/route.h, linux/ipv6_route.h).
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;

/// The addresses of `/proc/net/if_inet6`, each with the name of its interface.
#[must_use]
pub fn addresses(text: &str) -> Vec<(String, Address)> {
    text.lines().filter_map(address).collect()
}

fn address(line: &str) -> Option<(String, Address)> {
    let mut words = line.split_ascii_whitespace();
    let ip = ipv6(words.next()?)?;
    let index = u32::from_str_radix(words.next()?, 16).ok()?;
    let prefix = u8::from_str_radix(words.next()?, 16).ok()?;
    let scope = u8::from_str_radix(words.next()?, 16).ok()?;
    let flags = u8::from_str_radix(words.next()?, 16).ok()?;
    let address = Address {
        ip,
        prefix,
        index,
        local: LOCAL_SCOPES.contains(&scope),
        tentative: flags & TENTATIVE != 0,
        duplicate: flags & DUPLICATE != 0,
    };
    Some((words.next()?.to_owned(), address))
}

/// The default routes of `/proc/net/ipv6_route`.
#[must_use]
pub fn default_routes(text: &str) -> Vec<Route> {
    text.lines().filter_map(default_route).collect()
}

fn default_route(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[to, length, _, _, hop, metric, _, _, flags, interface] = words.as_slice() else {
        return None;
    };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let everywhere = ipv6(to)?.is_unspecified() && length == "00";
    if !everywhere || flags & UP == 0 || flags & REJECT != 0 || interface == "lo" {
        return None;
    }
    let hop = ipv6(hop)?;
    Some(Route {
        gateway: (!hop.is_unspecified()).then_some(hop),
        interface: interface.to_owned(),
        metric: u32::from_str_radix(metric, 16).ok()?,
    })
}

/// The interfaces of the default routes in `/proc/net/route`.
#[must_use]
pub fn ipv4_uplinks(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(name), Some(&"00000000"), Some(flags), Some(&"00000000")) =
            (words.first(), words.get(1), words.get(3), words.get(7))
        else {
            continue;
        };
        let up = u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & (UP | REJECT) == UP);
        if up && !names.iter().any(|known| known == name) {
            names.push((*name).to_owned());
        }
    }
    names
}

/// The names of the interfaces in `/proc/net/dev`.
#[must_use]
pub fn interfaces(text: &str) -> Vec<String> {
    let lines = text.lines().skip(2);
    lines
        .filter_map(|line| Some(line.rsplit_once(':')?.0.trim().to_owned()))
        .filter(|name| !name.is_empty())
        .collect()
}

/// The name servers of a `resolv.conf`.
#[must_use]
pub fn name_servers(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        if words.next()? != "nameserver" {
            return None;
        }
        let address = words.next()?;
        // The interface of an address of the link stands behind it.
        address.split('%').next()?.parse().ok()
    };
    text.lines().filter_map(server).collect()
}

/// What on a kernel's command line, or in a file of modprobe's, keeps it from speaking IPv6.
#[must_use]
pub fn turned_off(text: &str) -> Option<&'static str> {
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || "\"'=".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        let has = |first: &str, then: &[&str]| {
            let pairs = words.windows(2);
            pairs
                .clone()
                .any(|pair| pair[0] == first && then.contains(&pair[1]))
        };
        if has("ipv6.disable", &["1"]) {
            return Some("ipv6.disable=1");
        }
        let option = words.first() == Some(&"options") && words.get(1) == Some(&"ipv6");
        if option && has("disable", &["1"]) {
            return Some("options ipv6 disable=1");
        }
        if words.first() == Some(&"blacklist") && words.get(1) == Some(&"ipv6") {
            return Some("blacklist ipv6");
        }
        let install = words.first() == Some(&"install") && words.get(1) == Some(&"ipv6");
        if install
            && words
                .get(2)
                .is_some_and(|it| it.ends_with("/true") || it.ends_with("/false"))
        {
            return Some("install ipv6");
        }
    }
    None
}

/// An address as the kernel writes it: 32 hexadecimal digits.
fn ipv6(digits: &str) -> Option<Ipv6Addr> {
    if digits.len() != 32 {
        return None;
    }
    u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
}
