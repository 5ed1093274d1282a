//! What a mirror can do wrong, and how often it is asked.

use std::fs;
use std::time::Duration;

use super::archive::{NOW, Signing};
use super::server::Fault;
use super::{APP, Stage, words};

#[test]
fn packages_are_resolved_and_fetched_over_http() {
    let stage = Stage::new();
    let archive = stage.served();
    let packages = stage.app(&archive).expect("a closure");
    assert_eq!(words(&packages), APP);
    for package in &packages {
        let into = stage.cache.path().join("pool").join(package.file());
        archive.download(package, &into).expect("a package");
        assert_eq!(
            fs::read(into).expect("a file"),
            fs::read(stage.archive.path(&package.filename)).expect("a file")
        );
    }
    assert_eq!(stage.files(), ["app.deb", "data.deb", "lib.deb"]);
    assert!(
        archive
            .url(&packages[1])
            .ends_with("/pool/lib_1%3a2.0-1+deb99u1.deb")
    );
}

#[test]
fn packages_are_resolved_and_fetched_from_a_folder() {
    let stage = Stage::new();
    let archive = stage.at(&format!("file://{}", stage.archive.folder.path().display()));
    let packages = stage.app(&archive).expect("a closure");
    assert_eq!(words(&packages), APP);
    let into = stage.cache.path().join("pool/app.deb");
    archive.download(&packages[2], &into).expect("a package");
    assert_eq!(stage.files(), ["app.deb"]);
    assert_eq!(stage.server.log(), [""; 0]);
}

#[test]
fn indexes_are_kept_asked_for_anew_and_used_without_a_network() {
    let stage = Stage::new();
    stage.app(&stage.served()).expect("a closure");
    let first = stage.server.log();
    let index = "main/binary-amd64/Packages.xz";
    assert_eq!(
        first,
        [
            "200 /dists/test/InRelease".to_owned(),
            format!("200 /dists/test/{index}"),
            "200 /dists/test-security/InRelease".to_owned(),
            format!("200 /dists/test-security/{index}"),
        ]
    );
    stage.app(&stage.served()).expect("a closure");
    assert_eq!(stage.server.log(), [""; 0], "they are fresh");
    stage
        .app(&stage.served().fresh_for(Duration::ZERO))
        .expect("a closure");
    assert_eq!(
        stage.server.log(),
        [
            "304 /dists/test/InRelease",
            "304 /dists/test-security/InRelease"
        ]
    );
    let packages = stage.app(&stage.served().offline(true).fresh_for(Duration::ZERO));
    assert_eq!(words(&packages.expect("a closure")), APP);
    assert_eq!(stage.server.log(), [""; 0], "nothing may be fetched");
}

#[test]
fn what_is_new_at_the_mirror_is_seen_and_what_is_older_is_not_taken() {
    let stage = Stage::new();
    stage.app(&stage.served()).expect("a closure");
    let old = fs::read(stage.archive.path("dists/test/InRelease")).expect("a file");
    stage.archive.package("test", "app", "2", "");
    stage.archive.list("test");
    let date = "Wed, 18 Nov 2026 22:30:00 UTC";
    stage.archive.sign(
        "test",
        &Signing {
            key: &stage.key,
            date,
            more: "",
        },
    );
    let asked = || stage.app(&stage.served().fresh_for(Duration::ZERO));
    assert_eq!(words(&asked().expect("a closure")), ["app=2"]);
    fs::write(stage.archive.path("dists/test/InRelease"), old).expect("it is written");
    assert_eq!(words(&asked().expect("a closure")), ["app=2"]);
}

#[test]
fn without_a_network_what_was_never_fetched_is_named() {
    let stage = Stage::new();
    assert_eq!(
        stage.app(&stage.served().offline(true)),
        Err(
            "failed to find `URL/dists/test/InRelease` in the cache, and nothing may be fetched"
                .to_owned()
        )
    );
    assert_eq!(stage.server.log(), [""; 0]);
}

#[test]
fn a_server_that_says_nothing_is_new_when_nothing_is_kept_is_not_believed() {
    let stage = Stage::new();
    stage.server.fault("InRelease", Fault::NotModified);
    assert_eq!(
        stage.app(&stage.served()),
        Err(
            "failed to fetch `URL/dists/test/InRelease`: the server says 304 Not Modified"
                .to_owned()
        )
    );
}

#[test]
fn an_index_that_is_not_what_is_signed_is_refused() {
    let table = [
        (
            Fault::Truncated,
            "failed to fetch `URL/dists/test/main/binary-amd64/Packages.xz`: ",
        ),
        (
            Fault::ErrorPage,
            "failed to verify `URL/dists/test/main/binary-amd64/Packages.xz`: it has 34 bytes, and the archive lists ",
        ),
        (
            Fault::Status(404),
            "failed to fetch `URL/dists/test/main/binary-amd64/Packages.xz`: it is not there",
        ),
        (
            Fault::Status(503),
            "failed to fetch `URL/dists/test/main/binary-amd64/Packages.xz`: the server says 503 Service Unavailable",
        ),
    ];
    for (fault, expected) in table {
        let stage = Stage::new();
        stage.server.fault("Packages.xz", fault);
        let said = stage.app(&stage.served()).expect_err("it is refused");
        assert!(said.starts_with(expected), "{fault:?}: {said}");
        let kept = stage.cache.path().join("cache/packages");
        assert!(!kept.exists(), "{fault:?}: nothing is kept");
    }
}

#[test]
fn an_index_that_was_changed_is_refused_at_the_mirror_and_in_the_cache() {
    let stage = Stage::new();
    let path = stage
        .archive
        .path("dists/test/main/binary-amd64/Packages.xz");
    let good = fs::read(&path).expect("a file");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&path, bad).expect("it is written");
    let said = stage.app(&stage.served()).expect_err("it is refused");
    assert!(
        said.starts_with(
            "failed to verify `URL/dists/test/main/binary-amd64/Packages.xz`: its SHA-256 is "
        ),
        "{said}"
    );
    fs::write(&path, good).expect("it is written");
    stage.app(&stage.served()).expect("a closure");

    // In the cache it is as if it were not there: fetched again, or named where nothing may be fetched.
    let kept = stage.cache.path().join("cache/packages");
    let spoil = || {
        for file in fs::read_dir(&kept).expect("a folder").flatten() {
            let text = zstd::encode_all(&b"Package: evil\nVersion: 1\n"[..], 3).expect("memory");
            fs::write(file.path(), text).expect("it is written");
        }
    };
    spoil();
    let said = stage
        .app(&stage.served().offline(true))
        .expect_err("it is refused");
    assert!(
        said.starts_with("failed to find `URL/dists/test/main/binary-amd64/Packages`"),
        "{said}"
    );
    assert_eq!(words(&stage.app(&stage.served()).expect("a closure")), APP);
}

#[test]
fn an_index_is_taken_by_its_digest_where_the_archive_has_it_so() {
    let stage = Stage::new();
    let more = "Acquire-By-Hash: yes\n";
    stage.archive.sign(
        "test",
        &Signing {
            key: &stage.key,
            date: super::archive::DATED,
            more,
        },
    );
    assert_eq!(words(&stage.app(&stage.served()).expect("a closure")), APP);
    let log = stage.server.log();
    assert!(
        log[1].starts_with("404 /dists/test/main/binary-amd64/by-hash/SHA256/"),
        "{log:?}"
    );
    assert_eq!(log[2], "200 /dists/test/main/binary-amd64/Packages.xz");
}

#[test]
fn gzip_does_where_there_is_no_xz() {
    let stage = Stage::new();
    for suite in ["test", "test-security"] {
        let folder = stage
            .archive
            .path(&format!("dists/{suite}/main/binary-amd64"));
        fs::remove_file(folder.join("Packages.xz")).expect("it goes");
        stage.archive.sign(
            suite,
            &Signing {
                key: &stage.key,
                date: super::archive::DATED,
                more: "",
            },
        );
        fs::remove_file(folder.join("Packages")).expect("it goes");
    }
    assert_eq!(words(&stage.app(&stage.served()).expect("a closure")), APP);
}

#[test]
fn a_package_that_is_not_what_the_index_says_leaves_nothing_behind() {
    let stage = Stage::new();
    let archive = stage.served();
    let packages = stage.app(&archive).expect("a closure");
    let app = &packages[2];
    let into = stage.cache.path().join("pool/app.deb");
    let refused = || stage.said(&archive.download(app, &into).expect_err("it is refused"));

    let path = stage.archive.path(&app.filename);
    let good = fs::read(&path).expect("a file");
    let mut bad = good.clone();
    bad[good.len() - 1] ^= 1;
    fs::write(&path, &bad).expect("it is written");
    let said = refused();
    assert!(
        said.starts_with("failed to verify `URL/pool/app_1.0-1.deb`: its SHA-256 is "),
        "{said}"
    );
    bad.push(0);
    fs::write(&path, &bad).expect("it is written");
    assert!(refused().contains("it is larger than the "));
    fs::write(&path, &good[1..]).expect("it is written");
    assert!(refused().contains(" bytes, and the archive lists "));
    fs::remove_file(&path).expect("it goes");
    assert_eq!(
        refused(),
        "failed to fetch `URL/pool/app_1.0-1.deb`: it is not there"
    );
    fs::write(&path, &good).expect("it is written");
    stage.server.fault("app_1.0-1.deb", Fault::ErrorPage);
    assert!(refused().contains("it has 34 bytes, and the archive lists "));
    stage.server.fault("app_1.0-1.deb", Fault::Truncated);
    assert!(refused().starts_with("failed to fetch `URL/pool/app_1.0-1.deb`: "));
    assert_eq!(stage.files(), [""; 0]);

    // One that is there already stays as it is.
    fs::write(&into, "before").expect("it is written");
    refused();
    assert_eq!(fs::read(&into).expect("a file"), b"before");
    assert_eq!(stage.files(), ["app.deb"]);
}

#[test]
fn a_name_that_leads_nowhere_says_so() {
    let stage = Stage::new();
    let archive = stage.served();
    let said =
        |name: &str| stage.said(&archive.closure(&[name], NOW).expect_err("no such package"));
    assert_eq!(
        said("ap"),
        "failed to resolve packages: there is no package `ap`; did you mean `app`?"
    );
    assert_eq!(
        said("lib=3"),
        "failed to resolve packages: there is no version `3` of `lib`: the archive has 1:2.0-1+deb99u1, 1:2.0-1"
    );
}

#[test]
fn a_mirror_that_is_not_there_is_named_once() {
    let stage = Stage::new();
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let said = stage.app(&stage.at(&url)).expect_err("nobody is there");
    assert!(
        said.starts_with(&format!("failed to fetch `{url}/dists/test/InRelease`: ")),
        "{said}"
    );
    assert_eq!(said.matches("error sending request").count(), 1, "{said}");
}
