//! Addresses of network interfaces, of gateways and of name servers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use trustnet_api::TRUSTNET_V1ALPHA1;
use trustnet_api::interface::NetworkInterface;

use super::report::Report;

pub(super) fn all(
    root: &str,
    wire: &NetworkInterface,
    taken: &mut BTreeMap<IpAddr, String>,
    report: &mut Report,
) -> Vec<IpNet> {
    let one = wire.ip.iter().map(|text| (format!("{root}.ip"), text));
    let more = wire.ips.iter().enumerate();
    let more = more.map(|(i, text)| (format!("{root}.ips[{i}]"), text));
    let written: Vec<(String, &String)> = one.chain(more).collect();
    if let (Some(_), Some((path, _))) = (&wire.user, written.first()) {
        report
            .error(path, "QEMU's user-mode network hands out the addresses itself")
            .hint("leave the address out, or attach the interface to a bridge, a network or a segment");
        return Vec::new();
    }
    let mut addresses = Vec::new();
    for (path, text) in written {
        let Some(net) = static_address(&path, text, report) else {
            continue;
        };
        if let Some(first) = taken.get(&net.addr()) {
            report
                .error(
                    &path,
                    format!("`{}` is taken by `{first}` already", net.addr()),
                )
                .hint("give every interface an address of its own");
        } else {
            taken.insert(net.addr(), path);
            addresses.push(net);
        }
    }
    addresses
}

/// `None` also for octets with a leading 0, which some programs read as octal.
fn parse_net(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/')?;
    let plain =
        prefix.bytes().all(|b| b.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
    let prefix = plain.then(|| prefix.parse().ok()).flatten()?;
    IpNet::new(address.parse().ok()?, prefix).ok()
}

fn static_address(path: &str, text: &str, report: &mut Report) -> Option<IpNet> {
    let Some(net) = parse_net(text) else {
        let alone = text.parse::<IpAddr>();
        let hint = match alone {
            Ok(IpAddr::V4(_)) => format!("write `{text}/24`"),
            Ok(IpAddr::V6(_)) => format!("write `{text}/64`"),
            Err(_) => "write it as `10.20.30.40/24` or `2001:db8::10/64`".to_owned(),
        };
        let what = if alone.is_ok() {
            format!("`{text}` has no prefix length")
        } else {
            format!("`{text}` is not an address with a prefix length")
        };
        report.error(path, what).hint(hint);
        return None;
    };
    if report.foundry() && matches!(net, IpNet::V6(_)) {
        report
            .error(path, "Foundry's files take IPv4 addresses only")
            .hint(format!("write `apiVersion: {TRUSTNET_V1ALPHA1}`"));
        return None;
    }
    if let Some(what) = not_a_host(net.addr()) {
        report.error(path, format!("`{text}` is {what}"));
        return None;
    }
    let mut edge = None;
    if let IpNet::V4(v4) = net
        && v4.prefix_len() < 31
    {
        if v4.addr() == v4.network() {
            edge = Some("the network's own address");
        } else if v4.addr() == v4.broadcast() {
            edge = Some("the network's broadcast address");
        }
    }
    if let Some(edge) = edge {
        report
            .error(path, format!("`{text}` is {edge}"))
            .hint("choose the address of a host");
        return None;
    }
    Some(net)
}

fn not_a_host(address: IpAddr) -> Option<&'static str> {
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if address.is_unspecified() {
        Some("the unspecified address")
    } else if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("a group address")
    } else if mapped {
        Some("an IPv4 address written as IPv6")
    } else {
        None
    }
}

pub(super) fn one(path: &str, what: &str, text: &str, report: &mut Report) -> Option<IpAddr> {
    let Ok(address) = text.parse::<IpAddr>() else {
        let hint = match text.split_once('/') {
            Some((before, _)) if before.parse::<IpAddr>().is_ok() => format!("write `{before}`"),
            _ => "write it as `10.20.30.1` or `2001:db8::1`".to_owned(),
        };
        report
            .error(path, format!("`{text}` is not the address of a {what}"))
            .hint(hint);
        return None;
    };
    // A name server may listen on the guest's own loopback.
    let bad = not_a_host(address).filter(|_| !(what == "name server" && address.is_loopback()));
    if let Some(bad) = bad {
        report.error(path, format!("`{text}` is {bad}"));
        return None;
    }
    Some(address)
}

pub(super) fn gateways(
    root: &str,
    wire: &NetworkInterface,
    addresses: &[IpNet],
    report: &mut Report,
) -> Vec<IpAddr> {
    let mut gateways: Vec<IpAddr> = Vec::new();
    for (key, written) in [("gateway", &wire.gateway), ("gateway6", &wire.gateway6)] {
        let path = format!("{root}.{key}");
        let Some(text) = written else { continue };
        if wire.user.is_some() {
            report
                .error(path, "QEMU's user-mode network names the gateway itself")
                .hint("leave it out");
            continue;
        }
        let Some(gateway) = one(&path, "gateway", text, report) else {
            continue;
        };
        let same_family = |net: &&IpNet| net.addr().is_ipv4() == gateway.is_ipv4();
        if key == "gateway6" && gateway.is_ipv4() {
            report
                .error(path, "`gateway6` is an IPv6 address")
                .hint("write the IPv4 gateway in `gateway`");
            continue;
        }
        if gateways
            .iter()
            .any(|other| other.is_ipv4() == gateway.is_ipv4())
        {
            report
                .error(path, "`gateway` and `gateway6` are of one family")
                .hint("keep one of them");
            continue;
        }
        if addresses.iter().any(|net| net.addr() == gateway) {
            report
                .error(path, "the gateway is the VM itself")
                .hint("write the router's address");
            continue;
        }
        let mut own = addresses.iter().filter(same_family).peekable();
        // Without an address that could be read there is nothing to compare with.
        let unread = addresses.is_empty() && (wire.ip.is_some() || !wire.ips.is_empty());
        if own.peek().is_none() && !unread {
            let family = if gateway.is_ipv4() { "IPv4" } else { "IPv6" };
            report
                .error(
                    path,
                    format!("the interface has no static {family} address"),
                )
                .hint(format!(
                    "add an {family} address, or leave the gateway out: DHCP names it"
                ));
            continue;
        }
        let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if own.peek().is_some() && !link_local && !own.any(|net| net.contains(&gateway)) {
            report
                .warning(
                    path,
                    format!("the gateway `{gateway}` lies outside of the interface's subnets"),
                )
                .hint("this works if the router answers on the link all the same");
        }
        gateways.push(gateway);
    }
    gateways
}
