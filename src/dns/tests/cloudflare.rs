//! Cloudflare's API, against a stand-in that remembers what it is asked.

mod stand_in;

use std::net::Ipv6Addr;
use std::time::Duration;

use stand_in::{Answer, Asked, StandIn};
use trustnet_core::tnr::{Change, Record, RecordSet, Wish};
use trustnet_dns::provider::{Cloudflare, carry_out};
use trustnet_dns::{Patience, Provider as _, ProviderError};

const OURS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const SECOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const OTHERS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const NAME: &str = "tnr.example.org";
const TOKEN: &str = "secret-token-0123456789";
const ZONES: &str = r#"{"id":"z1","name":"example.org"},{"id":"z2","name":"lab.example.org"}"#;
const DONE: &str = r#"{"success":true,"errors":[],"result":{"id":"r3"}}"#;

const PATIENCE: Patience = Patience {
    tries: 3,
    pause: Duration::from_millis(1),
    longest: Duration::from_millis(5),
    answer: Duration::from_secs(20),
};

fn page(items: &str, pages: u32) -> Answer {
    let text = format!(
        r#"{{"success":true,"errors":[],"result":[{items}],"result_info":{{"total_pages":{pages}}}}}"#
    );
    Answer::new(200, text)
}

fn no(status: u16, code: u32, message: &str) -> Answer {
    let text = format!(
        r#"{{"success":false,"errors":[{{"code":{code},"message":"{message}"}}],"result":null}}"#
    );
    Answer::new(status, text)
}

fn entry(id: &str, address: Ipv6Addr, ttl: u32) -> String {
    format!(
        r#"{{"id":"{id}","name":"tnr.example.org","type":"AAAA","content":"{address}","ttl":{ttl},"proxied":false}}"#
    )
}

/// An account with two zones, and these records in the name.
fn account(records: String) -> impl Fn(&Asked, usize) -> Answer {
    move |asked, _| match asked.line.split_once(' ') {
        Some(("GET", path)) if path.starts_with("/v4/zones?") => page(ZONES, 1),
        Some(("GET", _)) => page(&records, 1),
        _ => Answer::new(200, DONE),
    }
}

fn cloudflare(api: &StandIn, zone: Option<&str>) -> Cloudflare {
    let url = format!("{}/v4/", api.url());
    let cloudflare = Cloudflare::new(Some(&url), zone, TOKEN).expect("an account");
    cloudflare.patient(PATIENCE).expect("an account")
}

fn record(addresses: &[Ipv6Addr]) -> Record {
    Record::new("example.org", addresses.iter().copied()).expect("a record")
}

fn make(cloudflare: &Cloudflare, wish: Wish, record: &Record) -> Result<Change, ProviderError> {
    let held = cloudflare.read(&record.name())?;
    let change = wish.change(record, held.set.clone());
    carry_out(cloudflare, record, wish, held, &change)
}

#[test]
fn a_value_is_added_beside_others_and_the_token_is_in_no_message() {
    let api = StandIn::start(account(entry("r1", OTHERS, 600)));
    let made = make(
        &cloudflare(&api, None),
        Wish::Publish,
        &record(&[OURS, OTHERS]),
    );
    assert_eq!(made.expect("published").added(), [OURS]);
    assert_eq!(
        api.lines(),
        [
            "GET /v4/zones?per_page=50&page=1",
            "GET /v4/zones/z1/dns_records?type=AAAA&name=tnr.example.org&per_page=50&page=1",
            "POST /v4/zones/z1/dns_records",
        ]
    );
    let asked = api.asked();
    let bearer = format!("Bearer {TOKEN}");
    assert!(asked.iter().all(|asked| asked.authorization == bearer));
    assert_eq!(
        asked[2].body,
        r#"{"content":"2001:db8::1","name":"tnr.example.org","proxied":false,"ttl":600,"type":"AAAA"}"#
    );
}

#[test]
fn only_our_value_is_removed_by_its_own_id() {
    let records = [entry("r1", OTHERS, 1), entry("r2", OURS, 1)].join(",");
    let api = StandIn::start(account(records));
    let cloudflare = cloudflare(&api, Some("example.org."));
    let held = cloudflare.read(NAME).expect("read");
    let set = RecordSet {
        addresses: vec![OTHERS, OURS],
        ttl: 300,
    };
    assert_eq!(held.set, Some(set), "automatic is 300 s");
    let made = make(&cloudflare, Wish::Remove, &record(&[OURS, SECOND])).expect("removed");
    assert_eq!(made.removed(), [OURS]);
    let changes: Vec<String> = api
        .lines()
        .into_iter()
        .filter(|line| !line.starts_with("GET"))
        .collect();
    assert_eq!(changes, ["DELETE /v4/zones/z1/dns_records/r2"]);
}

#[test]
fn a_record_that_got_another_value_meanwhile_stays_and_one_of_another_name_is_none() {
    let api = StandIn::start(account(entry("r2", OURS, 1)));
    let before = cloudflare(&api, Some("example.org."));
    let held = before.read(NAME).expect("read");
    let change = Wish::Remove.change(&record(&[OURS]), held.set.clone());
    // The same number, and another's value by now.
    let other = entry("r3", OURS, 1).replace("tnr.example.org", "www.example.org");
    let records = [entry("r2", OTHERS, 1), other].join(",");
    let api = StandIn::start(account(records));
    let after = cloudflare(&api, Some("example.org."));
    let refused = after.write(&held, &change);
    assert!(
        matches!(refused, Err(ProviderError::Changed { .. })),
        "{refused:?}"
    );
    assert!(api.lines().iter().all(|line| line.starts_with("GET")));
    let set = after.read(NAME).expect("read").set.expect("a record");
    assert_eq!(set.addresses, [OTHERS]);
}

#[test]
fn what_is_there_or_gone_already_is_left_alone() {
    let api = StandIn::start(account(entry("r1", OURS, 300)));
    let cloudflare = cloudflare(&api, None);
    assert!(
        make(&cloudflare, Wish::Publish, &record(&[OURS]))
            .expect("nothing")
            .is_empty()
    );
    assert!(
        make(&cloudflare, Wish::Remove, &record(&[SECOND]))
            .expect("nothing")
            .is_empty()
    );
    assert!(api.lines().iter().all(|line| line.starts_with("GET")));
    // Somebody else was quicker, or the answer to the first try was lost.
    for (answer, wish) in [
        (
            no(400, 81058, "An identical record already exists."),
            Wish::Publish,
        ),
        (no(404, 81044, "Record does not exist."), Wish::Remove),
    ] {
        let records = match wish {
            Wish::Publish => entry("r1", OTHERS, 300),
            Wish::Remove => entry("r1", OURS, 300),
        };
        let usual = account(records);
        let quicker = StandIn::start(move |asked, nth| {
            if asked.line.starts_with("GET") {
                usual(asked, nth)
            } else {
                answer.clone()
            }
        });
        make(&self::cloudflare(&quicker, None), wish, &record(&[OURS])).expect("as wanted");
    }
}

#[test]
fn lists_are_read_page_by_page_and_the_longest_zone_is_taken() {
    let api = StandIn::start(|asked, _| {
        let last = asked.line.ends_with("page=3");
        match asked.line.split_once("/zones") {
            Some((_, rest)) if rest.starts_with('?') => page(
                if last {
                    ZONES
                } else {
                    r#"{"id":"z0","name":"org"}"#
                },
                3,
            ),
            _ => {
                let n = if last { OURS } else { OTHERS };
                let name = "tnr.lab.example.org";
                page(&entry("r", n, 300).replace(NAME, name), 3)
            }
        }
    });
    let cloudflare = cloudflare(&api, None);
    let held = cloudflare.read("tnr.lab.example.org").expect("read");
    assert_eq!(held.zone, "lab.example.org");
    assert_eq!(
        held.set.map(|set| set.addresses),
        Some(vec![OTHERS, OTHERS, OURS])
    );
    assert_eq!(api.lines().len(), 6);
    assert!(api.lines()[5].starts_with("GET /v4/zones/z2/dns_records?"));
}

#[test]
fn a_zone_that_is_not_the_accounts_is_said_with_those_that_are() {
    let api = StandIn::start(account(String::new()));
    for (zone, name) in [
        (None, "tnr.example.net"),
        (Some("example.net"), NAME),
        (Some("lab.example.org"), NAME),
    ] {
        let missing = cloudflare(&api, zone).read(name);
        let Err(error @ ProviderError::NoZone { .. }) = missing else {
            panic!("{missing:?}");
        };
        assert!(
            error.to_string().contains("example.org, lab.example.org"),
            "{error}"
        );
    }
    let empty = StandIn::start(|_, _| page("", 0));
    let missing = cloudflare(&empty, None).read(NAME);
    assert!(
        matches!(missing, Err(ProviderError::NoZone { .. })),
        "{missing:?}"
    );
}

#[test]
fn throttling_and_their_own_errors_are_waited_for_and_no_longer_than_is_said() {
    let usual = account(String::new());
    let api = StandIn::start(move |asked, nth| match nth {
        0 => Answer::new(429, "").headers("Retry-After: 1\r\n"),
        1 | 4 => Answer::new(503, "<html>"),
        _ => usual(asked, nth),
    });
    make(&cloudflare(&api, None), Wish::Publish, &record(&[OURS])).expect("published");
    let methods: Vec<String> = api
        .lines()
        .iter()
        .map(|line| line[..4].to_owned())
        .collect();
    assert_eq!(methods, ["GET ", "GET ", "GET ", "GET ", "POST", "POST"]);
    let busy = StandIn::start(|_, _| Answer::new(429, "").headers("Retry-After: 3600\r\n"));
    let given_up = cloudflare(&busy, None).read(NAME);
    let Err(ProviderError::Unavailable { tries: 3, why, .. }) = &given_up else {
        panic!("{given_up:?}");
    };
    assert!(why.contains("429"), "{why}");
    assert_eq!(busy.lines().len(), 3);
}

#[test]
fn as_long_as_they_say_is_waited() {
    let usual = account(String::new());
    let api = StandIn::start(move |asked, nth| match nth {
        0 => Answer::new(429, "").headers("Retry-After: 1\r\n"),
        _ => usual(asked, nth),
    });
    let patience = Patience {
        longest: Duration::from_millis(40),
        ..PATIENCE
    };
    let cloudflare = cloudflare(&api, None)
        .patient(patience)
        .expect("an account");
    let begun = std::time::Instant::now();
    cloudflare.read(NAME).expect("read");
    // The pause alone would be a millisecond; they said a second, which is more than is ever waited here.
    assert!(begun.elapsed() >= Duration::from_millis(40));
}

#[test]
fn who_may_not_is_told_so_at_once_and_never_sees_the_token() {
    let api = StandIn::start(|_, _| no(403, 9109, "Unauthorized to access requested resource"));
    let refused = cloudflare(&api, None).read(NAME);
    let Err(error @ ProviderError::Denied { .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("(9109)"), "{error}");
    assert!(!format!("{error:?}").contains(TOKEN));
    assert_eq!(api.lines().len(), 1, "trying again does not help");
    for body in ["<html>", "{}", r#"{"success":true,"result":"?"}"#] {
        let odd = StandIn::start(move |_, _| Answer::new(200, body));
        let failed = cloudflare(&odd, None).read(NAME);
        assert!(
            matches!(failed, Err(ProviderError::Failed { .. })),
            "{failed:?}"
        );
    }
}

#[test]
fn a_token_goes_over_https_or_stays_here() {
    for url in [
        "http://api.example.org/",
        "http://localhost/",
        "ftp://127.0.0.1/",
        "x",
        "file:///etc",
    ] {
        let refused = Cloudflare::new(Some(url), None, TOKEN);
        assert!(matches!(refused, Err(ProviderError::Bad { .. })), "{url}");
    }
    assert!(Cloudflare::new(Some("http://[::1]:8080/"), None, TOKEN).is_ok());
    let Err(bad) = Cloudflare::new(None, None, "two\nlines") else {
        panic!("a token of two lines");
    };
    assert!(!format!("{bad:?}").contains("lines"), "{bad:?}");
}

#[test]
fn a_record_that_is_proxied_is_not_changed() {
    let proxied = entry("r1", OURS, 1).replace("false", "true");
    let api = StandIn::start(account(proxied));
    let special = cloudflare(&api, None).read(NAME);
    assert!(
        matches!(special, Err(ProviderError::Special { .. })),
        "{special:?}"
    );
}
