use proptest::prelude::*;

use crate::artifact::Digest;
use crate::deb::control::{field, fields, stanzas};
use crate::deb::relation::{Operator, Relation, groups, list};
use crate::deb::release_file::ReleaseFileError;
use crate::deb::{Listed, ReleaseFile};

#[test]
fn stanzas_are_parted_by_empty_lines_and_fields_may_be_folded() {
    let text = "\n\nPackage: a\nDescription: one\n more\n .\n end\nsize:5\n\n\nPackage: b\n";
    let all: Vec<&str> = stanzas(text).collect();
    assert_eq!(all.len(), 2);
    assert_eq!(field(all[0], "description"), Some("one\n more\n .\n end"));
    assert_eq!(field(all[0], "Size"), Some("5"));
    assert_eq!(field(all[0], "more"), None);
    assert_eq!(field(all[1], "Package"), Some("b"));
    let whole: String = fields(all[0]).map(|field| field.text).collect();
    assert_eq!(whole, all[0]);
}

#[test]
fn relations_are_read_in_every_form() {
    let all = groups("libc6 (>= 2.36), a|b:any (<<1~) , c [amd64 !i386],, d (< 2),\n e (=1:2-3)")
        .unwrap();
    let text: Vec<String> = all
        .iter()
        .map(|group| {
            group
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" | ")
        })
        .collect();
    assert_eq!(
        text,
        [
            "libc6 (>= 2.36)",
            "a | b:any (<< 1~)",
            "c [amd64 !i386]",
            "d (<= 2)",
            "e (= 1:2-3)"
        ]
    );
    assert_eq!(all[1][1].version, Some((Operator::Less, "1~")));
    assert_eq!(list(" \n").unwrap(), []);
}

#[test]
fn what_is_no_relation_is_refused() {
    for text in [
        "a b",
        "a (1)",
        "a (>= )",
        "a (>= 1",
        "a )",
        "(>= 1)",
        "a | ",
        "a:",
        "-a",
        "a (>= 1 2)",
        "a/b",
    ] {
        assert!(groups(text).is_err(), "{text:?}");
    }
}

#[test]
fn operators_mean_what_they_say() {
    let table = [
        ("a (<< 2)", [true, false, false]),
        ("a (<= 2)", [true, true, false]),
        ("a (= 2)", [false, true, false]),
        ("a (>= 2)", [false, true, true]),
        ("a (>> 2)", [false, false, true]),
        ("a", [true, true, true]),
    ];
    for (text, expected) in table {
        let relation = Relation::read(text).unwrap();
        assert_eq!(
            ["1", "2", "3"].map(|version| relation.admits(version)),
            expected,
            "{text}"
        );
    }
    assert!(!Relation::read("a (>= 1)").unwrap().admits_provided(None));
    assert!(
        Relation::read("a (>= 1)")
            .unwrap()
            .admits_provided(Some("1"))
    );
}

#[test]
fn architectures_limit_where_a_relation_counts() {
    let table = [
        ("a", true),
        ("a [amd64]", true),
        ("a [arm64 amd64]", true),
        ("a [arm64]", false),
        ("a [!arm64]", true),
        ("a [!amd64 !arm64]", false),
        ("a [linux-any]", true),
        ("a [any-amd64]", true),
        ("a [kfreebsd-any]", false),
    ];
    for (text, expected) in table {
        assert_eq!(
            Relation::read(text).unwrap().counts_on("amd64"),
            expected,
            "{text}"
        );
    }
    for (text, expected) in [
        ("a:any", true),
        ("a:native", true),
        ("a:amd64", true),
        ("a:i386", false),
    ] {
        assert_eq!(
            Relation::read(text).unwrap().is_met_on("amd64"),
            expected,
            "{text}"
        );
    }
}

const RELEASE: &str = "Origin: Debian\nSuite: stable-security\nCodename: bookworm-security\n\
    Date: Wed, 18 Nov 2026 22:17:41 UTC\nValid-Until: Wed, 25 Nov 2026 22:17:41 UTC\nAcquire-By-Hash: yes\nMD5Sum:\n 00 1 x\n\
    SHA256:\n 8185A31dad942e3e9ec627d824cfdb67daeb96180b4c830f94ca12bccee97493  2513441 main/binary-amd64/Packages\n";

/// `date -u -d '2026-11-18 22:17:41' +%s`
const DATE: i64 = 1_795_040_261;
const WEEK: i64 = 7 * 86_400;

#[test]
fn a_release_file_says_what_holds_and_until_when() {
    let release = ReleaseFile::parse(RELEASE).unwrap();
    assert_eq!(
        (release.date, release.valid_until),
        (DATE, Some(DATE + WEEK))
    );
    assert!(release.by_hash);
    let listed = Listed {
        size: 2_513_441,
        sha256: Digest::parse("8185a31dad942e3e9ec627d824cfdb67daeb96180b4c830f94ca12bccee97493")
            .unwrap(),
    };
    assert_eq!(
        release.files.get("main/binary-amd64/Packages"),
        Some(&listed)
    );
    assert_eq!(release.files.len(), 1);
    for suite in ["stable-security", "bookworm-security"] {
        assert_eq!(release.check_suite(suite), Ok(()));
    }
    assert_eq!(
        release.check_suite("bookworm").unwrap_err().to_string(),
        "it is of `bookworm-security`, not of `bookworm`"
    );
}

#[test]
fn a_release_file_holds_between_its_dates() {
    let release = ReleaseFile::parse(RELEASE).unwrap();
    for now in [DATE - 3600, DATE, DATE + WEEK] {
        assert_eq!(release.check_time(now, false), Ok(()), "{now}");
    }
    let expired = release.check_time(DATE + WEEK + 1, false).unwrap_err();
    assert_eq!(
        expired.to_string(),
        "it was valid until 2026-11-25 22:17:41 UTC"
    );
    assert_eq!(release.check_time(DATE + WEEK + 1, true), Ok(()));
    let future = release.check_time(DATE - 90_000, true).unwrap_err();
    assert_eq!(
        future.to_string(),
        "it is dated 2026-11-18 22:17:41 UTC, which is yet to come"
    );
}

#[test]
fn dates_are_read_over_leap_years() {
    for (text, seconds) in [
        ("Thu, 01 Jan 1970 00:00:00 UTC", 0),
        ("Thu, 29 Feb 2024 12:00:00 +0000", 1_709_208_000),
        ("Fri,  1 Mar 2024 00:00:00 UTC", 1_709_251_200),
        ("Sun, 28 Feb 2100 23:59:59 GMT", 4_107_542_399),
        ("Mon, 01 Mar 2100 00:00:00 UTC", 4_107_542_400),
        ("Fri, 31 Dec 2027 23:59:59 UTC", 1_830_297_599),
    ] {
        let release = ReleaseFile::parse(&format!("Date: {text}\nSHA256:\n")).unwrap();
        assert_eq!(release.date, seconds, "{text}");
    }
}

#[test]
fn a_release_file_that_cannot_be_read_says_where() {
    let parse = |text: &str| ReleaseFile::parse(text).unwrap_err();
    assert_eq!(
        parse("<html><body>404</body></html>"),
        ReleaseFileError::Missing("Date")
    );
    assert_eq!(
        parse("Date: Thu, 01 Jan 1970 00:00:00 UTC\n"),
        ReleaseFileError::Missing("SHA256")
    );
    for bad in [
        "Date: yesterday\nSHA256:\n",
        "Date: Thu, 01 Jan 1970 00:00:00 CET\nSHA256:\n",
        "Date: Thu, 41 Jan 1970 00:00:00 UTC\nSHA256:\n",
        "Date: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n zz 1 a\n",
        "Date: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n 8185a31dad942e3e9ec627d824cfdb67daeb96180b4c830f94ca12bccee97493 -1 a\n",
    ] {
        assert!(
            matches!(parse(bad), ReleaseFileError::Malformed { .. }),
            "{bad}"
        );
    }
}

proptest! {
    #[test]
    fn a_relation_that_is_read_is_written_the_same(text in "[a-c]{1,3}(:any)? ?(\\((<<|=|>=) ?[0-9][0-9.~-]{0,3}\\))?") {
        if let Ok(relation) = Relation::read(&text) {
            let written = relation.to_string();
            prop_assert_eq!(Relation::read(&written), Ok(relation));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        let _ = groups(&text);
        let _ = ReleaseFile::parse(&text);
        for stanza in stanzas(&text) {
            let whole: usize = fields(stanza).map(|field| field.text.len()).sum();
            prop_assert!(whole <= stanza.len());
        }
    }
}
