use crate::deb::relation::Relation;
use crate::deb::{Index, IndexError, Package, flat_index};

const ONE: &str = "Package: a\nVersion: 1\nArchitecture: amd64\nProvides: x, y (= 3)\n\n\
    Package: a\nVersion: 3\nArchitecture: i386\n\nPackage: b\nVersion: 1-1+deb12u2\nEssential: yes\n";
const TWO: &str = "Package: a\nVersion: 2\nArchitecture: all\n";

#[test]
fn versions_of_all_indexes_stand_together_the_newest_first() {
    let index = Index::new("amd64", &[ONE, TWO]).unwrap();
    let versions: Vec<_> = index
        .versions("a")
        .iter()
        .map(|place| (index.entry(*place).version, index.entry(*place).origin))
        .collect();
    assert_eq!(versions, [("2", 1), ("1", 0)]);
    assert_eq!(index.versions("c"), [0_usize; 0]);
    assert_eq!(index.package_names().collect::<Vec<_>>(), ["a", "a", "b"]);
}

#[test]
fn what_is_provided_is_found_by_version_too() {
    let index = Index::new("amd64", &[ONE, TWO]).unwrap();
    let count = |text: &str| index.providers(&Relation::read(text).unwrap()).count();
    let counts = ["x", "x (>= 1)", "y", "y (>= 3)", "y (>> 3)", "a"].map(count);
    assert_eq!(counts, [1, 0, 1, 1, 0, 0]);
}

#[test]
fn what_every_system_has_counts_in_the_version_that_the_release_began_with() {
    let index = Index::new("amd64", &[ONE]).unwrap();
    let met = |text: &str| index.is_met_by_base(&Relation::read(text).unwrap());
    let all = [
        "b",
        "b (>= 1-1)",
        "b (>= 1-1+deb12u1)",
        "b (= 1-1+deb12u2)",
        "b (<< 2)",
        "a",
    ];
    assert_eq!(all.map(met), [true, true, false, false, true, false]);
}

#[test]
fn an_index_that_is_none_says_which_package_is_wrong() {
    let error = Index::new("amd64", &["Package: a\nVersion: 1\n\nPackage: b\n"]).unwrap_err();
    assert_eq!(
        error,
        IndexError::Missing {
            number: 2,
            field: "Version"
        }
    );
    assert_eq!(
        Index::new("amd64", &["<html>\n<body>\n"])
            .unwrap_err()
            .to_string(),
        "package 1 of the index has no `Package`"
    );
}

fn package(lines: &str) -> Result<Package, String> {
    let stanza = format!("Package: a\nVersion: 1:1-1\n{lines}\nDescription: one\n two\n");
    let index = Index::new("amd64", &[&stanza]).unwrap();
    Package::new(index.entry(0)).map_err(|error| error.to_string())
}

const DIGEST: &str = "8185a31dad942e3e9ec627d824cfdb67daeb96180b4c830f94ca12bccee97493";

#[test]
fn a_flat_index_keeps_all_but_the_place() {
    let lines = format!("Filename: pool/main/a/a_1%3a1-1_all.deb\nSize: 5\nSHA256: {DIGEST}");
    let text = flat_index(&[package(&lines).unwrap(), package(&lines).unwrap()]);
    let stanza = format!(
        "Package: a\nVersion: 1:1-1\nFilename: ./a.deb\nSize: 5\nSHA256: {DIGEST}\nDescription: one\n two\n\n"
    );
    assert_eq!(text, stanza.repeat(2));
}

#[test]
fn a_file_outside_the_archive_is_refused() {
    for path in [
        "/etc/passwd",
        "../a.deb",
        "pool/../../a",
        "http://other/a.deb",
        "a b",
        "pool//a",
        "a?b",
        "",
        "a#b",
        "a\u{e9}",
    ] {
        let lines = format!("Filename: {path}\nSize: 5\nSHA256: {DIGEST}");
        assert_eq!(
            package(&lines),
            Err("the index gives `a` no good `Filename`".to_owned()),
            "{path}"
        );
    }
    for path in ["./a.deb", "pool/main/liba/a_1.2+b~c-1_amd64.deb"] {
        let lines = format!("Filename: {path}\nSize: 5\nSHA256: {DIGEST}");
        assert_eq!(package(&lines).unwrap().filename, path);
    }
}

#[test]
fn a_package_without_digest_or_size_is_refused() {
    let bad = |lines: &str| package(lines).unwrap_err();
    assert_eq!(
        bad("Filename: a\nSize: 1"),
        "the index gives `a` no good `SHA256`"
    );
    assert_eq!(
        bad("Filename: a\nSize: 1\nSHA256: 12"),
        "the index gives `a` no good `SHA256`"
    );
    assert_eq!(
        bad(&format!("Filename: a\nSize: x\nSHA256: {DIGEST}")),
        "the index gives `a` no good `Size`"
    );
}

#[test]
fn of_a_field_that_stands_twice_the_first_counts() {
    let text = "Package: a\nPackage: b\nVersion: 1\nVersion: 2\n";
    let index = Index::new("amd64", &[text]).unwrap();
    assert_eq!((index.entry(0).name, index.entry(0).version), ("a", "1"));
}
