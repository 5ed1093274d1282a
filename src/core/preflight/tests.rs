//! Findings for machines of every kind: whole, as they are told.

use std::net::IpAddr;

use super::{
    Accelerator, Clock, DomainSeen, Echo, Facts, Finding, HypervisorSeen, Listener, MachineSeen,
    Need, Resolved, Role, RoomSeen, Unmet, Wanted, WantedDomain, WantedPort, is_good, judge,
};
use crate::ipv6::{
    Address, Interface, Ipv6Facts, Keeper, KeeperKind, Kernel, NameServers, Route, Switches,
};
use crate::observed::PoolFacts;
use crate::plan::{Demand, ideal_host};
use crate::vm::Vm;
use crate::xml::DomainType;

const NOW_S: u64 = 1_800_000_000;
const ON: Switches = Switches {
    disable_ipv6: Some(false),
    accept_ra: Some(1),
    forwarding: Some(0),
};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn told(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|one| {
        let mut line = format!(
            "{} {}: {}\n",
            one.check.as_str(),
            one.status.as_str(),
            one.found
        );
        for (word, text) in [("because", &one.reason), ("fix", &one.fix)] {
            if let Some(text) = text {
                line.push_str(&format!("    {word}: {text}\n"));
            }
        }
        line
    });
    lines.collect()
}

/// Several cases under their names.
fn all<'a>(cases: impl IntoIterator<Item = (&'a str, Facts, Wanted)>) -> String {
    let told = cases
        .into_iter()
        .map(|(name, facts, wanted)| format!("== {name}\n{}", told(&judge(&facts, &wanted))));
    told.collect()
}

/// Only what has not to do with a hypervisor, and a clock that is right.
fn machine() -> (Facts, Wanted) {
    let facts = Facts {
        clock: Clock {
            now_s: NOW_S,
            least_s: NOW_S - 1,
            kept_by: Some("chronyd".to_owned()),
            ..Clock::default()
        },
        memory_mib: Some(4096),
        ..Facts::default()
    };
    let wanted = Wanted {
        hypervisor: false,
        ..Wanted::default()
    };
    (facts, wanted)
}

fn address(text: &str) -> Address {
    let IpAddr::V6(ip) = ip(text) else {
        panic!("an IPv6 address");
    };
    Address {
        ip,
        prefix: 64,
        index: 2,
        local: ip.is_unicast_link_local(),
        tentative: false,
        duplicate: false,
    }
}

/// A machine with IPv6 as it should be.
fn ipv6() -> Ipv6Facts {
    Ipv6Facts {
        kernel: Kernel::Speaks,
        all: ON,
        default: ON,
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            index: 2,
            switches: ON,
            addresses: vec![address("fe80::2"), address("2001:db8::1")],
        }],
        routes: vec![Route {
            gateway: Some(address("fe80::1").ip),
            interface: "eth0".to_owned(),
            metric: 1024,
        }],
        ipv4_uplinks: vec!["eth0".to_owned()],
        name_servers: NameServers {
            listed: vec![ip("2001:db8::53"), ip("192.0.2.53")],
            behind: Vec::new(),
        },
        ..Ipv6Facts::default()
    }
}

fn with_ipv6(echo: Echo, change: impl FnOnce(&mut Ipv6Facts)) -> (Facts, Wanted) {
    let (mut facts, wanted) = machine();
    let mut seen = ipv6();
    change(&mut seen);
    facts.ipv6 = Some(seen);
    facts.echo = echo;
    (facts, wanted)
}

fn keeper(kind: KeeperKind, refuses: bool) -> Vec<Keeper> {
    vec![Keeper {
        kind,
        interface: "eth0".to_owned(),
        place: None,
        refuses,
    }]
}

fn alone(interfaces: &mut Ipv6Facts) -> &mut Interface {
    interfaces.routes.clear();
    let interface = &mut interfaces.interfaces[0];
    interface.addresses.truncate(1);
    interface
}

#[test]
fn ipv6_is_told_for_every_way_in_which_it_can_be_missing() {
    let off = |facts: &mut Ipv6Facts| alone(facts).switches.disable_ipv6 = Some(true);
    let mut cases = Vec::new();
    let mut case = |name, echo, change: &dyn Fn(&mut Ipv6Facts)| {
        let (facts, wanted) = with_ipv6(echo, |facts| change(facts));
        cases.push((name, facts, wanted));
    };
    case("all is well", Echo::Answered, &|_| {});
    case("absent: turned off at boot", Echo::Nobody, &|facts| {
        let place = "`ipv6.disable=1` in /proc/cmdline".to_owned();
        facts.kernel = Kernel::TurnedOff(vec![place]);
    });
    case("absent: not in the kernel", Echo::Nobody, &|facts| {
        facts.kernel = Kernel::Absent
    });
    case("absent: switched off everywhere", Echo::Nobody, &|facts| {
        off(facts);
        facts.all.disable_ipv6 = Some(true);
    });
    case(
        "absent: switched off on one interface by NetworkManager",
        Echo::Nobody,
        &|facts| {
            off(facts);
            facts.keepers = keeper(KeeperKind::NetworkManager, true);
        },
    );
    case("half: an address and no route", Echo::Nobody, &|facts| {
        facts.routes.clear()
    });
    case("half: a route and no address", Echo::Answered, &|facts| {
        facts.interfaces[0].addresses.truncate(1);
    });
    case(
        "half: a router that is not heeded",
        Echo::Nobody,
        &|facts| {
            alone(facts).switches.forwarding = Some(1);
        },
    );
    case(
        "half: systemd-networkd is told nothing",
        Echo::Nobody,
        &|facts| {
            alone(facts).switches.forwarding = Some(1);
            facts.keepers = keeper(KeeperKind::Networkd, true);
        },
    );
    case("half: another interface has it", Echo::Silent, &|facts| {
        let mut other = facts.interfaces[0].clone();
        other.name = "eth1".to_owned();
        other.addresses.clear();
        other.switches.disable_ipv6 = Some(true);
        facts.interfaces.push(other);
        facts.ipv4_uplinks.push("eth1".to_owned());
    });
    case("half: a twin", Echo::Answered, &|facts| {
        facts.interfaces[0].addresses[1].duplicate = true;
    });
    case("half: not looked for twins yet", Echo::Answered, &|facts| {
        facts.interfaces[0].addresses[1].tentative = true;
    });
    case(
        "half: names over IPv4 only",
        Echo::Unreachable("no route to host".to_owned()),
        &|facts| {
            facts.name_servers.listed.remove(0);
        },
    );
    case(
        "half: no name server, and the gateway may not be asked",
        Echo::NotAsked("not root".to_owned()),
        &|facts| {
            facts.name_servers.listed.clear();
        },
    );
    case(
        "a resolver of the machine itself",
        Echo::Answered,
        &|facts| {
            facts.name_servers.listed = vec![ip("127.0.0.53")];
        },
    );
    case(
        "a resolver of the machine that says whom it asks",
        Echo::Answered,
        &|facts| {
            facts.name_servers.listed = vec![ip("127.0.0.53")];
            facts.name_servers.behind = vec![ip("2001:db8::53")];
        },
    );
    case("nothing but loopback", Echo::Nobody, &|facts| {
        facts.interfaces.clear();
        facts.routes.clear();
    });
    insta::assert_snapshot!(all(cases));
}

#[test]
fn what_is_only_wished_for_is_a_warning_and_what_nobody_asks_for_is_not_looked_at() {
    let (facts, mut wanted) = with_ipv6(Echo::Nobody, |facts| facts.routes.clear());
    assert!(!is_good(&judge(&facts, &wanted)));
    wanted.ipv6 = Need::Wished;
    assert!(is_good(&judge(&facts, &wanted)));
    let (facts, _) = machine();
    let checks: Vec<&str> = judge(&facts, &wanted)
        .iter()
        .map(|one| one.check.as_str())
        .collect();
    assert_eq!(checks, ["clock", "memory"]);
    wanted.memory_mib = 0;
    let checks: Vec<&str> = judge(&facts, &wanted)
        .iter()
        .map(|one| one.check.as_str())
        .collect();
    assert_eq!(checks, ["clock"]);
}

#[test]
fn a_domain_is_judged_by_what_is_to_be_added_to_its_network() {
    let one = || Resolved::Addresses(vec![ip("2001:db8::1")]);
    let old = || Resolved::Addresses(vec![ip("192.0.2.1")]);
    let late = || Resolved::Failed("no answer in time".to_owned());
    let mut cases = Vec::new();
    for (name, role, root_known) in [
        ("root", Some(Role::Root), false),
        ("secondary", Some(Role::Secondary), false),
        ("node", Some(Role::Node), false),
        ("node that knows its root", Some(Role::Node), true),
        ("nobody knows", None, false),
    ] {
        for (state, addresses, registries) in [
            ("a record", Resolved::NotAsked, one()),
            ("a record of the old kind", Resolved::NotAsked, old()),
            ("no record", old(), Resolved::NoName),
            (
                "a record without an address",
                Resolved::NoAddress,
                Resolved::NoAddress,
            ),
            ("no domain", Resolved::NoName, Resolved::NoName),
            ("nobody answers", Resolved::NotAsked, late()),
        ] {
            let (facts, wanted) = machine();
            let facts = Facts {
                domain: Some(DomainSeen {
                    addresses,
                    registries,
                }),
                ..facts
            };
            let wanted = Wanted {
                domain: Some(WantedDomain {
                    name: "example.org".to_owned(),
                    role,
                    root_known,
                }),
                ..wanted
            };
            cases.push((format!("{name}: {state}"), facts, wanted));
        }
    }
    let told: String = cases
        .iter()
        .map(|(name, facts, wanted)| {
            let findings = judge(facts, wanted);
            format!("== {name}\n{}", told(&findings[..1]))
        })
        .collect();
    insta::assert_snapshot!(told);
}

#[test]
fn a_port_that_is_taken_is_told_with_who_has_it() {
    let (mut facts, mut wanted) = machine();
    let port = |port, of: &str, need| WantedPort {
        port,
        of: of.to_owned(),
        need,
    };
    wanted.ports = vec![
        port(8000, "the registry", Need::Required),
        port(9000, "the node", Need::Wished),
        port(9001, "the node", Need::Wished),
        port(9002, "nobody", Need::No),
    ];
    let listener = |port, address, program: Option<(&str, u32)>| Listener {
        address: ip(address),
        port,
        program: program.map(|(name, id)| (name.to_owned(), id)),
    };
    facts.listeners = vec![
        listener(8000, "::", Some(("python3", 123))),
        listener(9000, "127.0.0.1", None),
        listener(9002, "127.0.0.1", None),
    ];
    insta::assert_snapshot!(told(&judge(&facts, &wanted)));
}

#[test]
fn a_clock_that_is_wrong_is_told_by_what_shows_it() {
    let mut cases = Vec::new();
    let mut case = |name, change: fn(&mut Clock)| {
        let (mut facts, wanted) = machine();
        change(&mut facts.clock);
        cases.push((name, facts, wanted));
    };
    case("right, and kept", |_| {});
    case("before the program was made", |clock| clock.now_s = 0);
    case("far in the future", |clock| clock.now_s = 5_000_000_000);
    case("nobody keeps it", |clock| clock.kept_by = None);
    case("not there yet", |clock| clock.synchronised = Some(false));
    case("behind a registry", |clock| {
        clock.told = Some((NOW_S + 61, "the root".to_owned()))
    });
    case("ahead of a registry", |clock| {
        clock.told = Some((NOW_S - 61, "the root".to_owned()))
    });
    case("a minute counts for nothing", |clock| {
        clock.told = Some((NOW_S - 60, "the root".to_owned()));
    });
    insta::assert_snapshot!(all(cases));
}

fn vm(name: &str, more: &str) -> Vm {
    let text = format!(
        "apiVersion: trustnet.io/v1alpha1\nkind: VirtualMachine\nmetadata: {{ name: {name} }}\nspec:\n  \
         vcpus: 1\n  memory: 1Gi\n  bootDisk: {{ size: 4Gi, image: debian-12 }}\n{more}"
    );
    let (mut documents, problems) = crate::load::load(text.as_bytes());
    assert_eq!(problems, []);
    let document = documents.pop().expect("a document");
    Vm::resolve(&document.object).expect("valid").0
}

const ON_BRIDGE: &str = "  networkInterfaces: [{ bridge: br0, ip: 192.0.2.10/24 }]\n";
const ON_USER: &str = "  networkInterfaces: [{ user: { sshPort: 2222 } }]\n";

/// A machine with a hypervisor, for these VMs.
fn hypervisor(vms: Vec<Vm>) -> (Facts, Wanted) {
    let (facts, wanted) = machine();
    let machines = vms.iter().map(|vm| {
        let mut observed = ideal_host(vm, true, DomainType::Kvm);
        observed.bridges = Some(vec!["br0".to_owned()]);
        MachineSeen {
            observed,
            ..MachineSeen::default()
        }
    });
    let seen = HypervisorSeen {
        uri: "qemu:///system".to_owned(),
        accelerator: Some(Accelerator {
            kind: DomainType::Kvm,
            reason: "KVM ran the probe".to_owned(),
            asked: false,
        }),
        free_memory_mib: Some(4096),
        machines: machines.collect(),
        rooms: vec![RoomSeen {
            pool: "foundry-vms".to_owned(),
            facts: PoolFacts {
                active: true,
                available: 20 << 30,
                ..PoolFacts::default()
            },
            vms: vms.iter().map(|vm| vm.name().to_string()).collect(),
            demand: Demand {
                least: 1 << 20,
                most: 8 << 30,
            },
        }],
    };
    let facts = Facts {
        hypervisor: Some(Ok(seen)),
        ..facts
    };
    let wanted = Wanted {
        hypervisor: true,
        vms,
        ..wanted
    };
    (facts, wanted)
}

#[test]
fn what_vms_ask_for_is_told_check_by_check() {
    let two = || vec![vm("a", ON_BRIDGE), vm("b", ON_USER)];
    let mut cases = Vec::new();
    let mut case = |name, vms: Vec<Vm>, change: &dyn Fn(&mut HypervisorSeen, &mut Wanted)| {
        let (mut facts, mut wanted) = hypervisor(vms);
        if let Some(Ok(seen)) = &mut facts.hypervisor {
            change(seen, &mut wanted);
        }
        cases.push((name, facts, wanted));
    };
    case("all is there", two(), &|_, _| {});
    case("no VM", Vec::new(), &|_, _| {});
    case("no VM, and little room", Vec::new(), &|seen, _| {
        seen.rooms[0].facts.available = 1 << 29;
        seen.free_memory_mib = Some(256);
    });
    case("no KVM", Vec::new(), &|seen, _| {
        seen.accelerator = Some(Accelerator {
            kind: DomainType::Qemu,
            reason: "the hypervisor offers no KVM".to_owned(),
            asked: false,
        });
    });
    case("no KVM, as was asked", Vec::new(), &|seen, _| {
        seen.accelerator = Some(Accelerator {
            kind: DomainType::Qemu,
            reason: "asked for by flag --virt-type".to_owned(),
            asked: true,
        });
    });
    case("no bridge, no port, no image", two(), &|seen, _| {
        seen.machines[0].observed.bridges = Some(Vec::new());
        seen.machines[1].observed.free_ports.clear();
        seen.machines[1].observed.image = None;
    });
    case("an image to be fetched", two(), &|seen, _| {
        seen.machines[0].observed.image = None;
        seen.machines[0].obtainable = Some("https://example.org/debian".to_owned());
    });
    case(
        "an image to be fetched, and no network",
        two(),
        &|seen, wanted| {
            seen.machines[0].observed.image = None;
            seen.machines[0].obtainable = Some("https://example.org/debian".to_owned());
            wanted.offline = true;
        },
    );
    case(
        "an image that is not what it was",
        vec![vm("a", ON_BRIDGE)],
        &|seen, _| {
            seen.machines[0].changed = Some(Unmet {
                why: "image `debian-12` has changed".to_owned(),
                fix: Some("bring it again".to_owned()),
            });
        },
    );
    case("each fits and both do not", two(), &|seen, _| {
        seen.free_memory_mib = Some(1536);
        seen.rooms[0].facts.available = 4 << 30;
    });
    case("none fits", two(), &|seen, _| {
        seen.free_memory_mib = Some(512);
        seen.rooms[0].facts.available = 1 << 20;
    });
    case("a pool that is stopped", two(), &|seen, _| {
        seen.rooms[0].facts.active = false
    });
    insta::assert_snapshot!(all(cases));
}

#[test]
fn without_a_hypervisor_what_stands_on_it_is_skipped_and_nothing_else() {
    let (mut facts, wanted) = hypervisor(vec![vm("a", ON_BRIDGE)]);
    facts.hypervisor = Some(Err(Unmet {
        why: "failed to connect to `qemu:///system`".to_owned(),
        fix: Some("does the daemon run?".to_owned()),
    }));
    facts.cache = Some(Err(Unmet {
        why: "version `1` of `sql` is not locked".to_owned(),
        fix: Some("`trustnet-vm cache fetch`".to_owned()),
    }));
    insta::assert_snapshot!(told(&judge(&facts, &wanted)));
}
