//! Updates of a real name server, signed with keys that it knows and with others.

mod zone_server;

use std::cell::Cell;
use std::net::Ipv6Addr;
use std::time::Duration;

use trustnet_api::dns::{DnsProvider, DnsSection, Tsig, TsigAlgorithm};
use trustnet_api::secret::ValueFrom;
use trustnet_core::tnr::{Change, Record, Seen, Wish};
use trustnet_dns::provider::{KeyFault, Rfc2136, Signer, carry_out, provider};
use trustnet_dns::{Held, NameServers, Names, Patience, Provider, ProviderError};
use zone_server::{KEY, READER, SHORT, STRONG, ZoneServer};

const OURS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const SECOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const OTHERS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const NAME: &str = "tnr.example.test";

fn zone(records: &str) -> Option<ZoneServer> {
    ZoneServer::start(&[("example.test", Some(records))])
}

fn record(addresses: &[Ipv6Addr]) -> Record {
    Record::new("example.test", addresses.iter().copied()).expect("a record")
}

fn key(name: &str, algorithm: TsigAlgorithm, key: &str) -> Signer {
    Signer::new(name, algorithm, key).expect("a key")
}

/// The server's own zone, by its address.
fn with(server: &ZoneServer, signer: Option<Signer>) -> Rfc2136 {
    let names = Names::with(server.servers());
    Rfc2136::new(Some(&server.address().to_string()), None, signer, names)
}

fn updater(server: &ZoneServer) -> Rfc2136 {
    with(server, Some(key("updater", TsigAlgorithm::HmacSha256, KEY)))
}

fn make(provider: &dyn Provider, wish: Wish, record: &Record) -> Result<Change, ProviderError> {
    let held = provider.read(&record.name())?;
    let change = wish.change(record, held.set.clone());
    carry_out(provider, record, wish, held, &change)
}

/// What everybody is told, in order.
fn there(server: &ZoneServer) -> Vec<Ipv6Addr> {
    let seen = Names::with(server.servers()).at(server.address(), NAME);
    let mut addresses = seen.addresses().to_vec();
    addresses.sort();
    addresses
}

#[test]
fn our_values_come_and_go_and_others_stay() {
    let Some(server) = zone("tnr 600 AAAA 2001:db8::9") else {
        return;
    };
    let provider = updater(&server);
    let ours = record(&[OURS, SECOND]);
    let made = make(&provider, Wish::Publish, &ours).expect("published");
    assert_eq!(made.added(), [OURS, SECOND]);
    assert_eq!(there(&server), [OURS, SECOND, OTHERS]);
    let held = provider.read(NAME).expect("read");
    assert_eq!(held.zone, "example.test");
    assert_eq!(held.set.map(|set| set.ttl), Some(600), "others' TTL stays");
    let again = make(&provider, Wish::Publish, &ours).expect("nothing to do");
    assert!(again.is_empty());
    let gone = make(&provider, Wish::Remove, &record(&[SECOND])).expect("removed");
    assert_eq!(gone.removed(), [SECOND]);
    assert_eq!(there(&server), [OURS, OTHERS]);
    assert!(
        make(&provider, Wish::Remove, &record(&[SECOND]))
            .expect("nothing")
            .is_empty()
    );
}

#[test]
fn the_first_value_makes_the_record_and_the_last_one_takes_it() {
    let Some(server) = zone("") else {
        return;
    };
    let strong = with(
        &server,
        Some(key("strong", TsigAlgorithm::HmacSha512, STRONG)),
    );
    make(&strong, Wish::Publish, &record(&[OURS])).expect("published");
    let held = strong.read(NAME).expect("read");
    assert_eq!(
        held.set.map(|set| (set.addresses, set.ttl)),
        Some((vec![OURS], 300))
    );
    make(&strong, Wish::Remove, &record(&[OURS])).expect("removed");
    assert_eq!(strong.read(NAME).expect("read").set, None);
    let names = Names::with(server.servers());
    assert_eq!(names.at(server.address(), NAME), Seen::NoName);
}

#[test]
fn a_key_that_is_not_the_one_is_told_from_one_that_may_not() {
    let Some(server) = zone("") else {
        return;
    };
    let fault = |signer: Signer| {
        let provider = with(&server, Some(signer));
        match make(&provider, Wish::Publish, &record(&[OURS])) {
            Err(ProviderError::Key { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    };
    let sha256 = TsigAlgorithm::HmacSha256;
    assert_eq!(fault(key("updater", sha256, READER)), KeyFault::Wrong);
    assert_eq!(fault(key("nobody", sha256, KEY)), KeyFault::Unknown);
    let other = key("updater", TsigAlgorithm::HmacSha512, KEY);
    assert_eq!(fault(other), KeyFault::Unknown);
    let late = updater(&server).at(|| 1_000_000_000);
    let late = make(&late, Wish::Publish, &record(&[OURS]));
    let too_late = KeyFault::Time;
    assert!(
        matches!(&late, Err(ProviderError::Key { fault, .. }) if *fault == too_late),
        "{late:?}"
    );
    // This server says the same of a key that may do nothing here.
    assert_eq!(fault(key("reader", sha256, READER)), KeyFault::Unknown);
    let refused = make(&with(&server, None), Wish::Publish, &record(&[OURS]));
    assert!(
        matches!(refused, Err(ProviderError::Denied { .. })),
        "{refused:?}"
    );
    assert!(there(&server).is_empty(), "nobody changed anything");
}

#[test]
fn a_key_that_is_none_is_refused_and_not_shown() {
    for (name, text) in [("updater", "secret!"), ("updater", ""), ("a..b", KEY)] {
        let Err(error) = Signer::new(name, TsigAlgorithm::HmacSha256, text) else {
            panic!("{name}: {text}");
        };
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.is_usage());
    }
}

/// A provider between whose reading and writing somebody else changes the record.
struct Meddled<'a> {
    provider: Rfc2136,
    meddle: &'a dyn Fn(),
    left: Cell<u32>,
}

impl Provider for Meddled<'_> {
    fn kind(&self) -> DnsProvider {
        self.provider.kind()
    }

    fn read(&self, name: &str) -> Result<Held, ProviderError> {
        self.provider.read(name)
    }

    fn write(&self, held: &Held, change: &Change) -> Result<(), ProviderError> {
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            (self.meddle)();
        }
        self.provider.write(held, change)
    }
}

#[test]
fn what_somebody_else_changes_meanwhile_is_not_overwritten() {
    let Some(server) = zone("") else {
        return;
    };
    let other = updater(&server);
    let meddled = |meddle, left| Meddled {
        provider: updater(&server),
        meddle,
        left: Cell::new(left),
    };
    // Another value comes in: ours comes beside it.
    let comes = || drop(make(&other, Wish::Publish, &record(&[OTHERS])).expect("published"));
    let provider = meddled(&comes, 1);
    let held = provider.read(NAME).expect("read");
    let shown = Wish::Publish.change(&record(&[OURS]), held.set.clone());
    let stale = provider.provider.read(NAME).expect("read");
    let made = carry_out(&provider, &record(&[OURS]), Wish::Publish, held, &shown);
    assert_eq!(made.expect("published").kept(), [OTHERS]);
    assert_eq!(there(&server), [OURS, OTHERS]);
    // What was read before is not what is there: the server itself says no.
    let refused = other.write(
        &stale,
        &Change::publish(&record(&[SECOND]), stale.set.clone()),
    );
    assert!(
        matches!(refused, Err(ProviderError::Changed { .. })),
        "{refused:?}"
    );
    assert_eq!(there(&server), [OURS, OTHERS]);
    // Ours went by somebody else's hand: nothing is left to be done.
    let goes = || drop(make(&other, Wish::Remove, &record(&[OURS])).expect("removed"));
    let made = make(&meddled(&goes, 1), Wish::Remove, &record(&[OURS]));
    assert!(made.expect("gone").is_empty());
    assert_eq!(there(&server), [OTHERS]);
    // One of two went: what was shown is not what would be done, and nothing is.
    make(&other, Wish::Publish, &record(&[OURS, SECOND])).expect("published");
    let made = make(&meddled(&goes, 1), Wish::Remove, &record(&[OURS, SECOND]));
    assert!(
        matches!(made, Err(ProviderError::Changed { .. })),
        "{made:?}"
    );
    assert_eq!(there(&server), [SECOND, OTHERS]);
}

#[test]
fn the_server_and_the_zone_are_found_where_none_is_named() {
    let zones = [
        ("example.test", Some("tnr AAAA 2001:db8::9\nlab NS ns1\n")),
        ("lab.example.test", Some("")),
    ];
    let Some(server) = ZoneServer::start(&zones) else {
        return;
    };
    let names = Names::with(server.servers());
    let signer = || Some(key("updater", TsigAlgorithm::HmacSha256, KEY));
    let found = Rfc2136::new(None, None, signer(), names.clone());
    assert_eq!(found.read(NAME).expect("read").zone, "example.test");
    assert_eq!(
        found.read("tnr.lab.example.test").expect("read").zone,
        "lab.example.test",
        "the longest one"
    );
    let port = server.address().port();
    for place in [
        format!("ns1.example.test:{port}"),
        "ns1.example.test".to_owned(),
        "[::1]".to_owned(),
    ] {
        let named = Rfc2136::new(Some(&place), None, signer(), names.clone());
        assert_eq!(
            named.read(NAME).expect("read").zone,
            "example.test",
            "{place}"
        );
    }
    let lab = Record::new("lab.example.test", [OURS]).expect("a record");
    make(&found, Wish::Publish, &lab).expect("published");
    let wrong = Rfc2136::new(None, Some("example.net"), signer(), names.clone());
    for (provider, name) in [(&wrong, NAME), (&found, "tnr.example.net")] {
        let missing = provider.read(name);
        assert!(
            matches!(missing, Err(ProviderError::NoZone { .. })),
            "{missing:?}"
        );
    }
    let named = with(&server, signer());
    let missing = named.read("tnr.example.net");
    assert!(
        matches!(missing, Err(ProviderError::NoZone { .. })),
        "{missing:?}"
    );
    let bad = Rfc2136::new(Some("ns1:x"), None, None, names).read(NAME);
    assert!(matches!(bad, Err(ProviderError::Bad { .. })), "{bad:?}");
}

#[test]
fn another_name_is_not_changed() {
    let Some(server) = zone("tnr CNAME www\nwww AAAA 2001:db8::9") else {
        return;
    };
    let special = updater(&server).read(NAME);
    assert!(
        matches!(special, Err(ProviderError::Special { .. })),
        "{special:?}"
    );
}

#[test]
fn a_server_that_is_silent_or_broken_is_asked_as_often_as_is_said() {
    let Some(server) = ZoneServer::start(&[("example.test", Some("")), ("broken.test", None)])
    else {
        return;
    };
    let patience = Patience {
        tries: 3,
        pause: Duration::from_millis(1),
        ..Patience::default()
    };
    let broken = updater(&server).patient(patience).read("tnr.broken.test");
    let Err(ProviderError::Unavailable { tries: 3, why, .. }) = &broken else {
        panic!("{broken:?}");
    };
    assert!(why.contains("SERVFAIL"), "{why}");
    let socket = std::net::UdpSocket::bind("[::1]:0").expect("a socket");
    let at = socket.local_addr().expect("bound");
    let names = Names::with(NameServers::with(vec![at]));
    let silent = Rfc2136::new(Some(&at.to_string()), None, None, names);
    let silent = silent.patient(Patience {
        answer: SHORT,
        ..patience
    });
    let silent = silent.read(NAME);
    assert!(
        matches!(silent, Err(ProviderError::Unavailable { .. })),
        "{silent:?}"
    );
}

#[test]
fn a_section_names_the_provider_and_its_key() {
    let Some(server) = zone("") else {
        return;
    };
    let names = Names::with(server.servers());
    let section = DnsSection {
        provider: Some(DnsProvider::Rfc2136),
        tsig: Some(Tsig {
            name: "updater".to_owned(),
            algorithm: None,
            key_from: ValueFrom::Env("KEY".to_owned()),
        }),
        ..DnsSection::default()
    };
    let read = |from: &ValueFrom| match from {
        // As `tsig-keygen` writes it.
        ValueFrom::Env(name) if name == "KEY" => Ok(format!(
            "key \"updater\" {{ # no secret \"here\"\n\talgorithm hmac-sha256;\n\tsecret \"{KEY}\";\n}};\n"
        )),
        other => Err(format!("{other:?}").into()),
    };
    let found = provider(&section, &names, &read).expect("a provider");
    let found = found.expect("not by hand");
    make(found.as_ref(), Wish::Publish, &record(&[OURS])).expect("published");
    assert_eq!(there(&server), [OURS]);
    let by_hand = provider(&DnsSection::default(), &names, &read).expect("nobody");
    assert!(by_hand.is_none());
    let unread = provider(&section, &names, &|_| Err("no such file".into()));
    assert!(matches!(unread, Err(ProviderError::Secret(_))));
}
