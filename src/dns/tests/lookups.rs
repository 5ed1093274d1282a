//! What is said of a record by a real name server, and by those that are silent, broken or late.

mod zone_server;

use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use trustnet_api::dns::TsigAlgorithm;
use trustnet_core::tnr::{Record, Role, Seen, Sighting, Verdict, Wish, judge};
use trustnet_dns::provider::{Rfc2136, Signer, carry_out};
use trustnet_dns::{NameServers, Names, NamesError, Provider as _, Watch};
use zone_server::{KEY, SHORT, ZoneServer};

const OURS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const OTHERS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const TWO: &str =
    "tnr AAAA 2001:db8::1\ntnr AAAA 2001:db8::9\nwww A 192.0.2.7\nwww AAAA 2001:db8::7";

fn names(server: &ZoneServer) -> Names {
    Names::with(server.servers()).within(Duration::from_secs(5))
}

fn seen(sighting: &Sighting, role: Role) -> Vec<&Seen> {
    let views = sighting.views.iter().filter(|view| view.role == role);
    views.map(|view| &view.seen).collect()
}

/// A socket that is bound, and never read.
fn silent(address: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((address, 0)).expect("a socket");
    let at = socket.local_addr().expect("bound");
    (socket, at)
}

#[test]
fn a_record_is_seen_at_the_zones_own_server_and_by_the_resolver() {
    let Some(server) = ZoneServer::start(&[("example.test", Some(TWO))]) else {
        return;
    };
    let names = names(&server);
    let sighting = names.sight("Example.test.").expect("a look");
    assert_eq!(sighting.name, "tnr.example.test");
    assert_eq!(sighting.zone.as_deref(), Some("example.test"));
    assert_eq!(sighting.views[0].server, "ns1.example.test");
    assert_eq!(sighting.views[0].address, Some(server.address()));
    for role in [Role::Authoritative, Role::Resolver] {
        let [Seen::Addresses { addresses, ttl }] = seen(&sighting, role)[..] else {
            panic!("{sighting:?}");
        };
        let mut addresses = addresses.clone();
        addresses.sort();
        assert_eq!((addresses, *ttl), (vec![OURS, OTHERS], 60));
    }
    // The wanted value is one of several.
    assert_eq!(
        judge(&[OURS], &sighting),
        Verdict::Published {
            others: vec![OTHERS]
        }
    );
    let third = "2001:db8::3".parse().expect("an address");
    assert_eq!(judge(&[OURS, third], &sighting).word(), "missing");
}

#[test]
fn a_domain_below_its_zone_is_found_in_that() {
    let records = "tnr.lab AAAA 2001:db8::1";
    let Some(server) = ZoneServer::start(&[("example.test", Some(records))]) else {
        return;
    };
    let sighting = names(&server).sight("lab.example.test").expect("a look");
    assert_eq!(sighting.zone.as_deref(), Some("example.test"));
    assert_eq!(sighting.addresses(), [OURS]);
    assert!(judge(&[OURS], &sighting).is_published());
}

#[test]
fn no_name_no_address_another_name_and_no_answer_are_told_apart() {
    let zones = [
        ("none.test", Some("www A 192.0.2.7")),
        ("old.test", Some("tnr A 192.0.2.7")),
        ("alias.test", Some("tnr CNAME registry.elsewhere.test.")),
        ("broken.test", None),
    ];
    let Some(server) = ZoneServer::start(&zones) else {
        return;
    };
    let names = names(&server);
    let look = |domain: &str| names.sight(domain).expect("a look");
    let none = look("none.test");
    assert_eq!(seen(&none, Role::Authoritative), [&Seen::NoName]);
    assert_eq!(seen(&none, Role::Resolver), [&Seen::NoName]);
    assert_eq!(judge(&[], &none), Verdict::Absent);
    let old = look("old.test");
    assert_eq!(seen(&old, Role::Authoritative), [&Seen::NoData]);
    assert_eq!(seen(&old, Role::Resolver), [&Seen::NoData]);
    let alias = look("alias.test");
    let target = Seen::Alias("registry.elsewhere.test".to_owned());
    assert_eq!(seen(&alias, Role::Authoritative), [&target]);
    let broken = look("broken.test");
    assert_eq!(seen(&broken, Role::Resolver), [&Seen::Failed]);
    assert_eq!(judge(&[], &broken).word(), "unknown");
    assert_eq!(names.at(server.address(), "tnr.broken.test"), Seen::Failed);
    // Of a zone that it does not have it says nothing.
    assert_eq!(names.at(server.address(), "tnr.example.org"), Seen::Refused);
    let foreign = look("example.org");
    assert_eq!(seen(&foreign, Role::Resolver), [&Seen::Refused]);
    assert_eq!(foreign.zone, None);
}

#[test]
fn servers_that_are_silent_lame_or_differ_are_named() {
    let records = "@ NS ns2\nns2 A 127.0.0.2\n@ NS ns3\nns3 A 127.0.0.3\n@ NS ns4\nns4 A 127.0.0.4\ntnr AAAA 2001:db8::1";
    let Some(server) = ZoneServer::start(&[("example.test", Some(records))]) else {
        return;
    };
    let (_kept, quiet) = silent("127.0.0.2");
    let lame = lame_server("127.0.0.3");
    let gone = {
        let (_, at) = silent("127.0.0.4");
        at
    };
    let servers = NameServers::with(vec![server.address(), quiet, lame, gone]);
    // Long enough for a machine that has much to do: one of them is waited for in any case.
    let names = Names::with(servers).within(Duration::from_secs(2));
    let sighting = names.sight("example.test").expect("a look");
    let of = |name: &str| {
        let mut views = sighting.views.iter();
        let view = views.find(|view| view.server == format!("{name}.example.test"));
        &view.expect("the server").seen
    };
    assert_eq!(of("ns1").addresses(), [OURS]);
    assert_eq!(of("ns2"), &Seen::Silent);
    assert_eq!(of("ns3"), &Seen::Lame);
    assert!(matches!(of("ns4"), Seen::Unreachable(_)), "{sighting:?}");
    assert!(judge(&[OURS], &sighting).is_published(), "{sighting:?}");
}

/// A server that answers, and says that it is nobody's.
fn lame_server(address: &str) -> SocketAddr {
    let (socket, at) = silent(address);
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // Its own question, marked as a response; nothing in it, and no authority.
            buffer[2] = 0x80;
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    at
}

#[test]
fn nobody_who_answers_is_said_within_the_time() {
    let (_kept, quiet) = silent("::1");
    let names = Names::with(NameServers::with(vec![quiet])).within(SHORT);
    let sighting = names.sight("example.test").expect("a look");
    assert_eq!(seen(&sighting, Role::Resolver), [&Seen::Silent]);
    assert_eq!(sighting.zone, None);
    assert_eq!(judge(&[], &sighting).word(), "unknown");
    let wrong = names.sight("exa mple");
    assert!(matches!(wrong, Err(NamesError::Record(_))), "{wrong:?}");
}

#[test]
fn any_name_has_addresses_of_both_families() {
    let Some(server) = ZoneServer::start(&[("example.test", Some(TWO))]) else {
        return;
    };
    let names = names(&server);
    let found = names.addresses("www.example.test").expect("a look");
    let wanted: Vec<IpAddr> = ["2001:db8::7", "192.0.2.7"]
        .map(|text| text.parse().expect("an address"))
        .into();
    assert_eq!(found, Ok(wanted));
    let missing = names.addresses("missing.example.test").expect("a look");
    assert_eq!(missing, Err(Seen::NoName));
    assert_eq!(
        names.servers().addresses(),
        Ok(vec![server.address()]),
        "those that were given"
    );
}

#[test]
fn a_long_answer_comes_over_tcp() {
    let many: Vec<String> = (1..=60)
        .map(|n| format!("tnr AAAA 2001:db8::{n:x}"))
        .collect();
    let Some(server) = ZoneServer::start(&[("example.test", Some(&many.join("\n")))]) else {
        return;
    };
    let sighting = names(&server).sight("example.test").expect("a look");
    for view in &sighting.views {
        assert_eq!(view.seen.addresses().len(), 60, "{view:?}");
    }
}

#[test]
fn a_value_that_appears_while_it_is_waited_for_is_seen() {
    let Some(server) = ZoneServer::start(&[("example.test", Some(""))]) else {
        return;
    };
    let Some(late) = ZoneServer::start(&[("example.test", Some(""))]) else {
        return;
    };
    let record = Record::new("example.test", [OURS]).expect("a record");
    let publish = |server: &ZoneServer| {
        let key = Signer::new("updater", TsigAlgorithm::HmacSha256, KEY).expect("a key");
        let at = server.address().to_string();
        let provider = Rfc2136::new(Some(&at), None, Some(key), names(server));
        let held = provider.read(&record.name()).expect("the zone");
        let change = Wish::Publish.change(&record, held.set.clone());
        carry_out(&provider, &record, Wish::Publish, held, &change).expect("published");
    };
    let names = names(&server).and_public("late.test", late.servers());
    let watch = Watch {
        tries: 12,
        pause: Duration::from_millis(1),
    };
    let mut words = Vec::new();
    let last = names.watch("example.test", &[OURS], &watch, &|| false, &mut |look| {
        words.push(look.verdict.word());
        match look.number {
            2 => publish(&server),
            4 => publish(&late),
            _ => {}
        }
    });
    let last = last.expect("looks");
    assert_eq!(
        words,
        ["absent", "absent", "spreading", "spreading", "published"]
    );
    assert_eq!((last.number, last.of), (5, 12));
    assert!(last.verdict.is_published());
}

#[test]
fn waiting_ends_with_what_was_seen_last_or_when_it_is_to_stop() {
    let Some(server) = ZoneServer::start(&[("example.test", Some(""))]) else {
        return;
    };
    let names = names(&server);
    let looks = Cell::new(0);
    let watch = |pause| Watch { tries: 3, pause };
    let wait = |watch: &Watch, stop: &dyn Fn() -> bool| {
        looks.set(0);
        let told = &mut |_: &_| looks.set(looks.get() + 1);
        names.watch("example.test", &[OURS], watch, stop, told)
    };
    let last = wait(&watch(Duration::from_millis(1)), &|| false).expect("looks");
    assert_eq!((last.verdict, looks.get()), (Verdict::Absent, 3));
    let long = watch(Duration::from_secs(3600));
    let last = wait(&long, &|| looks.get() == 1).expect("looks");
    assert_eq!((last.number, looks.get()), (1, 1));
    assert_eq!(
        Watch::default(),
        Watch {
            tries: 12,
            pause: Duration::from_secs(5)
        }
    );
}
