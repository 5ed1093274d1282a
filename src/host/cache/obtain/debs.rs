//! A set of packages with all that they depend on.

use trustnet_core::artifact::{ArtifactId, ArtifactKind, Digest, IdError, Verified, VerifiedBy};
use trustnet_core::deb::{Package, Release, flat_index};
use trustnet_core::lockfile::{Lock, LockKey, Locked, LockedPackage};
use trustnet_core::provision::{Pinned, PinnedDeb};

use super::{ObtainError, Obtained, Obtainer};
use crate::cache::deb::{DebArchive, DebError, Mirror};
use crate::cache::error::CacheError;
use crate::cache::store::Incoming;
use crate::error::HostError;

impl Obtainer<'_> {
    pub(super) fn debs(
        &self,
        id: &ArtifactId,
        release: &str,
        names: &[String],
        lock: &mut Lock,
    ) -> Result<Obtained, ObtainError> {
        let key = LockKey {
            artifact: id.clone(),
            release: Some(release.to_owned()),
        };
        let index_id = index_id(id, release)?;
        if let Some(obtained) = self.locked_debs(&key, &index_id, names, lock)? {
            return Ok(obtained);
        }
        if self.offline {
            let index_key = LockKey {
                artifact: index_id,
                release: None,
            };
            return Err(ObtainError::Offline {
                what: format!("{id} for {release}"),
                files: lock.missing(&[&key, &index_key], |digest| self.store.have(digest)),
            });
        }
        let known = Release::of(release).ok_or_else(|| ObtainError::Release(release.to_owned()))?;
        let failed = |source: DebError| ObtainError::Deb {
            what: id.to_string(),
            source,
        };
        let mirror = Mirror::new().map_err(|source| {
            failed(DebError::Fetch {
                url: release.to_owned(),
                source,
            })
        })?;
        let archive = DebArchive::new(
            known,
            id.arch(),
            self.mirrors.clone(),
            &self.indexes,
            &mirror,
        );
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let packages = archive.closure(&names, self.now).map_err(failed)?;
        if let Some(Locked::Packages {
            packages: locked, ..
        }) = lock.get(id, Some(release))
        {
            for one in locked {
                if !packages.iter().any(|package| package.sha256 == one.sha256) {
                    return Err(ObtainError::Moved {
                        what: id.to_string(),
                        package: format!("{} {}", one.name, one.version),
                    });
                }
            }
        }
        for package in &packages {
            self.package(id, &archive, package)?;
        }
        let index = flat_index(&packages);
        let index_entry = self.index(&index_id, release, &index)?;
        let locked = packages.iter().map(|package| LockedPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            filename: package.filename.clone(),
            sha256: package.sha256,
            size: package.size,
        });
        let packages_locked = Locked::Packages {
            source: release.to_owned(),
            packages: locked.collect(),
        };
        lock.set(key, packages_locked);
        let index_key = LockKey {
            artifact: index_id,
            release: None,
        };
        lock.set(
            index_key,
            Locked::File {
                kind: ArtifactKind::File,
                source: format!("the index of the packages above, from the archive of {release}"),
                sha256: index_entry.0,
                size: index_entry.1,
            },
        );
        let files = packages
            .iter()
            .map(|one| (one.name.clone(), one.sha256, one.size));
        Ok(closure(files, index, true))
    }

    /// The packages as they are locked, if all of them are there.
    fn locked_debs(
        &self,
        key: &LockKey,
        index_id: &ArtifactId,
        names: &[String],
        lock: &Lock,
    ) -> Result<Option<Obtained>, ObtainError> {
        let Some(Locked::Packages { packages, .. }) =
            lock.get(&key.artifact, key.release.as_deref())
        else {
            return Ok(None);
        };
        let Some(Locked::File { sha256: index, .. }) = lock.get(index_id, None) else {
            return Ok(None);
        };
        let here = |digest: &Digest| self.store.have(digest);
        if !here(index) || !packages.iter().all(|package| here(&package.sha256)) {
            return Ok(None);
        }
        let failed = |source: CacheError| ObtainError::Cache {
            what: index_id.to_string(),
            source,
        };
        let path = self.store.verify_one(index).map_err(failed)?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| failed(HostError::file("read", &path)(error).into()))?;
        // The definition may ask for more than it did when they were locked.
        if !names.iter().all(|name| provides(&text, name)) {
            return Ok(None);
        }
        let files = packages
            .iter()
            .map(|one| (one.name.clone(), one.sha256, one.size));
        Ok(Some(closure(files, text, false)))
    }

    fn package(
        &self,
        id: &ArtifactId,
        archive: &DebArchive<'_>,
        package: &Package,
    ) -> Result<(), ObtainError> {
        let failed = |source: CacheError| ObtainError::Cache {
            what: format!("{} {}", package.name, package.version),
            source,
        };
        let incoming = Incoming {
            artifact: ArtifactId::new(id.service(), id.version(), id.arch(), &package.file())?,
            kind: ArtifactKind::Deb,
            source: archive.url(package),
            verified: Verified::by(VerifiedBy::SignedIndex),
        };
        if self.store.have(&package.sha256) {
            self.store
                .record(&package.sha256, package.size, &incoming)
                .map_err(failed)?;
            return Ok(());
        }
        let stopped = || failed(CacheError::Stopped);
        let lock = self.store.lock(&package.sha256, self.watch);
        let _lock = lock.map_err(|e| failed(e.into()))?.ok_or_else(stopped)?;
        if self.watch.stopped() {
            return Err(stopped());
        }
        let staging = self.store.partial(&package.sha256).with_extension("deb");
        archive
            .download(package, &staging)
            .map_err(|source| ObtainError::Deb {
                what: id.to_string(),
                source,
            })?;
        self.store
            .adopt(&staging, &package.sha256)
            .map_err(|e| failed(e.into()))?;
        self.store
            .record(&package.sha256, package.size, &incoming)
            .map_err(failed)?;
        Ok(())
    }

    /// Keeps the index of a closure, without which its packages cannot be installed.
    fn index(
        &self,
        id: &ArtifactId,
        release: &str,
        text: &str,
    ) -> Result<(Digest, u64), ObtainError> {
        let incoming = Incoming {
            artifact: id.clone(),
            kind: ArtifactKind::File,
            source: format!("the archive of {release}"),
            verified: Verified::by(VerifiedBy::SignedIndex),
        };
        let entry = self
            .store
            .insert(&mut text.as_bytes(), None, None, &incoming)
            .map_err(|source| ObtainError::Cache {
                what: id.to_string(),
                source,
            })?;
        Ok((entry.sha256, entry.size))
    }
}

/// Whether a package of an index has that name, or stands for it.
fn provides(index: &str, name: &str) -> bool {
    let bare = |text: &str| {
        let end = text.find([' ', '(', '=', ':', '/']).unwrap_or(text.len());
        text[..end].to_owned()
    };
    let wanted = bare(name);
    index.lines().any(|line| {
        let names = line.strip_prefix("Package: ");
        let names = names.or_else(|| line.strip_prefix("Provides: "));
        names.is_some_and(|names| names.split(',').any(|one| bare(one.trim()) == wanted))
    })
}

/// A closure as a program names it: in the order of names, so that it is the same however it was come by.
fn closure(
    files: impl Iterator<Item = (String, Digest, u64)>,
    index: String,
    fetched: bool,
) -> Obtained {
    let mut files: Vec<(String, Digest, u64)> = files.collect();
    files.sort();
    Obtained {
        blobs: files
            .iter()
            .map(|(_, digest, size)| (*digest, *size))
            .collect(),
        pinned: Pinned::Debs {
            debs: files
                .into_iter()
                .map(|(name, digest, _)| PinnedDeb {
                    file: format!("{name}.deb"),
                    digest,
                })
                .collect(),
            index,
        },
        fetched,
    }
}

/// The artifact that is the index of a set of packages.
fn index_id(id: &ArtifactId, release: &str) -> Result<ArtifactId, IdError> {
    let name = format!("{}.{release}.Packages", id.name());
    ArtifactId::new(id.service(), id.version(), id.arch(), &name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use trustnet_core::artifact::{Arch, ArtifactId, ArtifactKind, Digest};
    use trustnet_core::lockfile::{Lock, LockKey, Locked, LockedPackage};
    use trustnet_core::service::{ArtifactSource, Wanted};

    use super::{Obtainer, index_id, provides};
    use crate::cache::deb::Mirrors;
    use crate::cache::obtain::ObtainError;
    use crate::cache::store::Store;

    #[test]
    fn a_name_is_found_by_a_package_or_what_one_stands_for() {
        let index = "Package: exim4\nProvides: mail-transport-agent, default-mta (= 1)\nDepends: libc6\n\nPackage: libc6\n";
        for name in [
            "exim4",
            "libc6",
            "default-mta",
            "mail-transport-agent",
            "libc6=2.36",
        ] {
            assert!(provides(index, name), "{name}");
        }
        for name in ["exim", "libc", "Depends"] {
            assert!(!provides(index, name), "{name}");
        }
    }

    /// A lock of so many packages and their index.
    fn lock(count: usize) -> Lock {
        let id = ArtifactId::new("sql", "15", Arch::Amd64, "server").expect("a name");
        let mut lock = Lock::default();
        let packages = (0..count).map(|number| LockedPackage {
            name: format!("package-{number:02}"),
            version: "1:2.0-1".to_owned(),
            filename: format!("pool/package-{number:02}.deb"),
            sha256: Digest::of(format!("{number}").as_bytes()),
            size: 5,
        });
        let index = LockKey {
            artifact: index_id(&id, "debian-12").expect("a name"),
            release: None,
        };
        let index_locked = Locked::File {
            kind: ArtifactKind::File,
            source: "an archive".to_owned(),
            sha256: Digest::of(b"index"),
            size: 5,
        };
        let key = LockKey {
            artifact: id,
            release: Some("debian-12".to_owned()),
        };
        let source = "debian-12".to_owned();
        let packages = packages.collect();
        lock.set(key, Locked::Packages { source, packages });
        lock.set(index, index_locked);
        lock
    }

    #[test]
    fn offline_each_missing_package_is_named_and_many_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("artifacts")).expect("a store");
        let obtainer = Obtainer {
            store: &store,
            offline: true,
            looking: false,
            mirrors: Mirrors::default(),
            indexes: folder.path().join("indexes"),
            now: 0,
            watch: &(),
        };
        let wanted = Wanted {
            service: "sql".to_owned(),
            version: "15".to_owned(),
            arch: Arch::Amd64,
            name: "server".to_owned(),
            source: ArtifactSource::Deb {
                release: "debian-12".to_owned(),
                packages: vec!["package-00".to_owned()],
            },
        };
        let told = |mut lock: Lock| {
            let error = obtainer.obtain(&wanted, Path::new("."), &mut lock);
            let error = error.expect_err("nothing is there");
            assert!(matches!(error, ObtainError::Offline { .. }), "{error:?}");
            error.to_string()
        };
        let (one, index) = (Digest::of(b"0"), Digest::of(b"index"));
        assert_eq!(
            told(lock(1)),
            format!(
                "sql 15 amd64 server for debian-12 is not in the cache, and nothing may be fetched\n  package-00 1:2.0-1 amd64 sha256:{one}\n  sql 15 amd64 server.debian-12.Packages sha256:{index}"
            )
        );
        let many = told(lock(72));
        let lines: Vec<&str> = many.lines().collect();
        assert_eq!(lines.len(), 22, "{many}");
        assert_eq!(lines[21], "  and 53 more");
        assert_eq!(
            told(Lock::default()),
            "sql 15 amd64 server for debian-12 is not in the cache, and nothing may be fetched"
        );
    }
}
