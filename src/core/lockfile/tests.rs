//! The lock file.

use super::*;

fn id(service: &str, name: &str) -> ArtifactId {
    ArtifactId::new(service, "15", Arch::Amd64, name).expect("a name")
}

fn lock() -> Lock {
    let mut lock = Lock::default();
    lock.set_version("sql", "15", "15.14");
    lock.set_version("caddy", "latest", "2.10.2");
    let package = |name: &str| LockedPackage {
        name: name.to_owned(),
        version: "1:2.0~rc1".to_owned(),
        filename: format!("pool/{name}.deb"),
        sha256: Digest::of(name.as_bytes()),
        size: 5,
    };
    let key = |artifact, release: Option<&str>| LockKey {
        artifact,
        release: release.map(str::to_owned),
    };
    lock.set(
        key(id("sql", "packages"), Some("debian-12")),
        Locked::Packages {
            source: "https://deb.debian.org/debian".to_owned(),
            packages: vec![package("postgresql-15"), package("libpq5")],
        },
    );
    lock.set(
        key(id("caddy", "caddy.tar.gz"), None),
        Locked::File {
            kind: ArtifactKind::Url,
            source: "https://example.org/caddy.tar.gz".to_owned(),
            sha256: Digest::of(b"caddy"),
            size: 7,
        },
    );
    lock
}

#[test]
fn a_lock_reads_back_as_it_was_and_always_has_the_same_bytes() {
    let yaml = lock().to_yaml().expect("it is written");
    insta::assert_snapshot!(yaml);
    let read = Lock::parse(&yaml).expect("it reads back");
    assert_eq!(read, lock());
    assert_eq!(read.to_yaml().expect("it is written"), yaml);
    assert_eq!(read.version("sql", "15"), Some("15.14"));
    assert_eq!(read.version("sql", "16"), None);
    assert!(
        read.get(&id("sql", "packages"), Some("debian-12"))
            .is_some()
    );
    assert!(
        read.get(&id("sql", "packages"), Some("debian-13"))
            .is_none()
    );
    assert_eq!(
        Lock::parse(&Lock::default().to_yaml().expect("yaml")),
        Ok(Lock::default())
    );
}

#[test]
fn what_is_missing_is_told_once_each() {
    let mut lock = lock();
    let caddy = lock
        .get(&id("caddy", "caddy.tar.gz"), None)
        .cloned()
        .expect("it is there");
    lock.set(
        LockKey {
            artifact: id("other", "the-same"),
            release: None,
        },
        caddy,
    );
    assert_eq!(lock.digests().len(), 3);
    let keys: Vec<LockKey> = lock.artifacts().map(|(key, _)| key.clone()).collect();
    let keys: Vec<&LockKey> = keys.iter().collect();
    let all = lock.missing(&keys, |_| false);
    assert_eq!(
        all.iter().map(|file| file.size).collect::<Vec<_>>(),
        [7, 5, 5]
    );
    let packages: Vec<_> = all
        .iter()
        .filter_map(|file| file.package.as_ref().map(|(name, _)| name.as_str()))
        .collect();
    assert_eq!(packages, ["libpq5", "postgresql-15"]);
    let one = lock.missing(&keys, |digest| *digest != Digest::of(b"libpq5"));
    assert_eq!(one.len(), 1);
    assert_eq!(lock.missing(&keys, |_| true), []);
}

#[test]
fn what_is_no_lock_is_refused_with_a_reason() {
    let yaml = lock().to_yaml().expect("it is written");
    let digest = Digest::of(b"caddy").to_string();
    let mut said = String::new();
    for (from, to) in [
        ("v1alpha1", "v9"),
        ("kind: Lock", "kind: Look"),
        (digest.as_str(), "abc"),
        ("name: caddy.tar.gz", "name: ../caddy"),
        ("arch: amd64", "arch: riscv64"),
        ("size: 7", "size: -7"),
        ("size: 7", "release: debian-12"),
        ("release: debian-12", "size: 7"),
        ("services:", "servises:"),
        (
            "name: caddy\n  requested: latest",
            "name: sql\n  requested: \"15\"",
        ),
    ] {
        let changed = yaml.replace(from, to);
        assert_ne!(changed, yaml, "{from}");
        match Lock::parse(&changed) {
            Ok(_) => said.push_str(&format!("{to}: taken\n")),
            Err(error) => said.push_str(&format!("{to}: {error}\n")),
        }
    }
    insta::assert_snapshot!(said);
}
