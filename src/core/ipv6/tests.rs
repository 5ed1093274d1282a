//! The kernel's texts, who keeps the network, and the switches.

use std::net::Ipv6Addr;

use super::{
    Blocked, Interface, Ipv6Facts, KeeperKind, KeeperTexts, Kernel, Setting, Switches, addresses,
    default_routes, enable, interfaces, ipv4_uplinks, keeper, name_servers, turned_off, undo,
};

const SWITCHED_OFF: Switches = Switches {
    disable_ipv6: Some(true),
    accept_ra: Some(1),
    forwarding: Some(0),
};
const SWITCHED_ON: Switches = Switches {
    disable_ipv6: Some(false),
    ..SWITCHED_OFF
};

fn interface(name: &str, switches: Switches) -> Interface {
    Interface {
        name: name.to_owned(),
        switches,
        ..Interface::default()
    }
}

/// A machine with IPv6 off everywhere but on a bridge of containers.
fn off() -> Ipv6Facts {
    Ipv6Facts {
        all: SWITCHED_OFF,
        default: SWITCHED_OFF,
        interfaces: vec![
            interface("lo", SWITCHED_OFF),
            interface("eth0", SWITCHED_OFF),
            interface("docker0", SWITCHED_ON),
        ],
        ipv4_uplinks: vec!["eth0".to_owned()],
        ..Ipv6Facts::default()
    }
}

/// The machine after a change: the kernel spreads what is set for `all`.
fn after(mut facts: Ipv6Facts, change: &super::Change) -> Ipv6Facts {
    facts.kept.clone_from(&change.new);
    for Setting {
        interface,
        name,
        becomes,
        ..
    } in &change.settings
    {
        let value: i32 = becomes.parse().expect("a number");
        let set = |switches: &mut Switches| match name.as_str() {
            "disable_ipv6" => switches.disable_ipv6 = Some(value != 0),
            _ => switches.accept_ra = Some(value),
        };
        match interface.as_str() {
            "all" => {
                set(&mut facts.all);
                set(&mut facts.default);
                facts
                    .interfaces
                    .iter_mut()
                    .for_each(|one| set(&mut one.switches));
            }
            "default" => set(&mut facts.default),
            other => {
                let mut all = facts.interfaces.iter_mut();
                let one = all.find(|one| one.name == *other);
                set(&mut one.expect("an interface").switches);
            }
        }
    }
    facts
}

#[test]
fn the_kernels_addresses_are_read_with_their_scope_and_flags() {
    let text = "fd000000000000000000000000000002 04 40 00 82     eth0\n\
                00000000000000000000000000000001 01 80 10 80       lo\n\
                fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n\
                20010db8000000000000000000000001 04 40 00 40     eth0\n\
                20010db8000000000000000000000002 04 40 00 88     eth0\n\
                nonsense\n";
    let read: Vec<String> = addresses(text)
        .iter()
        .map(|(name, one)| {
            format!(
                "{name} {}/{} #{} usable={}",
                one.ip,
                one.prefix,
                one.index,
                one.is_usable()
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            "eth0 fd00::2/64 #4 usable=true",
            "lo ::1/128 #1 usable=false",
            "eth0 fe80::fc:ff:fe00:1/64 #4 usable=false",
            "eth0 2001:db8::1/64 #4 usable=false",
            "eth0 2001:db8::2/64 #4 usable=false",
        ]
    );
}

#[test]
fn only_a_default_route_that_leads_somewhere_is_one() {
    let zero = "0".repeat(32);
    let line = |hop: &str, metric: &str, flags: &str, interface: &str| {
        format!("{zero} 00 {zero} 00 {hop} {metric} 00000001 00000000 {flags}     {interface}\n")
    };
    let gateway = "fe800000000000000000000000000001";
    let text = [
        line(gateway, "00000400", "00000003", "eth0"),
        line(&zero, "00000100", "00000001", "ppp0"),
        line(&zero, "ffffffff", "00200200", "lo"),
        line(gateway, "00000400", "00000203", "eth1"),
        format!(
            "fd{} 40 {zero} 00 {zero} 00000100 1 0 00000001 eth0\n",
            "0".repeat(30)
        ),
    ]
    .concat();
    let routes = default_routes(&text);
    let read: Vec<_> = routes
        .iter()
        .map(|route| (route.gateway, route.interface.as_str(), route.metric))
        .collect();
    let gateway: Ipv6Addr = "fe80::1".parse().expect("an address");
    assert_eq!(read, [(Some(gateway), "eth0", 1024), (None, "ppp0", 256)]);
}

#[test]
fn the_other_texts_of_the_kernel_are_read() {
    let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
                  eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\n\
                  eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n\
                  eth1\t00000000\t0101A8C0\t0203\t0\t0\t0\t00000000\t0\n";
    assert_eq!(ipv4_uplinks(routes), ["eth0"]);
    let devices = "Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0: 3 4\neth0:1: 3 4\n";
    assert_eq!(interfaces(devices), ["lo", "eth0", "eth0:1"]);
    let servers = "# nameserver 192.0.2.9\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver\nsearch a\n";
    let servers: Vec<String> = name_servers(servers)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(servers, ["192.0.2.1", "fe80::1"]);
}

#[test]
fn what_keeps_the_kernel_from_ipv6_is_found_where_it_stands() {
    for (text, found) in [
        (
            "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ipv6.disable=1 quiet",
            Some("ipv6.disable=1"),
        ),
        (
            "GRUB_CMDLINE_LINUX=\"quiet ipv6.disable=1\"",
            Some("ipv6.disable=1"),
        ),
        ("#GRUB_CMDLINE_LINUX=\"ipv6.disable=1\"", None),
        ("root=/dev/vda1 ipv6.disable=0", None),
        ("root=/dev/vda1 xipv6.disable=1", None),
        (
            "options ipv6 autoconf=0 disable=1",
            Some("options ipv6 disable=1"),
        ),
        ("options nvme disable=1", None),
        ("blacklist ipv6", Some("blacklist ipv6")),
        ("install ipv6 /bin/true", Some("install ipv6")),
        ("", None),
    ] {
        assert_eq!(turned_off(text), found, "{text}");
    }
}

#[test]
fn ipv6_that_is_off_is_switched_on_once_and_taken_back_to_what_it_was() {
    let before = off();
    let change = enable(&before).expect("a switch helps").expect("a change");
    insta::assert_snapshot!(change.shown());
    let switched = after(before.clone(), &change);
    assert_eq!(
        enable(&switched),
        Ok(None),
        "the second time nothing is to do"
    );
    let back = undo(&switched).expect("ours").expect("a change");
    insta::assert_snapshot!(back.shown());
    assert_eq!(after(switched, &back), before);
    assert_eq!(undo(&before), Ok(None));
}

#[test]
fn one_interface_that_is_off_is_switched_on_and_no_other() {
    let mut before = off();
    (before.all, before.default) = (SWITCHED_ON, SWITCHED_ON);
    before.interfaces[0].switches = SWITCHED_ON;
    before.interfaces[2].switches = SWITCHED_OFF;
    let change = enable(&before).expect("a switch helps").expect("a change");
    let keys: Vec<String> = change.settings.iter().map(Setting::key).collect();
    assert_eq!(keys, ["net.ipv6.conf.eth0.disable_ipv6"]);
    let switched = after(before.clone(), &change);
    assert_eq!(switched.interfaces[2].switches, SWITCHED_OFF);
    let back = undo(&switched).expect("ours").expect("a change");
    assert_eq!(after(switched, &back), before);
}

#[test]
fn where_one_way_out_has_ipv6_the_other_is_switched_on_and_all_is_left_alone() {
    let mut facts = off();
    facts.ipv4_uplinks = vec!["eth0".to_owned(), "docker0".to_owned()];
    let text = "20010db8000000000000000000000001 04 40 00 80 docker0\n";
    let address = addresses(text).remove(0).1;
    facts.interfaces[2].addresses.push(address);
    facts.routes = vec![super::Route {
        gateway: None,
        interface: "docker0".to_owned(),
        metric: 1,
    }];
    assert!(facts.works());
    let change = enable(&facts).expect("a switch helps").expect("a change");
    let keys: Vec<String> = change.settings.iter().map(Setting::key).collect();
    assert_eq!(keys, ["net.ipv6.conf.eth0.disable_ipv6"]);
}

#[test]
fn what_was_before_is_kept_when_something_more_is_switched() {
    let mut before = off();
    (before.all, before.default) = (SWITCHED_ON, SWITCHED_ON);
    let first = enable(&before).expect("a switch helps").expect("a change");
    let mut later = after(before.clone(), &first);
    // Somebody switches it off again, and makes the machine a router.
    later.interfaces[1].switches = Switches {
        forwarding: Some(1),
        ..SWITCHED_OFF
    };
    let second = enable(&later).expect("a switch helps").expect("a change");
    insta::assert_snapshot!(second.shown());
    let switched = after(later, &second);
    let back = undo(&switched).expect("ours").expect("a change");
    let mut undone = after(switched, &back);
    undone.interfaces[1].switches.forwarding = Some(0);
    assert_eq!(undone, before);
}

#[test]
fn a_machine_that_forwards_is_told_to_heed_routers_unless_somebody_heeds_them_for_it() {
    for (forwarding, accept_ra, kind, becomes) in [
        (1, 1, None, Some("2")),
        (1, 0, None, Some("2")),
        (1, 2, None, None),
        (0, 1, None, None),
        (0, 0, Some(KeeperKind::Ifupdown), Some("1")),
        (1, 1, Some(KeeperKind::Networkd), None),
        (0, 0, Some(KeeperKind::NetworkManager), None),
    ] {
        let mut facts = off();
        (facts.all, facts.default) = (SWITCHED_ON, SWITCHED_ON);
        facts.interfaces[1].switches = Switches {
            disable_ipv6: Some(false),
            accept_ra: Some(accept_ra),
            forwarding: Some(forwarding),
        };
        facts.keepers = kind
            .map(|kind| super::Keeper {
                kind,
                interface: "eth0".to_owned(),
                place: None,
                refuses: false,
            })
            .into_iter()
            .collect();
        let change = enable(&facts).expect("a switch may help");
        let found = change.map(|change| change.settings[0].becomes.clone());
        assert_eq!(
            found.as_deref(),
            becomes,
            "{forwarding} {accept_ra} {kind:?}"
        );
    }
}

#[test]
fn a_name_with_a_dot_is_written_with_slashes() {
    let mut facts = off();
    facts.interfaces[1].name = "eth0.100".to_owned();
    facts.ipv4_uplinks = vec!["eth0.100".to_owned()];
    let change = enable(&facts).expect("a switch helps").expect("a change");
    let keys: Vec<String> = change.settings.iter().map(Setting::key).collect();
    assert_eq!(
        keys,
        [
            "net.ipv6.conf.all.disable_ipv6",
            "net.ipv6.conf.default.disable_ipv6",
            "net/ipv6/conf/eth0.100/disable_ipv6",
        ]
    );
    let switched = after(facts.clone(), &change);
    let back = undo(&switched).expect("ours").expect("a change");
    assert_eq!(after(switched, &back), facts);
}

#[test]
fn no_switch_brings_back_what_the_kernel_has_left_out() {
    for kernel in [Kernel::Absent, Kernel::TurnedOff(Vec::new())] {
        let facts = Ipv6Facts { kernel, ..off() };
        assert_eq!(enable(&facts), Err(Blocked::Kernel));
    }
}

#[test]
fn a_file_that_is_not_ours_is_not_touched() {
    let facts = Ipv6Facts {
        kept: Some("net.ipv6.conf.all.disable_ipv6 = 1\n".to_owned()),
        ..off()
    };
    assert_eq!(enable(&facts), Err(Blocked::Foreign));
    assert_eq!(undo(&facts), Err(Blocked::Foreign));
}

#[test]
fn what_somebody_wrote_into_our_file_leads_to_no_other_switch() {
    let mut switched = off();
    let change = enable(&switched)
        .expect("a switch helps")
        .expect("a change");
    let text = change.new.expect("a file");
    for line in [
        "# was net.ipv6.conf.../../../kernel.core_pattern = 1",
        "# was net/ipv6/conf/../../accept_ra = 1",
        "# was net.ipv4.ip_forward = 1",
        "# was net.ipv6.conf.eth0.forwarding = 1",
        "# was net.ipv6.conf.eth0.accept_ra = |sh",
        // Nothing of others is lost either: our file is written and taken away whole.
        "net.ipv4.ip_forward = 1",
        "# asked for by Ada",
    ] {
        switched.kept = Some(format!("{text}{line}\n"));
        let edited = Blocked::Edited(line.to_owned());
        assert_eq!(undo(&switched), Err(edited.clone()));
        assert_eq!(enable(&switched), Err(edited));
    }
    switched.kept = Some(text);
    let back = undo(&switched).expect("ours").expect("a change");
    assert_eq!(back.settings, [], "all is as it was");
}

#[test]
fn who_keeps_the_network_is_recognised_and_advised_in_its_words() {
    let pair = |path: &str, text: &str| vec![(path.to_owned(), text.to_owned())];
    let uuid = "3f0a";
    let device = format!("[device]\nmanaged=true\nconnection-uuid={uuid}\n");
    let connection = |id: &str, method: &str| {
        let text = format!(
            "[connection]\nid={id}\nuuid={uuid}\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod={method}\n\n[proxy]\n"
        );
        pair(
            "/etc/NetworkManager/system-connections/a.nmconnection",
            &text,
        )
    };
    let link = |file: &str| Some(format!("ADMIN_STATE=configured\nNETWORK_FILE={file}\n"));
    let netplan = pair(
        "/etc/netplan/50-cloud.yaml",
        "network:\n  ethernets:\n    eth0:\n      dhcp4: true\n      accept-ra: false\n",
    );
    let cases = [
        ("nobody", KeeperTexts::default()),
        (
            "NetworkManager, IPv6 off",
            KeeperTexts {
                device: Some(device.clone()),
                connections: connection("Wired connection 1", "disabled"),
                ..KeeperTexts::default()
            },
        ),
        (
            "NetworkManager, nothing known of the connection",
            KeeperTexts {
                device: Some("[device]\nmanaged=true\n".to_owned()),
                ..KeeperTexts::default()
            },
        ),
        (
            "not managed by NetworkManager",
            KeeperTexts {
                device: Some("[device]\nmanaged=false\n".to_owned()),
                ..KeeperTexts::default()
            },
        ),
        (
            "netplan over NetworkManager",
            KeeperTexts {
                device: Some(device),
                connections: connection("netplan-eth0", "auto"),
                netplan: netplan.clone(),
                ..KeeperTexts::default()
            },
        ),
        (
            "systemd-networkd",
            KeeperTexts {
                link: link("/etc/systemd/network/10-lan.network"),
                network: Some("[Network]\nDHCP=yes\nIPv6AcceptRA=no\n".to_owned()),
                ..KeeperTexts::default()
            },
        ),
        (
            "not managed by systemd-networkd",
            KeeperTexts {
                link: Some("ADMIN_STATE=unmanaged\n".to_owned()),
                ..KeeperTexts::default()
            },
        ),
        (
            "netplan over systemd-networkd",
            KeeperTexts {
                link: link("/run/systemd/network/10-netplan-eth0.network"),
                netplan,
                ..KeeperTexts::default()
            },
        ),
        (
            "ifupdown",
            KeeperTexts {
                ifupdown: pair(
                    "/etc/network/interfaces",
                    "auto eth0\niface eth0 inet dhcp\n",
                ),
                ..KeeperTexts::default()
            },
        ),
        (
            "ifupdown with IPv6",
            KeeperTexts {
                ifupdown: pair(
                    "/etc/network/interfaces.d/a",
                    "iface eth0 inet dhcp\niface eth0 inet6 auto\n",
                ),
                ..KeeperTexts::default()
            },
        ),
        (
            "ifupdown of another",
            KeeperTexts {
                ifupdown: pair("/etc/network/interfaces", "iface eth1 inet dhcp\n"),
                ..KeeperTexts::default()
            },
        ),
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|(name, texts)| match keeper("eth0", texts) {
            None => format!("{name}: nobody"),
            Some(one) => format!(
                "{name}: {}{}\n  {}",
                one.kind.as_str(),
                if one.refuses {
                    ", told to leave IPv6 away"
                } else {
                    ""
                },
                one.advice()
            ),
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}
