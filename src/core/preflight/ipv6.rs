//! IPv6 of this machine.

use std::net::{IpAddr, Ipv6Addr};

use super::facts::Echo;
use super::wanted::Wanted;
use super::{Check, CheckStatus, Findings};
use crate::ipv6::{self, Interface, Ipv6Facts, Kernel};

/// What switches IPv6 on.
const SWITCH_ON: &str = "as root: `trustnet-vm preflight --ipv6-auto-enable`";
/// No more addresses are shown than this many.
const SHOWN: usize = 4;

pub(super) fn judge(facts: &Ipv6Facts, echo: &Echo, wanted: &Wanted, all: &mut Findings) {
    let unmet = wanted.ipv6.unmet();
    let speaks = kernel(facts, unmet, all);
    if speaks {
        address(facts, unmet, all);
        gateway(facts, unmet, all);
        connectivity(facts, echo, unmet, all);
    } else {
        let why = "the kernel does not speak IPv6";
        for check in [
            Check::Ipv6Address,
            Check::Ipv6Gateway,
            Check::Ipv6Connectivity,
        ] {
            all.skipped(check, why);
        }
    }
    name_servers(facts, unmet, all);
}

fn kernel(facts: &Ipv6Facts, unmet: CheckStatus, all: &mut Findings) -> bool {
    match &facts.kernel {
        Kernel::Speaks => {
            all.ok(Check::Ipv6Module, "the kernel speaks IPv6");
            true
        }
        Kernel::TurnedOff(by) => {
            let by = if by.is_empty() {
                "by a parameter of the module `ipv6`".to_owned()
            } else {
                by.join(", ")
            };
            all.add(Check::Ipv6Module, unmet, "IPv6 was turned off when the kernel started")
                .because(format!("{by}; no sysctl brings back what the kernel has left out"))
                .fix("take that out (of GRUB_CMDLINE_LINUX in /etc/default/grub, then `update-grub`, or on Fedora `grub2-mkconfig -o /boot/grub2/grub.cfg`; of a file in /etc/modprobe.d, then `update-initramfs -u`), and start the machine anew");
            false
        }
        Kernel::Absent => {
            all.add(Check::Ipv6Module, unmet, "the kernel has no IPv6")
                .because("the module `ipv6` is not loaded")
                .fix("as root: `modprobe ipv6`");
            false
        }
    }
}

fn address(facts: &Ipv6Facts, unmet: CheckStatus, all: &mut Findings) {
    let usable = facts.usable();
    if usable.is_empty() {
        no_address(facts, unmet, all);
        return;
    }
    let shown = usable.iter().take(SHOWN);
    let shown: Vec<String> = shown
        .map(|(interface, one)| format!("{}: {}/{}", interface.name, one.ip, one.prefix))
        .collect();
    let mut found = shown.join(", ");
    if usable.len() > SHOWN {
        found.push_str(&format!(", and {} more", usable.len() - SHOWN));
    }
    let uplinks = facts.uplinks();
    let off = uplinks.iter().find(|one| is_off(facts, one));
    if let Some(interface) = off {
        all.add(Check::Ipv6Address, CheckStatus::Warning, found)
            .because(switched_off(facts, interface))
            .fix(mend(facts, interface, SWITCH_ON));
        return;
    }
    all.ok(Check::Ipv6Address, found);
}

fn no_address(facts: &Ipv6Facts, unmet: CheckStatus, all: &mut Findings) {
    let finding = all.add(
        Check::Ipv6Address,
        unmet,
        "no interface has an IPv6 address that others reach",
    );
    let uplinks = facts.uplinks();
    let Some(first) = uplinks.first() else {
        let why = "there is no interface besides the machine's own";
        finding.because(why).fix("connect the machine to a network");
        return;
    };
    let off = uplinks.iter().find(|one| is_off(facts, one));
    if let Some(interface) = off {
        finding
            .because(switched_off(facts, interface))
            .fix(mend(facts, interface, SWITCH_ON));
        return;
    }
    let mut addresses = uplinks.iter().flat_map(|one| &one.addresses);
    if let Some(twin) = addresses.clone().find(|one| one.duplicate) {
        finding
            .because(format!("another machine has {} too", twin.ip))
            .fix("give one of the two another address");
        return;
    }
    if let Some(one) = addresses.find(|one| one.tentative && !one.local) {
        finding
            .because(format!("{} is still being looked for twins", one.ip))
            .fix("look again in a few seconds");
        return;
    }
    if let Some(interface) = uplinks.iter().find(|one| is_deaf(facts, one)) {
        finding.because(deafness(interface)).fix(SWITCH_ON);
        return;
    }
    let refuses = facts.keeper_of(&first.name).filter(|keeper| keeper.refuses);
    let why = match refuses {
        Some(keeper) => format!(
            "{} is told to leave IPv6 away from `{}`",
            keeper.kind.as_str(),
            first.name
        ),
        None => format!(
            "no router has told `{}` a prefix, and it was given no address",
            first.name
        ),
    };
    finding.because(why).fix(mend(
        facts,
        first,
        "give it an address, or have the router announce a prefix",
    ));
}

fn gateway(facts: &Ipv6Facts, unmet: CheckStatus, all: &mut Findings) {
    if let Some(route) = facts.way_out() {
        let found = match route.gateway {
            Some(gateway) => format!("{gateway} by {}", route.interface),
            None => format!("all are neighbours by {}", route.interface),
        };
        all.ok(Check::Ipv6Gateway, found);
        return;
    }
    let finding = all.add(
        Check::Ipv6Gateway,
        unmet,
        "there is no default route for IPv6",
    );
    let uplinks = facts.uplinks();
    let off = uplinks.iter().find(|one| is_off(facts, one));
    let deaf = uplinks.iter().find(|one| is_deaf(facts, one));
    match (off, deaf, uplinks.first()) {
        (Some(interface), _, _) => finding
            .because(switched_off(facts, interface))
            .fix(mend(facts, interface, SWITCH_ON)),
        (None, Some(interface), _) => finding.because(deafness(interface)).fix(SWITCH_ON),
        (None, None, Some(interface)) => finding
            .because(format!("no router has said by `{}` that it is one", interface.name))
            .fix(mend(
                facts,
                interface,
                "have the router announce itself, or name it: `ip -6 route add default via ADDRESS`",
            )),
        (None, None, None) => finding
            .because("there is no interface besides the machine's own")
            .fix("connect the machine to a network"),
    }
}

fn connectivity(facts: &Ipv6Facts, echo: &Echo, unmet: CheckStatus, all: &mut Findings) {
    let Some(gateway) = facts.way_out().and_then(|route| route.gateway) else {
        if facts.way_out().is_none() {
            all.skipped(Check::Ipv6Connectivity, "there is no gateway to ask");
        }
        return;
    };
    match echo {
        Echo::Nobody => {}
        Echo::NotAsked(why) => all.skipped(Check::Ipv6Connectivity, why.clone()),
        Echo::Answered => all.ok(Check::Ipv6Connectivity, format!("{gateway} answers")),
        Echo::Silent => all
            .add(
                Check::Ipv6Connectivity,
                CheckStatus::Warning,
                format!("{gateway} does not answer an echo"),
            )
            .because("it is away, or keeps silent to such questions")
            .fix("where nothing else is reached either, see to the router"),
        Echo::Unreachable(why) => all
            .add(
                Check::Ipv6Connectivity,
                unmet,
                format!("{gateway} is not reached"),
            )
            .because(why.clone())
            .fix("see whether the router runs, and is the one that was told"),
    }
}

fn name_servers(facts: &Ipv6Facts, unmet: CheckStatus, all: &mut Findings) {
    let servers = facts.name_servers.asked();
    let listed: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let listed = listed.join(", ");
    let by_ipv6 = servers.iter().any(|server| match server {
        IpAddr::V6(address) => *address != Ipv6Addr::LOCALHOST,
        IpAddr::V4(_) => false,
    });
    let own = servers.iter().all(IpAddr::is_loopback);
    if servers.is_empty() {
        all.add(Check::Ipv6Dns, unmet, "no name server is listed")
            .because("/etc/resolv.conf has no line `nameserver`")
            .fix("name one there, or where your network's configuration is kept");
    } else if by_ipv6 {
        all.ok(Check::Ipv6Dns, listed);
    } else if own {
        all.ok(
            Check::Ipv6Dns,
            format!("{listed}, a resolver of this machine"),
        );
    } else {
        all.add(Check::Ipv6Dns, CheckStatus::Warning, listed)
            .because("no name server has an IPv6 address: names are found as long as there is IPv4")
            .fix("add one with an IPv6 address, where your network's configuration is kept");
    }
}

fn is_off(facts: &Ipv6Facts, interface: &Interface) -> bool {
    match interface.switches.disable_ipv6 {
        Some(off) => off,
        None => facts.all.disable_ipv6 == Some(true),
    }
}

fn switched_off(facts: &Ipv6Facts, interface: &Interface) -> String {
    if facts.all.disable_ipv6 == Some(true) {
        return "it is switched off: net.ipv6.conf.all.disable_ipv6 = 1".to_owned();
    }
    let name = &interface.name;
    format!("it is switched off on `{name}`: net.ipv6.conf.{name}.disable_ipv6 = 1")
}

/// Whether an interface does not heed routers, and nobody heeds them in its place.
fn is_deaf(facts: &Ipv6Facts, interface: &Interface) -> bool {
    let keeper = facts.keeper_of(&interface.name);
    !keeper.is_some_and(ipv6::Keeper::hears_routers) && ipv6::deaf(interface).is_some()
}

fn deafness(interface: &Interface) -> String {
    let name = &interface.name;
    let accept = interface.switches.accept_ra.unwrap_or_default();
    if interface.switches.forwarding.is_some_and(|it| it != 0) {
        return format!(
            "`{name}` forwards packets, and then heeds no router: net.ipv6.conf.{name}.accept_ra = {accept}"
        );
    }
    format!("`{name}` heeds no router: net.ipv6.conf.{name}.accept_ra = {accept}")
}

/// What to do: with who keeps the interface, where somebody does, or else.
fn mend(facts: &Ipv6Facts, interface: &Interface, otherwise: &str) -> String {
    match facts.keeper_of(&interface.name) {
        Some(keeper) if otherwise == SWITCH_ON && keeper.refuses => format!(
            "{otherwise}; and so that {} does not undo it: {}",
            keeper.kind.as_str(),
            keeper.advice()
        ),
        Some(_) if otherwise == SWITCH_ON => otherwise.to_owned(),
        Some(keeper) => format!("with {}: {}", keeper.kind.as_str(), keeper.advice()),
        None => otherwise.to_owned(),
    }
}
