//! Network interfaces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network interface: one attachment (`bridge`, `network`, `user` or `segment`), and addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkInterface {
    /// One static address with its prefix length, such as `10.20.30.40/24` or `2001:db8::10/64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Several static addresses, each with its prefix length; for IPv6 and dual-stack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    /// Whether the guest asks for an address: `ipv4`, `ipv6` or `both`; default `ipv4` on `user`,
    /// and on `network` where no static address is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<Dhcp>,
    /// The IPv4 or IPv6 gateway; needs a static address of its family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The gateway of the second family, where `gateway` names the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway6: Option<String>,
    /// Addresses of name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<String>,
    /// Whether the default route goes through this interface; default: the first one with a gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_route: Option<bool>,
    /// A bridge of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
    /// A libvirt network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// QEMU's user-mode network, with SSH forwarded from a port of 127.0.0.1. No root needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserNetwork>,
    /// A named guest-to-guest Ethernet segment, carried by multicast on the host's loopback.
    /// No root needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// VLAN tag, 1 to 4094; with `bridge` (Open vSwitch) or `network`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4094))]
    pub vlan: Option<u16>,
    /// Whether the firmware may boot from this interface; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pxe_boot: Option<bool>,
    /// The MAC address; default: made from the VM's name and the interface's place in the list
    /// (in Foundry's files: `be:ef:` and the IPv4 address).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// Which families the guest asks an address for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dhcp {
    /// DHCPv4 only.
    Ipv4,
    /// DHCPv6 only.
    Ipv6,
    /// Both.
    Both,
}

/// QEMU's user-mode network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserNetwork {
    /// The port of 127.0.0.1 that is forwarded to the guest's port 22; default: a free one is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub ssh_port: Option<u16>,
}
