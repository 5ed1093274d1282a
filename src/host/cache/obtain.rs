//! What services need, brought into the store: from the lock where there is one, else from its publisher.

use std::path::{Path, PathBuf};

use trustnet_core::artifact::{
    ArtifactId, ArtifactKind, Checksum, Digest, IdError, Signature, Trust, UrlSource, Verified,
    VerifiedBy,
};
use trustnet_core::deb::{Package, Release, flat_index};
use trustnet_core::lockfile::{Lock, LockKey, Locked, LockedPackage};
use trustnet_core::provision::{Pinned, PinnedDeb};
use trustnet_core::service::{ArtifactSource, Wanted};

use super::deb::{DebArchive, DebError, Mirror, Mirrors};
use super::download::{Http, Limits, Watch};
use super::error::CacheError;
use super::oci::{self, ImageName, Login};
use super::store::{Incoming, Store};
use super::{file, url};
use crate::error::HostError;

/// Brings artifacts into the store.
pub struct Obtainer<'a> {
    /// The store.
    pub store: &'a Store,
    /// Whether nothing may be fetched.
    pub offline: bool,
    /// Mirrors of package archives.
    pub mirrors: Mirrors,
    /// The folder of the indexes of package archives.
    pub indexes: PathBuf,
    /// The time, in seconds since 1970.
    pub now: i64,
    /// Who watches.
    pub watch: &'a dyn Watch,
}

/// An artifact that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obtained {
    /// As a program names it.
    pub pinned: Pinned,
    /// Its blobs, with their sizes.
    pub blobs: Vec<(Digest, u64)>,
    /// Whether something had to be fetched.
    pub fetched: bool,
}

/// Why an artifact is not in the store.
#[derive(Debug, thiserror::Error)]
pub enum ObtainError {
    /// It cannot be named.
    #[error("failed to name an artifact")]
    Id(#[from] IdError),
    /// Nothing may be fetched, and it is not there.
    #[error("{what} is not in the cache, and nothing may be fetched")]
    Offline {
        /// What.
        what: String,
    },
    /// It cannot be fetched, or is not what it should be.
    #[error("failed to get {what}")]
    Cache {
        /// What.
        what: String,
        /// Why.
        source: CacheError,
    },
    /// The packages cannot be had.
    #[error("failed to get the packages of {what}")]
    Deb {
        /// Of what.
        what: String,
        /// Why.
        source: DebError,
    },
    /// The archive has moved on from what is locked.
    #[error("the archive no longer has {package} as it is locked for {what}")]
    Moved {
        /// For what.
        what: String,
        /// Which package.
        package: String,
    },
    /// The distribution is not known.
    #[error("the packages of `{0}` are not known")]
    Release(String),
}

impl ObtainError {
    /// The next action.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Offline { .. } => Some(
                "fetch it with a network: `trustnet-vm cache fetch`, or `cache import` an archive",
            ),
            Self::Moved { .. } => {
                Some("`trustnet-vm cache fetch --update` locks what there is now")
            }
            Self::Cache { source, .. } => source.hint(),
            Self::Release(_) => {
                Some("known are debian-11 to debian-13 and ubuntu-22.04, ubuntu-24.04")
            }
            Self::Id(_) | Self::Deb { .. } => None,
        }
    }
}

impl Obtainer<'_> {
    /// Brings one artifact into the store, as it is locked; one that is not locked yet is locked then.
    /// Relative paths of local builds begin at `folder`.
    ///
    /// # Errors
    /// It is not to be had, or is not what it should be.
    pub fn obtain(
        &self,
        wanted: &Wanted,
        folder: &Path,
        lock: &mut Lock,
    ) -> Result<Obtained, ObtainError> {
        let id = ArtifactId::new(&wanted.service, &wanted.version, wanted.arch, &wanted.name)?;
        match &wanted.source {
            ArtifactSource::Deb { release, packages } => self.debs(&id, release, packages, lock),
            source => self.blob(&id, source, folder, lock),
        }
    }

    fn blob(
        &self,
        id: &ArtifactId,
        source: &ArtifactSource,
        folder: &Path,
        lock: &mut Lock,
    ) -> Result<Obtained, ObtainError> {
        // A definition that says something else since then is believed before the lock.
        let (kind, from) = described(source);
        let locked = match lock.get(id, None) {
            Some(Locked::File {
                sha256,
                size,
                source: locked,
                ..
            }) if *locked == from && agrees(source, sha256) => Some((*sha256, *size)),
            _ => None,
        };
        let local = matches!(source, ArtifactSource::File { .. });
        let (entry, fetched) = match locked {
            // A local build is what it is now; a lock of another day says nothing of it.
            Some((digest, size)) if !local && self.store.have(&digest) => ((digest, size), false),
            _ if self.offline && !local => return self.offline_blob(id, source),
            locked => self.get(id, source, folder, locked.map(|(digest, _)| digest))?,
        };
        let (digest, size) = entry;
        let key = LockKey {
            artifact: id.clone(),
            release: None,
        };
        lock.set(
            key,
            Locked::File {
                kind,
                source: from,
                sha256: digest,
                size,
            },
        );
        let pinned = match source {
            ArtifactSource::Oci { image, tag, .. } => {
                Pinned::Image(digest, format!("{image}:{tag}"))
            }
            _ => Pinned::Blob(digest),
        };
        Ok(Obtained {
            pinned,
            blobs: vec![(digest, size)],
            fetched,
        })
    }

    /// What the definition pins and the store has needs neither lock nor network.
    fn offline_blob(
        &self,
        id: &ArtifactId,
        source: &ArtifactSource,
    ) -> Result<Obtained, ObtainError> {
        let entry = self
            .store
            .entry(id)
            .filter(|entry| self.store.have(&entry.sha256));
        let pinned = match source {
            ArtifactSource::Url {
                digest: Some(digest),
                ..
            } => entry.filter(|entry| digest.to_string() == format!("sha256:{}", entry.sha256)),
            ArtifactSource::Oci {
                digest: Some(digest),
                ..
            } => entry.filter(|entry| entry.source.ends_with(digest.as_str())),
            _ => None,
        };
        let Some(entry) = pinned else {
            return Err(ObtainError::Offline {
                what: id.to_string(),
            });
        };
        let pinned = match source {
            ArtifactSource::Oci { image, tag, .. } => {
                Pinned::Image(entry.sha256, format!("{image}:{tag}"))
            }
            _ => Pinned::Blob(entry.sha256),
        };
        Ok(Obtained {
            pinned,
            blobs: vec![(entry.sha256, entry.size)],
            fetched: false,
        })
    }

    fn get(
        &self,
        id: &ArtifactId,
        source: &ArtifactSource,
        folder: &Path,
        locked: Option<Digest>,
    ) -> Result<((Digest, u64), bool), ObtainError> {
        let failed = |source: CacheError| ObtainError::Cache {
            what: id.to_string(),
            source,
        };
        let fetched = match source {
            ArtifactSource::Url {
                url: address,
                digest,
                checksums,
            } => {
                let pinned = locked.map(Into::into).or(*digest).map(Trust::Pinned);
                let published = checksums.as_ref().map(|list| published(list, folder));
                let published = published.transpose().map_err(|e| failed(e.into()))?;
                let source = UrlSource {
                    url: address.clone(),
                    size: None,
                    trust: pinned.or(published),
                };
                let http = Http::new(Limits::default()).map_err(|e| failed(e.into()))?;
                url::fetch(self.store, &http, id, &source, self.watch).map_err(failed)?
            }
            ArtifactSource::Oci { image, tag, digest } => {
                let name = match digest {
                    Some(digest) => format!("{image}:{tag}@{digest}"),
                    None => format!("{image}:{tag}"),
                };
                let image = ImageName::parse(&name).map_err(|e| failed(e.into()))?;
                let wanted = oci::Wanted {
                    artifact: id,
                    image: &image,
                    login: &Login::Anonymous,
                    expected: locked.as_ref(),
                };
                oci::fetch(self.store, &wanted, self.watch).map_err(failed)?
            }
            ArtifactSource::File { path, digest } => {
                let entry = file::take(self.store, id, &folder.join(path)).map_err(failed)?;
                if let Some(digest) = digest
                    && digest.to_string() != format!("sha256:{}", entry.sha256)
                {
                    return Err(failed(CacheError::Content {
                        what: id.to_string(),
                        why: format!("`{path}` is not {digest}"),
                    }));
                }
                return Ok(((entry.sha256, entry.size), false));
            }
            ArtifactSource::Deb { .. } => {
                return Err(ObtainError::Offline {
                    what: id.to_string(),
                });
            }
        };
        Ok(((fetched.entry.sha256, fetched.entry.size), fetched.fetched))
    }

    fn debs(
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
            return Err(ObtainError::Offline {
                what: format!("{id} for {release}"),
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

/// Whether a digest is the one that the definition gives, as far as it gives one of its kind.
fn agrees(source: &ArtifactSource, locked: &Digest) -> bool {
    match source {
        ArtifactSource::Url {
            digest: Some(Checksum::Sha256(digest)),
            ..
        } => digest == locked,
        _ => true,
    }
}

/// The artifact that is the index of a set of packages.
fn index_id(id: &ArtifactId, release: &str) -> Result<ArtifactId, IdError> {
    let name = format!("{}.{release}.Packages", id.name());
    ArtifactId::new(id.service(), id.version(), id.arch(), &name)
}

fn described(source: &ArtifactSource) -> (ArtifactKind, String) {
    match source {
        ArtifactSource::Url { url, .. } => (ArtifactKind::Url, url.clone()),
        ArtifactSource::Oci { image, tag, digest } => {
            let digest = digest
                .as_ref()
                .map_or(String::new(), |digest| format!("@{digest}"));
            (ArtifactKind::Oci, format!("{image}:{tag}{digest}"))
        }
        ArtifactSource::File { path, .. } => (ArtifactKind::File, path.clone()),
        ArtifactSource::Deb { release, .. } => (ArtifactKind::Deb, release.clone()),
    }
}

fn published(list: &trustnet_api::service::Checksums, folder: &Path) -> Result<Trust, HostError> {
    let signature = match (&list.minisign, &list.minisign_key, &list.keyring) {
        (Some(url), Some(key), _) => Some(Signature::Minisign {
            url: url.clone(),
            key: key.clone(),
        }),
        (_, _, Some(keyring)) => {
            let path = folder.join(keyring);
            let keys = std::fs::read(&path).map_err(HostError::file("read", &path))?;
            Some(Signature::OpenPgp {
                url: list.signature.clone(),
                keys,
            })
        }
        _ => None,
    };
    Ok(Trust::Published {
        url: list.url.clone(),
        name: None,
        signature,
    })
}

#[cfg(test)]
mod tests {
    use super::provides;

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
}
