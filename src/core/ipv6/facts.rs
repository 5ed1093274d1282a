//! What was seen of a machine's IPv6.

use std::net::{IpAddr, Ipv6Addr};

use super::keeper::Keeper;

/// What was seen of a machine's IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ipv6Facts {
    /// Whether the kernel speaks it.
    pub kernel: Kernel,
    /// The switches that stand for all interfaces.
    pub all: Switches,
    /// The switches that new interfaces get.
    pub default: Switches,
    /// The interfaces, the loopback one among them.
    pub interfaces: Vec<Interface>,
    /// Default routes.
    pub routes: Vec<Route>,
    /// The interfaces by which IPv4 leaves.
    pub ipv4_uplinks: Vec<String>,
    /// Who is asked for names.
    pub name_servers: NameServers,
    /// Who keeps the interfaces by which packets leave.
    pub keepers: Vec<Keeper>,
    /// The text of our own file of switches, where there is one.
    pub kept: Option<String>,
}

/// Whether the kernel speaks IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kernel {
    /// It does.
    #[default]
    Speaks,
    /// It was told not to when it started; by what, such as `ipv6.disable=1` and where that stands.
    TurnedOff(Vec<String>),
    /// There is no such part in it: not loaded, or not built.
    Absent,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number; 0 where it is not known.
    pub index: u32,
    /// Its switches.
    pub switches: Switches,
    /// Its IPv6 addresses.
    pub addresses: Vec<Address>,
}

/// Switches of the kernel, below `net.ipv6.conf`; none where they cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Switches {
    /// Whether IPv6 is off.
    pub disable_ipv6: Option<bool>,
    /// Whether a router's advertisements are heeded: 0 no, 1 unless forwarding, 2 yes.
    pub accept_ra: Option<i32>,
    /// Whether packets are forwarded.
    pub forwarding: Option<i32>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: Ipv6Addr,
    /// The length of its prefix.
    pub prefix: u8,
    /// The number of its interface.
    pub index: u32,
    /// Whether it is of the local link only, or of the machine itself.
    pub local: bool,
    /// Whether it is still being looked for twins.
    pub tentative: bool,
    /// Whether another machine has it, so that it is not used.
    pub duplicate: bool,
}

/// A default route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The next hop; none where all are neighbours.
    pub gateway: Option<Ipv6Addr>,
    /// The interface.
    pub interface: String,
    /// Its price: the smallest is taken.
    pub metric: u32,
}

/// Who is asked for names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameServers {
    /// Those of `/etc/resolv.conf`.
    pub listed: Vec<IpAddr>,
    /// Those that a resolver of this machine itself asks, where it says so.
    pub behind: Vec<IpAddr>,
}

/// Interfaces that programs make for guests and containers: no packet of the machine itself leaves by them.
const INNER: [&str; 12] = [
    "lo", "virbr", "vnet", "tap", "docker", "br-", "veth", "cni", "flannel", "cali", "dummy", "tn",
];

impl Address {
    /// Whether others can reach it from beyond the link.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.local && !self.tentative && !self.duplicate
    }
}

impl Ipv6Facts {
    /// The interfaces by which packets leave: those of default routes, else all that may come to be some.
    #[must_use]
    pub fn uplinks(&self) -> Vec<&Interface> {
        let routed = |interface: &&Interface| {
            let name = &interface.name;
            self.routes.iter().any(|route| route.interface == *name)
                || self.ipv4_uplinks.contains(name)
        };
        let by_route: Vec<&Interface> = self.interfaces.iter().filter(routed).collect();
        if !by_route.is_empty() {
            return by_route;
        }
        let outer =
            |interface: &&Interface| !INNER.iter().any(|inner| interface.name.starts_with(inner));
        let outer: Vec<&Interface> = self.interfaces.iter().filter(outer).collect();
        if !outer.is_empty() {
            return outer;
        }
        let others = self.interfaces.iter();
        others.filter(|interface| interface.name != "lo").collect()
    }

    /// The addresses that others reach, each with its interface.
    #[must_use]
    pub fn usable(&self) -> Vec<(&Interface, Address)> {
        let of = |interface: &'_ Interface| interface.addresses.clone();
        let all = self.interfaces.iter();
        all.flat_map(|interface| of(interface).into_iter().map(move |one| (interface, one)))
            .filter(|(_, address)| address.is_usable())
            .collect()
    }

    /// The route that is taken where no other fits.
    #[must_use]
    pub fn way_out(&self) -> Option<&Route> {
        self.routes.iter().min_by_key(|route| route.metric)
    }

    /// Whether there is an address, and a way out.
    #[must_use]
    pub fn works(&self) -> bool {
        self.kernel == Kernel::Speaks && !self.usable().is_empty() && self.way_out().is_some()
    }

    /// Who keeps an interface.
    #[must_use]
    pub fn keeper_of(&self, interface: &str) -> Option<&Keeper> {
        let mut all = self.keepers.iter();
        all.find(|keeper| keeper.interface == interface)
    }

    /// An interface by its name.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|one| one.name == name)
    }
}

impl NameServers {
    /// Who is asked in the end: those behind a resolver of this machine, else those that are listed.
    #[must_use]
    pub fn asked(&self) -> &[IpAddr] {
        if self.behind.is_empty() {
            &self.listed
        } else {
            &self.behind
        }
    }
}
