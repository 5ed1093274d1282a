//! Whose word counts, and until when.

use std::fs;

use super::archive::{DATED, Key, NOW, Signing};
use super::server::Fault;
use super::{APP, Stage, words};

/// What is said of an archive whose first suite was signed anew.
fn said(stage: &Stage, key: &Key, date: &str, more: &str) -> String {
    stage.archive.sign("test", &Signing { key, date, more });
    match stage.app(&stage.served()) {
        Ok(packages) => words(&packages).join(" "),
        Err(said) => {
            assert!(
                !stage.cache.path().join("cache/releases").exists(),
                "nothing is kept"
            );
            said
        }
    }
}

#[test]
fn another_key_does_not_count() {
    let stage = Stage::new();
    let said = said(&stage, &Key::new(), DATED, "");
    let expected = "failed to verify `URL/dists/test/InRelease`: no signature on it counts: key ";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.ends_with(" is not one of those that count"), "{said}");
}

#[test]
fn an_expired_key_does_not_count() {
    let mut stage = Stage::new();
    let key = Key::expired();
    stage.release.keyring = key.public();
    let said = said(&stage, &key, DATED, "");
    assert!(said.contains("no signature on it counts: key "), "{said}");
    assert!(said.ends_with(" is expired"), "{said}");
}

#[test]
fn a_revoked_key_does_not_count() {
    let mut stage = Stage::new();
    stage.key.revoke();
    stage.release.keyring = stage.key.public();
    // What it signed before it was revoked.
    let said = stage.app(&stage.served()).expect_err("it is refused");
    assert!(said.contains("no signature on it counts: key "), "{said}");
    assert!(said.ends_with(" is revoked"), "{said}");
}

#[test]
fn a_text_that_was_changed_is_refused() {
    let stage = Stage::new();
    let path = stage.archive.path("dists/test/InRelease");
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, text.replace("Codename: test", "Codename: tost")).expect("it is written");
    assert_eq!(
        stage.app(&stage.served()),
        Err("failed to verify `URL/dists/test/InRelease`: its signature is bad: it was changed after it was signed".to_owned())
    );
}

#[test]
fn a_text_that_is_not_signed_or_has_more_around_it_is_refused() {
    let stage = Stage::new();
    let path = stage.archive.path("dists/test/InRelease");
    let signed = fs::read_to_string(&path).expect("a file");
    let plain = fs::read_to_string(stage.archive.path("dists/test/Release")).expect("a file");
    for text in [
        plain.clone(),
        format!("{plain}\n{signed}"),
        format!("{signed}\n{plain}"),
        signed.repeat(2),
        String::new(),
    ] {
        fs::write(&path, text).expect("it is written");
        assert_eq!(
            stage.app(&stage.served()),
            Err(
                "failed to verify `URL/dists/test/InRelease`: it is not one clearsigned message"
                    .to_owned()
            )
        );
    }
    stage.server.fault("InRelease", Fault::ErrorPage);
    let said = stage.app(&stage.served()).expect_err("it is refused");
    assert!(
        said.ends_with("it is not one clearsigned message"),
        "{said}"
    );
    fs::write(&path, signed).expect("it is written");
    stage.server.fault("InRelease", Fault::Status(404));
    assert_eq!(
        stage.app(&stage.served()),
        Err("failed to fetch `URL/dists/test/InRelease`: it is not there".to_owned())
    );
}

#[test]
fn what_is_expired_counts_only_where_that_is_allowed() {
    let stage = Stage::new();
    let more = "Valid-Until: Wed, 18 Nov 2026 22:30:00 UTC\n";
    assert_eq!(
        said(&stage, &stage.key, DATED, more),
        "failed to use `URL/dists/test/InRelease`: it was valid until 2026-11-18 22:30:00 UTC"
    );
    let packages = stage.app(&stage.served().allow_expired(true));
    assert_eq!(words(&packages.expect("a closure")), APP);
    // What was kept meanwhile still does not count where it is not allowed.
    assert!(stage.app(&stage.served()).is_err());
    assert!(stage.app(&stage.served().offline(true)).is_err());
}

#[test]
fn what_is_kept_expires_too() {
    let stage = Stage::new();
    let more = "Valid-Until: Wed, 25 Nov 2026 22:17:41 UTC\n";
    assert_eq!(said(&stage, &stage.key, DATED, more), APP.join(" "));
    let later = NOW + 8 * 86_400;
    let closure = |offline| stage.served().offline(offline).closure(&["app"], later);
    for offline in [true, false] {
        let said = stage.said(&closure(offline).expect_err("it is expired"));
        assert!(
            said.ends_with("it was valid until 2026-11-25 22:17:41 UTC"),
            "{said}"
        );
    }
}

#[test]
fn what_is_from_the_future_or_of_another_suite_is_refused() {
    let stage = Stage::new();
    assert_eq!(
        said(&stage, &stage.key, "Fri, 20 Nov 2026 22:17:41 UTC", ""),
        "failed to use `URL/dists/test/InRelease`: it is dated 2026-11-20 22:17:41 UTC, which is yet to come"
    );
    let other = stage.archive.path("dists/test-security/InRelease");
    fs::copy(other, stage.archive.path("dists/test/InRelease")).expect("it is copied");
    assert_eq!(
        stage.app(&stage.served()),
        Err(
            "failed to use `URL/dists/test/InRelease`: it is of `test-security`, not of `test`"
                .to_owned()
        )
    );
}

#[test]
fn a_kept_text_that_was_changed_is_fetched_again() {
    let stage = Stage::new();
    stage.app(&stage.served()).expect("a closure");
    let folder = stage.cache.path().join("cache/releases");
    for file in fs::read_dir(folder).expect("a folder").flatten() {
        let text = fs::read_to_string(file.path()).expect("a file");
        fs::write(
            file.path(),
            text.replace("Codename: test", "Codename: tost"),
        )
        .expect("it is written");
    }
    stage.server.log();
    let said = stage
        .app(&stage.served().offline(true))
        .expect_err("it is refused");
    assert!(
        said.ends_with("its signature is bad: it was changed after it was signed"),
        "{said}"
    );
    assert_eq!(words(&stage.app(&stage.served()).expect("a closure")), APP);
    assert_eq!(
        stage.server.log(),
        [
            "200 /dists/test/InRelease",
            "200 /dists/test-security/InRelease"
        ]
    );
}
