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

/// A lock of a program of each service and version, for both architectures, and of packages for two releases.
fn many(services: &[(&str, &str)]) -> Lock {
    let mut lock = Lock::default();
    let file = |word: &str| Locked::File {
        kind: ArtifactKind::Url,
        source: "https://example.org/".to_owned(),
        sha256: Digest::of(word.as_bytes()),
        size: 1,
    };
    for (service, version) in services {
        for arch in Arch::ALL {
            for name in [
                "tool",
                "gone",
                "set.debian-12.Packages",
                "set.debian-13.Packages",
            ] {
                let artifact = ArtifactId::new(service, version, arch, name).expect("a name");
                let release = None;
                lock.set(LockKey { artifact, release }, file(name));
            }
        }
    }
    lock
}

fn names(lock: &Lock) -> Vec<String> {
    lock.artifacts()
        .map(|(key, _)| key.artifact.to_string())
        .collect()
}

#[test]
fn what_is_renewed_is_replaced_exactly_and_all_else_stays() {
    let before = many(&[("mine", "1"), ("mine", "2"), ("other", "1")]);
    let mut fresh = Lock::default();
    let artifact = ArtifactId::new("mine", "2", Arch::Amd64, "tool").expect("a name");
    let tool = before.get(&artifact, None).expect("it is there").clone();
    let release = None;
    fresh.set(LockKey { artifact, release }, tool);
    let gone = |lock: Lock, release: Option<&str>| {
        let all = names(&lock);
        let left = names(&lock.renewed(fresh.clone(), &["mine"], Arch::Amd64, release));
        all.into_iter()
            .filter(|name| !left.contains(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(gone(before.clone(), None), ["mine 2 amd64 gone"]);
    assert_eq!(
        gone(before, Some("debian-12")),
        ["mine 2 amd64 gone", "mine 2 amd64 set.debian-12.Packages"]
    );
}

#[test]
fn what_nobody_asks_for_goes_and_what_is_not_concerned_stays() {
    let mut lock = many(&[("mine", "1"), ("mine", "2"), ("mine", "3"), ("other", "1")]);
    lock.set_version("mine", "latest", "2");
    lock.set_version("mine", "~1", "1");
    let demand = |requested: Option<&str>, exact: Option<&str>| Demand {
        service: "mine".to_owned(),
        requested: requested.map(str::to_owned),
        exact: exact.map(str::to_owned),
        own: "3".to_owned(),
    };
    let left = |demands: &[Demand], all: bool| {
        let mut lock = lock.clone();
        lock.retain(demands, |service| all || service == "mine");
        let mut left = names(&lock);
        left.retain(|name| name.ends_with("amd64 tool"));
        (left, lock.version("mine", "~1").is_some())
    };
    let latest = [demand(Some("latest"), None)];
    assert_eq!(
        left(&latest, true),
        (vec!["mine 2 amd64 tool".to_owned()], false)
    );
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("{name} amd64 tool"))
            .collect()
    };
    assert_eq!(left(&latest, false), (named(&["mine 2", "other 1"]), false));
    let two = [
        demand(Some("1"), Some("1")),
        demand(None, None),
        demand(Some("~1"), None),
    ];
    assert_eq!(left(&two, true), (named(&["mine 1", "mine 3"]), true));
}
