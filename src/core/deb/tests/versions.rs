#![expect(clippy::disallowed_types, reason = "dpkg itself is asked")]

use std::cmp::Ordering::{self, Equal, Greater, Less};
use std::process::Command;

use proptest::prelude::*;

use crate::deb::version::{compare, first_of_release, is_version};

/// The examples of the policy, and what has bitten.
const GOLDEN: &[(&str, Ordering, &str)] = &[
    ("1.0", Equal, "1.0"),
    ("1.0", Less, "1.1"),
    ("1.9", Less, "1.10"),
    ("1.0", Equal, "1.0-0"),
    ("1.0", Equal, "0:1.0"),
    ("1.0", Less, "1:0.1"),
    ("2:1.0", Greater, "1:9.9"),
    ("1.0~rc1", Less, "1.0"),
    ("1.0~~", Less, "1.0~~a"),
    ("1.0~~a", Less, "1.0~"),
    ("1.0~", Less, "1.0"),
    ("1.0", Less, "1.0a"),
    ("1.0a", Less, "1.0+"),
    ("1.0+b", Greater, "1.0b"),
    ("1.0.0", Greater, "1.0"),
    ("1.0-1", Less, "1.0-1.1"),
    ("1.0-1", Less, "1.0-1+deb12u1"),
    ("1.0-1~deb12u1", Less, "1.0-1"),
    ("1.0-2", Less, "1.0-10"),
    ("1.2.3-1-1", Less, "1.2.3-1-2"),
    ("1.002", Equal, "1.2"),
    ("0", Equal, "0-0"),
    ("1-1~", Less, "1-1"),
    ("20240101", Greater, "9.9"),
    ("99999999999999999999999", Less, "100000000000000000000000"),
    ("6.1.0+dfsg-1", Greater, "6.1.0-1"),
    ("1.0-alpha", Less, "1.0-beta"),
    ("1.0A", Less, "1.0a"),
    ("0~", Less, "0"),
    ("1:2:3-4", Less, "1:2:4-4"),
];

#[test]
fn versions_are_ordered_as_the_policy_says() {
    for (a, order, b) in GOLDEN {
        assert_eq!(compare(a, b), *order, "{a} {b}");
        assert_eq!(compare(b, a), order.reverse(), "{b} {a}");
        assert!(is_version(a) && is_version(b), "{a} {b}");
    }
}

#[test]
fn what_is_no_version_is_told() {
    for text in ["", "-1", ":1", "1-", "a:1", "1 2", "1/2", "1\n", "1_2"] {
        assert!(!is_version(text), "{text:?}");
    }
}

#[test]
fn the_first_version_of_a_release_is_what_updates_began_with() {
    let table = [
        ("5.36.0-7+deb12u3", Some("5.36.0-7")),
        ("5.36.0-7", Some("5.36.0-7")),
        ("3.0.17-1~deb12u2", None),
        ("2025b-0+deb12u2", None),
        ("1:4.13+dfsg1-1+deb12u1", Some("1:4.13+dfsg1-1")),
        ("2.39-0ubuntu8.4", Some("2.39-0ubuntu8.4")),
        ("1.0-debian1", Some("1.0-debian1")),
        ("1.0deb", Some("1.0deb")),
    ];
    for (version, first) in table {
        assert_eq!(first_of_release(version), first, "{version}");
    }
}

/// Whether dpkg says so; none where there is no dpkg.
fn dpkg_says(a: &str, operator: &str, b: &str) -> Option<bool> {
    let output = Command::new("dpkg")
        .args(["--compare-versions", a, operator, b])
        .output()
        .ok()?;
    assert!(output.stderr.is_empty(), "{a} {b}");
    Some(output.status.success())
}

#[test]
fn dpkg_orders_the_same_table_the_same_way() {
    for (a, order, b) in GOLDEN {
        let operator = match order {
            Less => "lt",
            Equal => "eq",
            Greater => "gt",
        };
        assert_ne!(dpkg_says(a, operator, b), Some(false), "{a} {operator} {b}");
    }
}

proptest! {
    #[test]
    fn versions_have_a_total_order(
        a in "([0-9]:)?[0-9][0-9a-c.+~]{0,5}(-[0-9a~+.]{1,3})?",
        b in "([0-9]:)?[0-9][0-9a-c.+~]{0,5}(-[0-9a~+.]{1,3})?",
        c in "([0-9]:)?[0-9][0-9a-c.+~]{0,5}(-[0-9a~+.]{1,3})?",
    ) {
        prop_assert_eq!(compare(&a, &a), Equal);
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        let mut sorted = [&a, &b, &c];
        sorted.sort_by(|a, b| compare(a, b));
        prop_assert_ne!(compare(sorted[0], sorted[2]), Greater);
        prop_assert_eq!(compare(&format!("{a}~"), &a), Less);
    }

    #[test]
    fn any_text_has_its_place(a in ".{0,12}", b in ".{0,12}") {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        let _ = first_of_release(&a);
        let _ = is_version(&a);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn dpkg_orders_any_two_versions_the_same_way(
        a in "([0-9]:)?[0-9][0-9aZ.+~]{0,5}(-[0-9a~+.]{1,3})?",
        b in "([0-9]:)?[0-9][0-9aZ.+~]{0,5}(-[0-9a~+.]{1,3})?",
    ) {
        if let Some(less) = dpkg_says(&a, "lt", &b) {
            prop_assert_eq!(less, compare(&a, &b) == Less);
        }
    }
}
