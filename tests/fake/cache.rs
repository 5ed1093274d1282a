//! The cache of artifacts, as the program shows it.

use std::path::PathBuf;

use trustnet_core::artifact::{Arch, ArtifactId, Digest};
use trustnet_host::cache::file::take;
use trustnet_host::cache::store::Store;

use crate::home::Home;

fn folder(home: &Home) -> PathBuf {
    home.path(".cache/trustnet-vm/artifacts")
}

fn store(home: &Home) -> Store {
    Store::open(&folder(home)).expect("a store")
}

/// A home with three artifacts in its cache.
fn filled() -> Home {
    let home = Home::new();
    let store = store(&home);
    for (service, version, arch, name) in [
        ("caddy", "2.10.2", Arch::Amd64, "caddy"),
        ("caddy", "2.10.2", Arch::Arm64, "caddy"),
        ("sql", "15", Arch::Amd64, "sql-tool"),
    ] {
        let content = format!("{service} {arch}");
        let path = home.file("build", &content);
        let id = ArtifactId::new(service, version, arch, name).expect("a name");
        take(&store, &id, path.as_ref()).expect("it is taken");
    }
    home
}

fn session(home: &Home, commands: &[&str]) -> String {
    let whens: Vec<String> = store(home)
        .entries()
        .expect("entries")
        .into_iter()
        .map(|entry| entry.when)
        .collect();
    let mut text: String = commands
        .iter()
        .map(|line| home.says(line.split(' ')))
        .collect();
    for when in whens {
        text = text.replace(&when, "[WHEN]");
    }
    text
}

#[test]
fn the_cache_is_shown_in_every_form() {
    let home = filled();
    let digest = Digest::of(b"sql amd64").to_string();
    insta::assert_snapshot!(session(
        &home,
        &[
            "cache list",
            "cache ls -o wide --service sql",
            "cache list -o json --arch arm64",
            "cache list -o yaml --service sql",
            "cache list -o name --no-headers",
            "cache list --arch riscv64",
            "cache info",
            "cache info -o json",
            &format!("cache why {}", &digest[..8]),
            "cache why ffff",
            "cache verify",
            "cache verify -o json",
            "cache prune",
        ]
    ));
}

#[test]
fn what_is_damaged_is_told_and_pruned() {
    let home = filled();
    let store = store(&home);
    std::fs::write(store.path(&Digest::of(b"caddy amd64")), "else").expect("a file");
    std::fs::remove_file(store.path(&Digest::of(b"caddy arm64"))).expect("a file");
    insta::assert_snapshot!(session(
        &home,
        &[
            "cache verify",
            "cache prune",
            "cache prune --dry-run",
            "cache prune --yes",
            "cache prune --all --yes",
            "cache list"
        ]
    ));
}

#[test]
fn a_lock_file_says_what_is_kept() {
    use trustnet_core::artifact::ArtifactKind;
    use trustnet_core::lockfile::{Lock, LockKey, Locked};
    let home = filled();
    let mut lock = Lock::default();
    lock.set(
        LockKey {
            artifact: ArtifactId::new("sql", "15", Arch::Amd64, "sql-tool").expect("a name"),
            release: None,
        },
        Locked::File {
            kind: ArtifactKind::File,
            source: "build".to_owned(),
            sha256: Digest::of(b"sql amd64"),
            size: 9,
        },
    );
    home.file("trustnet-vm.lock", &lock.to_yaml().expect("a lock"));
    home.file("other.lock", "kind: Something\napiVersion: x\n");
    insta::assert_snapshot!(session(
        &home,
        &[
            "cache prune --keep other.lock --yes",
            "cache prune --keep trustnet-vm.lock --yes",
            "cache export --lock trustnet-vm.lock sql.tar",
            "cache list -o name",
        ]
    ));
}

#[test]
fn artifacts_are_carried_to_another_machine() {
    let home = filled();
    home.done(["cache", "export", "all.tar"]);
    let other = Home::new();
    std::fs::copy(home.path("all.tar"), other.path("all.tar")).expect("a file");
    std::fs::write(other.path("bad.tar"), "no archive").expect("a file");
    let mut text = session(
        &home,
        &[
            "cache export caddy.tar --service caddy",
            "cache export none.tar --service nothing",
        ],
    );
    text.push_str(&session(
        &other,
        &[
            "cache import bad.tar",
            "cache import nowhere.tar",
            "cache list",
            "cache import all.tar",
        ],
    ));
    text.push_str(&session(
        &other,
        &[
            "cache list",
            "cache verify",
            "cache why sha256:",
            "cache why 667e",
        ],
    ));
    insta::assert_snapshot!(home.steady(&text));
    assert_eq!(std::fs::read(home.path("all.tar")).expect("a file"), {
        home.done(["cache", "export", "again.tar"]);
        std::fs::read(home.path("again.tar")).expect("a file")
    });
    assert!(!home.path("none.tar").exists() && !home.path("none.tar.partial").exists());
}
