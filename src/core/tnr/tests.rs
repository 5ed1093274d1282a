//! The record: what is to be there, what changes, what is said of what was seen.

use std::net::Ipv6Addr;

use trustnet_api::dns::{DnsProvider, DnsSection};

use super::{
    Change, Record, RecordError, RecordSet, Role, Seen, Sighting, Verdict, View, Wish, check,
    host_in, instructions, judge, longest_zone, suffixes, text,
};

const OURS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const SECOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const OTHERS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

fn record(addresses: &[Ipv6Addr]) -> Record {
    Record::new("example.org", addresses.iter().copied()).expect("a record")
}

fn set(addresses: &[Ipv6Addr], ttl: u32) -> Option<RecordSet> {
    Some(RecordSet {
        addresses: addresses.to_vec(),
        ttl,
    })
}

fn view(server: &str, role: Role, seen: Seen) -> View {
    View {
        server: server.to_owned(),
        address: None,
        role,
        seen,
    }
}

fn with(addresses: &[Ipv6Addr]) -> Seen {
    Seen::Addresses {
        addresses: addresses.to_vec(),
        ttl: 300,
    }
}

fn sighting(views: Vec<View>) -> Sighting {
    Sighting {
        name: "tnr.example.org".to_owned(),
        zone: Some("example.org".to_owned()),
        views,
    }
}

#[test]
fn a_record_has_a_domain_and_addresses_that_others_reach() {
    let record = Record::new("Example.ORG.", [OURS, SECOND, OURS]).expect("a record");
    assert_eq!(record.name(), "tnr.example.org");
    assert_eq!(record.domain(), "example.org");
    assert_eq!(record.addresses(), [OURS, SECOND], "each once, in order");
    let long = format!("{}.org", "a.".repeat(125).trim_end_matches('.'));
    for domain in ["", ".", "exa mple.org", "-a.org", "a..org", long.as_str()] {
        let refused = Record::new(domain, [OURS]);
        assert!(
            matches!(refused, Err(RecordError::Domain(_))),
            "{domain}: {refused:?}"
        );
    }
    for address in ["::", "::1", "ff02::1", "fe80::1", "::ffff:192.0.2.1"] {
        let refused = Record::new("example.org", [address.parse().expect("an address")]);
        assert!(
            matches!(refused, Err(RecordError::Address { .. })),
            "{address}: {refused:?}"
        );
    }
    assert_eq!(Record::new("example.org", []), Err(RecordError::Empty));
    assert!(Record::new("lan", ["fd10:1234::253".parse().expect("an address")]).is_ok());
}

#[test]
fn what_is_published_comes_beside_what_others_have_and_keeps_their_ttl() {
    let first = Change::publish(&record(&[OURS]), None);
    assert_eq!(first.after(), set(&[OURS], 300).as_ref());
    assert_eq!(first.to_string(), "+ tnr.example.org. 300 AAAA 2001:db8::1");
    let beside = Change::publish(&record(&[OURS, SECOND]), set(&[OTHERS, SECOND], 600));
    assert_eq!(beside.added(), [OURS]);
    assert!(beside.removed().is_empty());
    assert_eq!(beside.kept(), [OTHERS, SECOND]);
    assert_eq!(
        beside.to_string(),
        "  tnr.example.org. 600 AAAA 2001:db8::9\n  tnr.example.org. 600 AAAA 2001:db8::2\n\
         + tnr.example.org. 600 AAAA 2001:db8::1"
    );
    let again = Change::publish(&record(&[OURS]), beside.after().cloned());
    assert!(again.is_empty());
}

#[test]
fn what_is_removed_is_ours_only_and_an_empty_set_is_none() {
    let one = Change::remove(&record(&[OURS, SECOND]), set(&[OTHERS, OURS], 300));
    assert_eq!(one.removed(), [OURS]);
    assert_eq!(one.after(), set(&[OTHERS], 300).as_ref());
    assert_eq!(one.kept(), [OTHERS]);
    let all = Change::remove(&record(&[OURS]), set(&[OURS], 300));
    assert_eq!(all.after(), None);
    assert!(!all.is_empty());
    for before in [None, set(&[OTHERS], 300), set(&[], 300)] {
        let nothing = Wish::Remove.change(&record(&[OURS]), before);
        assert!(nothing.is_empty(), "{nothing:?}");
    }
    assert!(one.is_like(&Change::remove(&record(&[OURS]), set(&[OURS, SECOND], 60))));
    assert!(!one.is_like(&all.clone()) || one.removed() == all.removed());
}

#[test]
fn the_zones_own_servers_decide_and_others_follow() {
    use Role::{Authoritative, Public, Resolver};
    let own = |seen| view("ns1.example.org", Authoritative, seen);
    let other = |seen| view("ns2.example.org", Authoritative, seen);
    let resolver = |seen| view("the machine's resolver", Resolver, seen);
    let public = |seen| view("dns.example", Public, seen);
    let both = vec![OURS, OTHERS];
    let cases = [
        (
            vec![own(with(&[OURS])), resolver(with(&[OURS]))],
            "published",
        ),
        // The order does not count, and what others have neither.
        (
            vec![own(with(&both)), resolver(with(&[OTHERS, OURS]))],
            "published",
        ),
        // Who does not answer counts neither way.
        (
            vec![
                own(with(&[OURS])),
                other(Seen::Silent),
                public(Seen::Failed),
                resolver(with(&[OURS])),
            ],
            "published",
        ),
        (
            vec![
                own(with(&[OURS])),
                resolver(Seen::NoName),
                public(with(&[OURS])),
            ],
            "spreading",
        ),
        (
            vec![
                own(with(&[OURS])),
                other(with(&[OTHERS])),
                resolver(with(&[OURS])),
            ],
            "missing",
        ),
        (vec![own(with(&[OURS])), other(Seen::NoName)], "missing"),
        (
            vec![own(with(&[OTHERS])), resolver(with(&[OURS]))],
            "missing",
        ),
        (vec![own(Seen::NoName), resolver(with(&[OURS]))], "absent"),
        (vec![own(Seen::NoData), other(Seen::NoName)], "absent"),
        // No authority answers: what others know is all there is.
        (
            vec![own(Seen::Refused), resolver(with(&[OURS]))],
            "published",
        ),
        (vec![own(Seen::Lame), resolver(Seen::NoName)], "absent"),
        (vec![own(Seen::Silent), resolver(Seen::Failed)], "unknown"),
        (vec![], "unknown"),
    ];
    for (views, word) in cases {
        let sighting = sighting(views);
        let verdict = judge(&[OURS], &sighting);
        assert_eq!(verdict.word(), word, "{sighting:?}");
        assert_eq!(check(&[OURS], &sighting).result, word);
    }
}

#[test]
fn without_a_wish_any_address_will_do() {
    let own = view("ns1", Role::Authoritative, with(&[OTHERS]));
    let there = sighting(vec![
        own.clone(),
        view("r", Role::Resolver, with(&[OTHERS])),
    ]);
    assert_eq!(
        judge(&[], &there),
        Verdict::Published { others: Vec::new() }
    );
    assert_eq!(there.addresses(), [OTHERS]);
    let late = sighting(vec![own, view("r", Role::Resolver, Seen::NoName)]);
    assert_eq!(
        judge(&[], &late).to_string(),
        "the zone's own name servers have the record, and r not yet"
    );
    let mixed = sighting(vec![
        view("ns1", Role::Authoritative, with(&[OTHERS])),
        view("ns2", Role::Authoritative, Seen::NoName),
    ]);
    assert_eq!(
        judge(&[], &mixed).to_string(),
        "the record is not there at ns2; it has 2001:db8::9"
    );
}

#[test]
fn the_zone_is_the_one_with_the_longest_name() {
    let zones = ["org", "example.org.", "lab.example.org", "xlab.example.org"];
    let of = |name| longest_zone(name, zones);
    assert_eq!(of("tnr.lab.example.org"), Some("lab.example.org"));
    assert_eq!(of("tnr.slab.Example.org"), Some("example.org."));
    assert_eq!(of("tnr.example.net"), None);
    assert_eq!(of("notexample.org"), Some("org"));
    assert_eq!(
        host_in("tnr.lab.example.org", "Example.org."),
        Some("tnr.lab".to_owned())
    );
    assert_eq!(host_in("example.org", "example.org"), Some("@".to_owned()));
    assert_eq!(host_in("anexample.org", "example.org"), None);
    assert_eq!(host_in("tnr.example.org", ""), None);
    let all: Vec<&str> = suffixes("tnr.example.org").collect();
    assert_eq!(all, ["tnr.example.org", "example.org", "org"]);
}

#[test]
fn instructions_say_what_to_do_at_each_provider() {
    let record = Record::new("lab.example.org", [OURS, SECOND]).expect("a record");
    let all = DnsProvider::ALL.map(|provider| {
        let section = DnsSection {
            provider: Some(provider),
            zone: Some("example.org.".to_owned()),
            server: Some("[2001:db8::53]:5353".to_owned()),
            ..DnsSection::default()
        };
        text(&instructions(&record, &section))
    });
    insta::assert_snapshot!(all.join("\n----\n"));
    // A zone that the record is not in is no zone of it.
    let section = DnsSection {
        zone: Some("example.net".to_owned()),
        ..DnsSection::default()
    };
    let told = instructions(&record, &section);
    assert_eq!(
        (told.zone.as_str(), told.host.as_str()),
        ("lab.example.org", "tnr")
    );
}
