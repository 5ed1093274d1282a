//! One file: a download, a container image, a local build.

use std::path::Path;

use trustnet_core::artifact::{ArtifactId, ArtifactKind, Checksum, Digest, Trust, UrlSource};
use trustnet_core::lockfile::{Lock, LockKey, Locked};
use trustnet_core::provision::Pinned;
use trustnet_core::service::ArtifactSource;

use super::{ObtainError, Obtained, Obtainer};
use crate::cache::download::{Http, Limits};
use crate::cache::error::CacheError;
use crate::cache::oci::{self, ImageName, Login};
use crate::cache::{file, url};
use crate::error::HostError;

impl Obtainer<'_> {
    pub(super) fn blob(
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
                files: Vec::new(),
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
                    files: Vec::new(),
                });
            }
        };
        Ok(((fetched.entry.sha256, fetched.entry.size), fetched.fetched))
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
    Trust::published(list, |keyring| {
        let path = folder.join(keyring);
        std::fs::read(&path).map_err(HostError::file("read", path))
    })
}
