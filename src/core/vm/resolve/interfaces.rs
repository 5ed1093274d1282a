//! Network interfaces.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use trustnet_api::TRUSTNET_V1ALPHA1;
use trustnet_api::interface::{Dhcp, NetworkInterface};

use super::report::Report;
use super::{addresses, text};
use crate::vm::{Attachment, Interface, MacAddr, Tap, VmName};

pub(super) fn resolve(
    name: &VmName,
    wire: &[NetworkInterface],
    report: &mut Report,
) -> Vec<Interface> {
    if wire.is_empty() {
        report
            .error(
                "spec.networkInterfaces",
                "a VM has at least one network interface",
            )
            .hint("add `- user: {}`, which needs nothing of the host");
    }
    let mut taken = Taken::default();
    let mut interfaces = Vec::new();
    for (index, one) in wire.iter().enumerate() {
        let root = format!("spec.networkInterfaces[{index}]");
        interfaces.push(interface(name, index, &root, one, &mut taken, report));
    }
    default_route(wire, &mut interfaces, report);
    interfaces
}

/// What may be used once in a VM, with the path that used it.
#[derive(Default)]
struct Taken {
    addresses: BTreeMap<IpAddr, String>,
    macs: BTreeMap<MacAddr, String>,
    ports: BTreeMap<u16, String>,
}

fn interface(
    name: &VmName,
    index: usize,
    root: &str,
    wire: &NetworkInterface,
    taken: &mut Taken,
    report: &mut Report,
) -> Interface {
    if report.foundry() {
        required_by_foundry(root, wire, report);
    }
    let attachment = attachment(root, wire, taken, report);
    let addresses = addresses::all(root, wire, &mut taken.addresses, report);
    let gateways = addresses::gateways(root, wire, &addresses, report);
    let dhcp = dhcp(root, wire, attachment.as_ref(), &addresses, report);
    if let Some(vlan) = wire.vlan {
        check_vlan(&format!("{root}.vlan"), vlan, attachment.as_ref(), report);
    }
    let attachment = attachment.unwrap_or(Attachment::User { ssh_port: None });
    let (mac, tap) = identity(name, index, &attachment, &addresses, report.foundry());
    let mac = explicit_mac(root, wire, mac, taken, report);
    let dns = wire.dns_servers.iter().enumerate();
    let dns_servers = dns.filter_map(|(i, text)| {
        addresses::one(
            &format!("{root}.dnsServers[{i}]"),
            "name server",
            text,
            report,
        )
    });
    Interface {
        dns_servers: dns_servers.collect(),
        attachment,
        mac,
        tap,
        addresses,
        dhcp,
        gateways,
        default_route: false,
        vlan: wire.vlan,
        pxe_boot: wire.pxe_boot.unwrap_or(false),
    }
}

fn required_by_foundry(root: &str, wire: &NetworkInterface, report: &mut Report) {
    let fields = [
        ("ip", wire.ip.is_some(), "10.20.30.40/24"),
        ("gateway", wire.gateway.is_some(), "10.20.30.1"),
        ("bridge", wire.bridge.is_some(), "br0"),
    ];
    for (key, given, example) in fields {
        if !given {
            report
                .error(
                    root,
                    format!("Foundry's files give every interface a `{key}`"),
                )
                .hint(format!(
                    "add `{key}: {example}`, or write `apiVersion: {TRUSTNET_V1ALPHA1}`"
                ));
        }
    }
}

fn attachment(
    root: &str,
    wire: &NetworkInterface,
    taken: &mut Taken,
    report: &mut Report,
) -> Option<Attachment> {
    let mut found = Vec::new();
    if let Some(bridge) = &wire.bridge {
        text::bridge(&format!("{root}.bridge"), bridge, report);
        found.push(("bridge", Attachment::Bridge(bridge.clone())));
    }
    if let Some(network) = &wire.network {
        text::file_name(
            &format!("{root}.network"),
            "network's name",
            network,
            report,
        );
        found.push(("network", Attachment::Network(network.clone())));
    }
    if let Some(user) = &wire.user {
        if let Some(port) = user.ssh_port {
            ssh_port(&format!("{root}.user.sshPort"), port, taken, report);
        }
        let ssh_port = user.ssh_port;
        found.push(("user", Attachment::User { ssh_port }));
    }
    if let Some(segment) = &wire.segment {
        text::file_name(
            &format!("{root}.segment"),
            "segment's name",
            segment,
            report,
        );
        found.push(("segment", Attachment::Segment(segment.clone())));
    }
    if let [_, (second, _), ..] = found.as_slice() {
        report
            .error(
                format!("{root}.{second}"),
                "the interface is attached to more than one thing",
            )
            .hint("keep one of `bridge`, `network`, `user` and `segment`");
        return None;
    }
    // In Foundry's files the missing bridge is told already.
    if found.is_empty() && !report.foundry() {
        report
            .error(root, "the interface is attached to nothing")
            .hint("add one of `user: {}`, `bridge: br0`, `network: default` and `segment: lan`");
    }
    found.into_iter().next().map(|(_, attachment)| attachment)
}

fn check_vlan(path: &str, vlan: u16, attachment: Option<&Attachment>, report: &mut Report) {
    if !(1..=4094).contains(&vlan) {
        report.error(path, format!("the VLAN tag {vlan} is not one of 1 to 4094"));
    } else if matches!(
        attachment,
        Some(Attachment::User { .. } | Attachment::Segment(_))
    ) {
        report.error(path, "a VLAN tag stands with `bridge` or `network` only");
    }
}

fn ssh_port(path: &str, port: u16, taken: &mut Taken, report: &mut Report) {
    if port == 0 {
        report
            .error(path, "a port is one of 1 to 65535")
            .hint("leave `sshPort` out to have a free one chosen");
    } else if let Some(first) = taken.ports.insert(port, path.to_owned()) {
        report.error(path, format!("port {port} is taken by `{first}` already"));
    }
}

fn dhcp(
    root: &str,
    wire: &NetworkInterface,
    attachment: Option<&Attachment>,
    addresses: &[IpNet],
    report: &mut Report,
) -> Option<Dhcp> {
    let fixed = !addresses.is_empty() || wire.ip.is_some() || !wire.ips.is_empty();
    match attachment {
        _ if wire.dhcp.is_some() || fixed => wire.dhcp,
        // Both come with a DHCP server.
        Some(Attachment::User { .. } | Attachment::Network(_)) => Some(Dhcp::Ipv4),
        Some(Attachment::Bridge(_) | Attachment::Segment(_)) if !report.foundry() => {
            report
                .error(root, "the interface has no address")
                .hint("add `ip: 10.20.30.40/24`, `ips: […]` or `dhcp: ipv4`");
            None
        }
        _ => None,
    }
}

fn identity(
    name: &VmName,
    index: usize,
    attachment: &Attachment,
    addresses: &[IpNet],
    foundry: bool,
) -> (MacAddr, Option<Tap>) {
    let has_tap = matches!(attachment, Attachment::Bridge(_) | Attachment::Network(_));
    let (mac, tap) = match addresses.first() {
        Some(IpNet::V4(net)) if foundry => (MacAddr::of_ipv4(net.addr()), Tap::of_ipv4(net.addr())),
        _ => (
            MacAddr::of_interface(name, index),
            Tap::of_interface(name, index),
        ),
    };
    (mac, has_tap.then_some(tap))
}

fn explicit_mac(
    root: &str,
    wire: &NetworkInterface,
    default: MacAddr,
    taken: &mut Taken,
    report: &mut Report,
) -> MacAddr {
    let path = format!("{root}.mac");
    let mac = match &wire.mac {
        None => default,
        Some(text) => match MacAddr::parse(text) {
            Some(mac) if mac.to_string() != "00:00:00:00:00:00" => mac,
            _ => {
                report
                    .error(
                        &path,
                        format!("`{text}` is not the MAC address of one interface"),
                    )
                    .hint("write it as `02:00:00:12:34:56`; the first octet is even");
                return default;
            }
        },
    };
    if let Some(first) = taken.macs.insert(mac, root.to_owned()) {
        report
            .error(
                path,
                format!("the MAC address `{mac}` is taken by `{first}` already"),
            )
            .hint("give every interface a MAC address of its own, or none");
    }
    mac
}

/// The default route goes through the interface that says so, else through the first that has a
/// gateway and does not say no.
fn default_route(wire: &[NetworkInterface], interfaces: &mut [Interface], report: &mut Report) {
    let said = |answer| {
        wire.iter()
            .enumerate()
            .filter(move |(_, w)| w.default_route == Some(answer))
            .map(|(index, _)| index)
    };
    let mut wanted = said(true);
    let chosen = wanted.next();
    for index in wanted {
        report
            .error(
                format!("spec.networkInterfaces[{index}].defaultRoute"),
                "the default route goes through another interface already",
            )
            .hint("write `defaultRoute: true` for one interface");
    }
    if let Some(index) = chosen {
        let interface = &interfaces[index];
        let unread = wire[index].gateway.is_some() || wire[index].gateway6.is_some();
        if interface.gateways.is_empty() && interface.dhcp.is_none() && !unread {
            report
                .error(
                    format!("spec.networkInterfaces[{index}].defaultRoute"),
                    "a default route needs a `gateway` or `dhcp`",
                )
                .hint("add `gateway`");
        }
    }
    let no: Vec<usize> = said(false).collect();
    let first =
        || (0..interfaces.len()).find(|i| !interfaces[*i].gateways.is_empty() && !no.contains(i));
    if let Some(index) = chosen.or_else(first) {
        interfaces[index].default_route = true;
    }
}
