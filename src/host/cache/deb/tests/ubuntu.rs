//! An archive as Ubuntu has one: three suites, universe, and another mirror for other architectures.

use std::fs;

use trustnet_core::artifact::Arch;
use trustnet_core::deb::Release;

use super::archive::{Archive, DATED, Key, NOW, Signing};
use super::server::Server;
use super::{DebArchive, Mirror, Mirrors, words};
use crate::error::chain;

const PARTS: [&str; 4] = [
    "main/binary-amd64",
    "universe/binary-amd64",
    "main/binary-arm64",
    "universe/binary-arm64",
];

/// Ubuntu 22.04, signed by a key of the test's own.
fn archive(key: &Key) -> Archive {
    let archive = Archive::new(key);
    for arch in ["amd64", "arm64"] {
        let of = |what: &str| format!("Architecture: {arch}\n{what}");
        for (part, name, version, fields) in [
            ("jammy-universe", "app", "1.0-1", "Depends: lib (>= 2)\n"),
            ("jammy-main", "lib", "2.0-1", ""),
            ("jammy-updates-main", "lib", "2.0-1ubuntu1", ""),
            ("jammy-security-main", "lib", "2.0-1ubuntu1.1", ""),
        ] {
            // One name a file: the pool is of all architectures.
            let version = format!("{version}~{arch}");
            archive.package(&format!("{part}-{arch}"), name, &version, &of(fields));
        }
    }
    for suite in ["jammy", "jammy-updates", "jammy-security"] {
        for part in PARTS {
            let stanzas = part.replace("/binary", "");
            let stanzas = archive.path(&format!("{suite}-{stanzas}.stanzas"));
            archive.list_of(suite, part, fs::read(stanzas).unwrap_or_default());
        }
        let (date, more) = (DATED, "");
        archive.sign_parts(suite, &PARTS, &Signing { key, date, more });
    }
    archive
}

#[test]
fn an_ubuntu_archive_is_read_with_its_updates_and_universe_for_each_architecture() {
    let key = Key::new();
    let folder = archive(&key);
    let server = Server::start(folder.folder.path());
    let known = Release::of("ubuntu-22.04").expect("it is known");
    let ours = Release {
        keyring: key.public(),
        ..*known
    };
    let mirror = Mirror::new().expect("a client");
    let closure = |release: &Release, arch: Arch| {
        let cache = tempfile::tempdir().expect("a folder");
        let mirrors = Mirrors {
            archive: Some(server.url.clone()),
            security: Some(server.url.clone()),
        };
        let archive = DebArchive::new(release, arch, mirrors, cache.path(), &mirror);
        archive.closure(&["app"], NOW)
    };
    for arch in [Arch::Amd64, Arch::Arm64] {
        let packages = closure(&ours, arch).expect("a closure");
        let lib = format!("lib=2.0-1ubuntu1.1~{arch}");
        assert_eq!(words(&packages), [lib, format!("app=1.0-1~{arch}")]);
        let asked = server.log();
        let indexes = asked.iter().filter(|line| line.contains("Packages"));
        let other = format!("binary-{arch}");
        let indexes: Vec<&String> = indexes.collect();
        // The two that are empty have one digest, and are got once.
        assert_eq!(indexes.len(), 3 + 2, "{asked:#?}");
        assert!(
            indexes.iter().all(|line| line.contains(&other)),
            "{asked:#?}"
        );
    }
    // Ubuntu's own keys have not signed it.
    let error = chain(&closure(known, Arch::Amd64).expect_err("nobody signed it"));
    assert!(error.contains("InRelease"), "{error}");
}
