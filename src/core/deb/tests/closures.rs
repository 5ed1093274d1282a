use proptest::prelude::*;

use crate::deb::relation::groups;
use crate::deb::{Index, closure, control};

/// An index of `name version; Field: value; …` lines.
fn text(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, rest) = line.split_once(';').unwrap_or((line, ""));
        let (name, version) = head.trim().split_once(' ').unwrap_or((head.trim(), "1"));
        text += &format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n");
        for field in rest.split(';').filter(|field| !field.trim().is_empty()) {
            text += field.trim();
            text += "\n";
        }
        text += &format!(
            "Filename: pool/{name}_{version}.deb\nSize: 1\nSHA256: {}\n\n",
            "0".repeat(64)
        );
    }
    text
}

/// The closure as `name=version` words, or the error.
fn chosen(lines: &str, names: &[&str]) -> String {
    let text = text(lines);
    let index = Index::new("amd64", &[&text]).unwrap();
    match closure(&index, names) {
        Ok(packages) => {
            let words = packages
                .iter()
                .map(|package| match package.version.as_str() {
                    "1" => package.name.clone(),
                    version => format!("{}={version}", package.name),
                });
            words.collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn everything_needed_comes_before_what_needs_it() {
    let lines = "a; Depends: c, b (>= 1); Recommends: r; Suggests: s
        b; Pre-Depends: z
        c
        r
        s
        z
        unrelated; Depends: gone";
    assert_eq!(chosen(lines, &["a"]), "z b c a");
    assert_eq!(chosen(lines, &["c", "a", "c"]), "z b c a");
    assert_eq!(chosen(lines, &[]), "");
}

#[test]
fn circles_end() {
    assert_eq!(
        chosen("a; Depends: b\nb; Depends: c\nc; Depends: a, d\nd", &["a"]),
        "d c b a"
    );
}

#[test]
fn the_newest_version_is_taken_and_another_by_request() {
    let lines = "a 1; Depends: b (= 1)\na 2; Depends: b (= 2)\na 1.5~rc\nb 1\nb 2";
    assert_eq!(chosen(lines, &["a"]), "b=2 a=2");
    assert_eq!(chosen(lines, &["a=1"]), "b a");
    assert_eq!(
        chosen(lines, &["a=3"]),
        "there is no version `3` of `a`: the archive has 2, 1.5~rc, 1"
    );
}

#[test]
fn the_first_alternative_is_taken_unless_another_is_chosen() {
    let lines = "a; Depends: x | y
        b; Depends: y
        c; Depends: gone | y
        d; Depends: x (>= 2) | y
        x
        y";
    assert_eq!(chosen(lines, &["a"]), "x a");
    assert_eq!(chosen(lines, &["a", "y"]), "y a");
    assert_eq!(chosen(lines, &["c"]), "y c");
    assert_eq!(chosen(lines, &["d"]), "y d");
}

#[test]
fn an_alternative_that_leads_nowhere_is_given_up() {
    let lines = "a; Depends: x | y\nx; Depends: m\nm; Depends: gone\ny";
    assert_eq!(chosen(lines, &["a"]), "y a");
}

#[test]
fn packages_that_cannot_be_together_are_not_chosen_together() {
    let lines = "a; Depends: x | y, z
        x; Conflicts: z
        y
        z
        b; Depends: z, x | y
        c; Depends: z, x
        e; Depends: v
        f; Provides: v; Conflicts: v
        g; Provides: v; Conflicts: v
        h; Depends: f, g";
    assert_eq!(chosen(lines, &["a"]), "y z a");
    assert_eq!(chosen(lines, &["b"]), "y z b");
    assert_eq!(
        chosen(lines, &["c"]),
        "`x`, which `c 1` needs, cannot be had: x 1 cannot be beside z 1"
    );
    assert_eq!(chosen(lines, &["e"]), "f e");
    assert_eq!(
        chosen(lines, &["h"]),
        "`g`, which `h 1` needs, cannot be had: g 1 cannot be beside f 1"
    );
    assert_eq!(
        chosen(lines, &["x", "z"]),
        "`z 1`, which the request needs, cannot be had: x 1 cannot be beside z 1"
    );
}

#[test]
fn a_newer_version_gives_way_to_what_is_needed_later() {
    let lines = "a; Depends: l | m, p\np; Depends: l (= 1)\nl 1\nl 2\nm";
    assert_eq!(chosen(lines, &["a"]), "l p a");
}

#[test]
fn what_is_provided_counts_and_its_version_too() {
    let lines = "a; Depends: v\nb; Depends: v (>= 2)\np; Provides: v\nq; Provides: v (= 2)\nr; Depends: x\nx; Provides: w\ns; Depends: w";
    assert_eq!(chosen(lines, &["a"]), "p a");
    assert_eq!(chosen(lines, &["b"]), "q b");
    assert_eq!(chosen(lines, &["b", "a"]), "q a b");
    assert_eq!(chosen(lines, &["w"]), "x");
    assert_eq!(
        chosen(lines, &["v"]),
        "`v` is provided by several packages, of which one must be named: p, q"
    );
}

#[test]
fn what_every_system_has_is_left_out_unless_it_may_be_too_old() {
    let lines = "a; Depends: sh, base, awk
        b; Depends: sh (= 5-1+deb12u2)
        c; Depends: sh (>= 5)
        d; Breaks: sh (<< 5-1+deb12u1)
        sh 5-1+deb12u2; Essential: yes; Depends: libsh
        base; Priority: required
        mawk; Priority: required; Provides: awk
        libsh";
    assert_eq!(chosen(lines, &["a"]), "a");
    assert_eq!(chosen(lines, &["b"]), "libsh sh=5-1+deb12u2 b");
    assert_eq!(chosen(lines, &["c"]), "c");
    assert_eq!(chosen(lines, &["d"]), "d libsh sh=5-1+deb12u2");
    assert_eq!(chosen(lines, &["base"]), "base");
}

#[test]
fn names_that_are_unknown_are_guessed() {
    assert_eq!(
        chosen("postgresql-15", &["postgresql15"]),
        "there is no package `postgresql15`; did you mean `postgresql-15`?"
    );
    assert_eq!(
        chosen("postgresql-15", &["caddy"]),
        "there is no package `caddy`"
    );
}

#[test]
fn what_cannot_be_had_says_who_needs_it() {
    let lines = "a; Depends: b\nb; Depends: c\nc; Depends: d (>= 2) | e\nd";
    assert_eq!(
        chosen(lines, &["a"]),
        "`d (>= 2) | e`, which `c 1`, needed by `b 1`, needed by `a 1` needs, cannot be had: the archive has d 1"
    );
    assert_eq!(
        chosen("a; Depends: e:i386\ne", &["a"]),
        "`e:i386`, which `a 1` needs, cannot be had: the archive has e 1"
    );
    assert_eq!(
        chosen("a; Depends: b (>", &["a"]),
        "failed to read `Depends` of `a`"
    );
}

#[test]
fn a_chain_as_long_as_an_archive_is_followed() {
    let mut lines = "p0".to_owned();
    for n in 1..3000 {
        lines += &format!("\np{n}; Depends: p{}", n - 1);
    }
    assert_eq!(chosen(&lines, &["p2999"]).split(' ').count(), 3000);
}

/// Numbers: what a package may depend on, in pairs; what it provides; what it conflicts with.
type Numbers = (Vec<(u8, u8)>, u8, u8);

/// Eight packages with any relations between them.
fn archive() -> impl Strategy<Value = String> {
    let package = (
        prop::collection::vec((0..8u8, 0..8u8), 0..3),
        2..14u8,
        0..24u8,
    );
    prop::collection::vec(package, 8).prop_map(|packages| {
        let line = |(n, (depends, provides, conflicts)): (usize, Numbers)| {
            let depends: Vec<String> = depends
                .iter()
                .map(|(a, b)| format!("p{a} | p{b}"))
                .collect();
            let depends = depends.join(", ");
            format!("p{n}; Depends: {depends}; Provides: p{provides}; Conflicts: p{conflicts}\n")
        };
        let lines: String = packages.into_iter().enumerate().map(line).collect();
        text(&lines)
    })
}

proptest! {
    #[test]
    fn a_closure_is_closed_and_has_no_conflict(text in archive()) {
        let index = Index::new("amd64", &[&text]).unwrap();
        let Ok(packages) = closure(&index, &["p0", "p1"]) else { return Ok(()) };
        let provides = |name: &str| packages.iter().filter(|package| {
            let provided = control::field(&package.stanza, "Provides").unwrap_or_default();
            package.name == name || provided == name
        }).map(|package| package.name.clone()).collect::<Vec<_>>();
        prop_assert!(!provides("p0").is_empty() && !provides("p1").is_empty());
        for package in &packages {
            let depends = control::field(&package.stanza, "Depends").unwrap_or_default();
            for group in groups(depends).unwrap() {
                prop_assert!(group.iter().any(|relation| !provides(relation.name).is_empty()));
            }
            let conflicts = control::field(&package.stanza, "Conflicts").unwrap_or_default();
            for other in provides(conflicts) {
                // A package that conflicts with its own name conflicts with nothing.
                prop_assert!(other == package.name || conflicts == package.name, "{} {other}", package.name);
            }
        }
        let again = closure(&index, &["p0", "p1"]);
        prop_assert_eq!(again, Ok(packages));
    }
}
