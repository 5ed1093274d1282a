//! Route 53 through Amazon's kit, against a stand-in that remembers what it is asked.

#[expect(dead_code, reason = "these tests use part of it")]
mod stand_in;

use std::net::Ipv6Addr;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_route53::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use stand_in::{Answer, Asked, StandIn};
use trustnet_core::tnr::{Change, Record, RecordSet, Wish};
use trustnet_dns::provider::{Route53, carry_out};
use trustnet_dns::{Patience, Provider as _, ProviderError};

const OURS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const SECOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const OTHERS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const NAME: &str = "tnr.example.org";
const SECRET: &str = "secret-access-key-0123456789";

const PATIENCE: Patience = Patience {
    tries: 3,
    pause: Duration::from_millis(1),
    longest: Duration::from_millis(5),
    answer: Duration::from_secs(20),
};

fn zone(id: &str, name: &str, private: bool) -> String {
    format!(
        "<HostedZone><Id>/hostedzone/{id}</Id><Name>{name}.</Name><CallerReference>{id}</CallerReference>\
         <Config><PrivateZone>{private}</PrivateZone></Config></HostedZone>"
    )
}

fn zones(zones: &[String], next: Option<&str>) -> Answer {
    let next = match next {
        Some(next) => format!("<IsTruncated>true</IsTruncated><NextMarker>{next}</NextMarker>"),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    let zones = zones.concat();
    Answer::new(
        200,
        format!(
            "<ListHostedZonesResponse><HostedZones>{zones}</HostedZones><Marker></Marker>{next}<MaxItems>100</MaxItems>\
             </ListHostedZonesResponse>"
        ),
    )
}

fn set(name: &str, more: &str, addresses: &[Ipv6Addr]) -> String {
    let values: String = addresses
        .iter()
        .map(|address| format!("<ResourceRecord><Value>{address}</Value></ResourceRecord>"))
        .collect();
    format!(
        "<ResourceRecordSet><Name>{name}.</Name><Type>AAAA</Type>{more}<TTL>600</TTL>\
         <ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>"
    )
}

fn sets(sets: &str) -> Answer {
    Answer::new(
        200,
        format!(
            "<ListResourceRecordSetsResponse><ResourceRecordSets>{sets}</ResourceRecordSets>\
             <IsTruncated>false</IsTruncated><MaxItems>3</MaxItems></ListResourceRecordSetsResponse>"
        ),
    )
}

fn changed() -> Answer {
    Answer::new(
        200,
        "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
         <SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>",
    )
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::new(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>"
        ),
    )
}

/// An account with some zones, and these sets of records from the name on.
fn account(records: String) -> impl Fn(&Asked, usize) -> Answer {
    move |asked, _| {
        if asked.line.starts_with("POST") {
            changed()
        } else if asked.line.contains("/rrset") {
            sets(&records)
        } else {
            let all = [
                zone("Z1", "example.org", false),
                zone("Z2", "lab.example.org", false),
                zone("Z3", "example.org", true),
            ];
            zones(&all, None)
        }
    }
}

fn route53(api: &StandIn, zone: Option<&str>) -> Route53 {
    let keys = Credentials::new("AKID", SECRET, None, None, "test");
    let http: SharedHttpClient = aws_smithy_http_client::Builder::new().build_http();
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .endpoint_url(api.url())
        .http_client(http)
        .build();
    Route53::with(&config, zone, &PATIENCE).expect("an account")
}

fn record(addresses: &[Ipv6Addr]) -> Record {
    Record::new("example.org", addresses.iter().copied()).expect("a record")
}

fn make(route53: &Route53, wish: Wish, record: &Record) -> Result<Change, ProviderError> {
    let held = route53.read(&record.name())?;
    let change = wish.change(record, held.set.clone());
    carry_out(route53, record, wish, held, &change)
}

/// The batches that it was told to make.
fn batches(api: &StandIn) -> Vec<String> {
    let asked = api.asked().into_iter();
    asked
        .filter(|asked| asked.line.starts_with("POST"))
        .map(|asked| asked.body)
        .collect()
}

#[test]
fn a_value_comes_beside_others_in_one_batch_that_holds_what_was_read() {
    let api = StandIn::start(account(set(NAME, "", &[OTHERS])));
    let made = make(&route53(&api, None), Wish::Publish, &record(&[OURS]));
    assert_eq!(made.expect("published").kept(), [OTHERS]);
    let lines = api.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[1].starts_with("GET /2013-04-01/hostedzone/Z1/rrset?"),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("POST /2013-04-01/hostedzone/Z1/rrset"),
        "{lines:?}"
    );
    let value = |address| format!("<ResourceRecord><Value>{address}</Value></ResourceRecord>");
    let change = |action: &str, values: String| {
        format!(
            "<Change><Action>{action}</Action><ResourceRecordSet><Name>tnr.example.org.</Name><Type>AAAA</Type>\
             <TTL>600</TTL><ResourceRecords>{values}</ResourceRecords></ResourceRecordSet></Change>"
        )
    };
    let wanted = change("DELETE", value(OTHERS)) + &change("CREATE", value(OTHERS) + &value(OURS));
    let batch = &batches(&api)[0];
    assert!(
        batch.contains(&format!("<Changes>{wanted}</Changes>")),
        "{batch}"
    );
    for asked in api.asked() {
        assert!(
            asked
                .authorization
                .starts_with("AWS4-HMAC-SHA256 Credential=AKID/")
        );
        assert!(!asked.authorization.contains(SECRET) && !asked.body.contains(SECRET));
    }
}

#[test]
fn the_first_value_is_made_the_last_one_taken_and_nothing_done_twice() {
    let empty = StandIn::start(account(set("www.example.org", "", &[OTHERS])));
    make(&route53(&empty, None), Wish::Publish, &record(&[OURS])).expect("published");
    let batch = &batches(&empty)[0];
    assert!(
        batch.contains("<Action>CREATE</Action>") && !batch.contains("DELETE"),
        "{batch}"
    );
    assert!(batch.contains("<TTL>300</TTL>"), "{batch}");
    let full = StandIn::start(account(set(NAME, "", &[OURS])));
    let account = route53(&full, Some("example.org."));
    assert!(
        make(&account, Wish::Publish, &record(&[OURS]))
            .expect("nothing")
            .is_empty()
    );
    assert!(
        make(&account, Wish::Remove, &record(&[SECOND]))
            .expect("nothing")
            .is_empty()
    );
    assert!(batches(&full).is_empty());
    make(&account, Wish::Remove, &record(&[OURS])).expect("removed");
    let batch = &batches(&full)[0];
    assert!(
        batch.contains("<Action>DELETE</Action>") && !batch.contains("CREATE"),
        "{batch}"
    );
}

#[test]
fn zones_are_listed_page_by_page_and_the_longest_public_one_is_taken() {
    let api = StandIn::start(|asked, _| match asked.line.as_str() {
        line if line.contains("/rrset") => sets(""),
        line if line.contains("marker=Z2") => zones(&[zone("Z2", "lab.example.org", false)], None),
        _ => zones(&[zone("Z1", "example.org", false)], Some("Z2")),
    });
    let held = route53(&api, None)
        .read("tnr.lab.example.org")
        .expect("read");
    assert_eq!((held.zone.as_str(), held.set), ("lab.example.org", None));
    let by_id = route53(&api, Some("Z1"))
        .read("tnr.lab.example.org")
        .expect("read");
    assert_eq!(by_id.zone, "example.org");
}

#[test]
fn a_zone_that_is_missing_private_or_there_twice_is_said() {
    let api = StandIn::start(|asked, _| {
        let twice = [
            zone("Z1", "example.org", false),
            zone("Z4", "example.org", false),
            zone("Z5", "private.example.net", true),
        ];
        if asked.line.contains("/rrset") {
            sets("")
        } else {
            zones(&twice, None)
        }
    });
    for (zone, name, said) in [
        (
            None,
            "tnr.private.example.net",
            "public zones are example.org",
        ),
        (Some("example.net"), NAME, "public zones are example.org"),
        (None, NAME, "Z1 and Z4"),
    ] {
        let missing = route53(&api, zone).read(name);
        let Err(error @ ProviderError::NoZone { .. }) = missing else {
            panic!("{missing:?}");
        };
        assert!(error.to_string().contains(said), "{error}");
    }
    assert!(route53(&api, Some("Z4")).read(NAME).is_ok());
}

#[test]
fn records_that_are_routed_or_an_alias_are_not_changed() {
    let policy = "<SetIdentifier>a</SetIdentifier><Weight>1</Weight>";
    let alias = "<AliasTarget><HostedZoneId>Z9</HostedZoneId><DNSName>lb.example.net.</DNSName>\
                 <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>";
    for more in [policy, alias] {
        let api = StandIn::start(account(set(NAME, more, &[OTHERS])));
        let special = route53(&api, None).read(NAME);
        assert!(
            matches!(special, Err(ProviderError::Special { .. })),
            "{special:?}"
        );
    }
}

#[test]
fn throttling_and_their_own_errors_are_tried_again_within_bounds() {
    let usual = account(String::new());
    let api = StandIn::start(move |asked, nth| match nth {
        0 => error(400, "Throttling", "Rate exceeded"),
        2 => error(503, "ServiceUnavailable", "later"),
        4 => error(
            400,
            "PriorRequestNotComplete",
            "another change is in progress",
        ),
        _ => usual(asked, nth),
    });
    make(&route53(&api, None), Wish::Publish, &record(&[OURS])).expect("published");
    assert_eq!(api.lines().len(), 6);
    let busy = StandIn::start(|_, _| error(400, "Throttling", "Rate exceeded"));
    let given_up = route53(&busy, None).read(NAME);
    let Err(ProviderError::Unavailable { tries: 3, why, .. }) = &given_up else {
        panic!("{given_up:?}");
    };
    assert!(why.contains("Rate exceeded"), "{why}");
    assert_eq!(busy.lines().len(), 3);
}

#[test]
fn who_may_not_is_told_so_at_once() {
    let api = StandIn::start(|_, _| {
        error(
            403,
            "AccessDenied",
            "User is not authorized to perform: route53:ListHostedZones",
        )
    });
    let refused = route53(&api, None).read(NAME);
    let Err(error @ ProviderError::Denied { .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert!(
        error.to_string().contains("route53:ListHostedZones"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains(SECRET));
    assert_eq!(api.lines().len(), 1);
}

#[test]
fn what_somebody_else_changed_meanwhile_is_read_anew() {
    let there = "Tried to create resource record set [name='tnr.example.org.', type='AAAA'] but it already exists";
    let refusals = [
        Answer::new(
            400,
            format!(
                "<InvalidChangeBatch><Messages><Message>{there}</Message></Messages></InvalidChangeBatch>"
            ),
        ),
        error(
            400,
            "InvalidChangeBatch",
            "[Tried to delete resource record set but the values provided do not match the current values]",
        ),
    ];
    for refusal in refusals {
        let usual = account(set(NAME, "", &[OTHERS]));
        let api = StandIn::start(move |asked, nth| match nth {
            // Nothing was there when it was read; then somebody else's value was.
            1 => sets(""),
            2 => refusal.clone(),
            _ => usual(asked, nth),
        });
        let made = make(&route53(&api, None), Wish::Publish, &record(&[OURS]));
        let made = made.expect("published");
        assert_eq!((made.added(), made.kept()), (vec![OURS], vec![OTHERS]));
        assert_eq!(batches(&api).len(), 2);
    }
    // Another fault of a batch is no change of somebody's.
    let usual = account(String::new());
    let api = StandIn::start(move |asked, nth| {
        if asked.line.starts_with("POST") {
            Answer::new(
                400,
                "<InvalidChangeBatch><Messages><Message>it is not permitted in zone</Message></Messages></InvalidChangeBatch>",
            )
        } else {
            usual(asked, nth)
        }
    });
    let failed = make(&route53(&api, None), Wish::Publish, &record(&[OURS]));
    let Err(ProviderError::Failed { why, .. }) = &failed else {
        panic!("{failed:?}");
    };
    assert!(why.contains("not permitted"), "{why}");
}

#[test]
fn a_set_is_read_as_it_is() {
    let api = StandIn::start(account(set(NAME, "", &[OTHERS, OURS])));
    let held = route53(&api, None).read(NAME).expect("read");
    let wanted = RecordSet {
        addresses: vec![OTHERS, OURS],
        ttl: 600,
    };
    assert_eq!(held.set, Some(wanted));
}

/// Says to the test's own process that it is the one with the environment.
const CHILD: &str = "TRUSTNET_TEST_PROFILE";

#[test]
fn a_profile_says_whose_account_it_is() {
    let test = "a_profile_says_whose_account_it_is";
    if let Ok(profile) = std::env::var(CHILD) {
        let account = Route53::new(Some(&profile), None).expect("an account");
        return match (profile.as_str(), account.read(NAME)) {
            ("dns", Ok(held)) => assert_eq!(held.zone, "example.org"),
            ("none", Err(error)) => assert!(error.to_string().contains("credentials"), "{error}"),
            (_, other) => panic!("{profile}: {other:?}"),
        };
    }
    let api = StandIn::start(account(String::new()));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    let config = format!(
        "[profile dns]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = {SECRET}\n[profile none]\nregion = us-east-1\n"
    );
    std::fs::write(&file, config).expect("written");
    for profile in ["dns", "none"] {
        let status = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args([test, "--exact"])
            .env_clear()
            .env(CHILD, profile)
            .env("AWS_CONFIG_FILE", &file)
            .env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL_ROUTE_53", api.url())
            .status();
        assert!(status.expect("it starts").success(), "{profile}");
    }
    let asked = api.asked();
    assert_eq!(asked.len(), 2, "who has no key asks nothing: {asked:?}");
    assert!(asked[0].authorization.contains("Credential=AKIDPROFILE/"));
}
