//! network-config, version 2, in the words that cloud-init's renderers for netplan, ifupdown and
//! NetworkManager all understand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use trustnet_api::interface::Dhcp;

use super::yaml;
use crate::vm::Interface;

#[derive(Serialize)]
struct Network {
    version: u8,
    ethernets: BTreeMap<String, Ethernet>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Ethernet {
    r#match: Match,
    /// The ifupdown renderer knows interfaces by name only.
    set_name: String,
    dhcp4: bool,
    dhcp6: bool,
    /// A guest that is made anew with the same MAC address gets the same lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp_identifier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp4_overrides: Option<Overrides>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp6_overrides: Option<Overrides>,
    accept_ra: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nameservers: Option<NameServers>,
    /// The boot does not wait for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
}

#[derive(Serialize)]
struct Match {
    macaddress: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Overrides {
    use_routes: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Route {
    to: &'static str,
    via: IpAddr,
    /// A gateway outside of the interface's own prefixes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    on_link: bool,
}

#[derive(Serialize)]
struct NameServers {
    addresses: Vec<IpAddr>,
}

pub(super) fn render(interfaces: &[Interface]) -> String {
    let routed = interfaces.iter().any(|i| i.default_route);
    let ethernets = interfaces.iter().enumerate().map(|(index, interface)| {
        let name = format!("eth{index}");
        (name.clone(), ethernet(interface, name, routed))
    });
    yaml::document(&Network {
        version: 2,
        ethernets: ethernets.collect(),
    })
}

/// `routed`: whether the default route goes through some interface by the spec's own word.
fn ethernet(interface: &Interface, set_name: String, routed: bool) -> Ethernet {
    let dhcp4 = matches!(interface.dhcp, Some(Dhcp::Ipv4 | Dhcp::Both));
    let dhcp6 = matches!(interface.dhcp, Some(Dhcp::Ipv6 | Dhcp::Both));
    let elsewhere = routed && !interface.default_route;
    let overrides = |dhcp: bool| (dhcp && elsewhere).then_some(Overrides { use_routes: false });
    let gateways = if interface.default_route {
        interface.gateways.as_slice()
    } else {
        &[]
    };
    Ethernet {
        r#match: Match {
            macaddress: interface.mac.to_string(),
        },
        set_name,
        dhcp4,
        dhcp6,
        dhcp_identifier: dhcp4.then_some("mac"),
        dhcp4_overrides: overrides(dhcp4),
        dhcp6_overrides: overrides(dhcp6),
        // DHCPv6 gives no route and waits for a router's word; a static address needs none, and
        // waiting for one would hold the boot where no router is.
        accept_ra: dhcp6,
        addresses: interface
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect(),
        routes: gateways
            .iter()
            .map(|gateway| route(interface, *gateway))
            .collect(),
        nameservers: (!interface.dns_servers.is_empty()).then(|| NameServers {
            addresses: interface.dns_servers.clone(),
        }),
        optional: interface.addresses.is_empty() && (interface.dhcp.is_none() || elsewhere),
    }
}

fn route(interface: &Interface, via: IpAddr) -> Route {
    let link_local = matches!(via, IpAddr::V6(v6) if v6.is_unicast_link_local());
    Route {
        // `default` is a newer word. Before 23.1 cloud-init renders `::/0` as `::/64`, except for netplan;
        // `gateway6` would be right there, and is deprecated and soon gone.
        to: if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" },
        via,
        on_link: !link_local && !interface.addresses.iter().any(|net| net.contains(&via)),
    }
}
