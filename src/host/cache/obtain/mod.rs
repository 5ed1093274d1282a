//! What services need, brought into the store: from the lock where there is one, else from its publisher.

mod blob;
mod debs;

use std::path::{Path, PathBuf};

use trustnet_core::artifact::{ArtifactId, Digest, IdError};
use trustnet_core::lockfile::{Lock, Missing};
use trustnet_core::provision::Pinned;
use trustnet_core::service::{ArtifactSource, Wanted};

use super::deb::{DebError, Mirrors};
use super::download::Watch;
use super::error::CacheError;
use super::store::Store;

/// Brings artifacts into the store.
pub struct Obtainer<'a> {
    /// The store.
    pub store: &'a Store,
    /// Whether nothing may be fetched.
    pub offline: bool,
    /// Whether it is to be known, before anything is made, that what is in the store is whole.
    pub looking: bool,
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
    #[error("{what} is not in the cache, and nothing may be fetched{}", listed(.files))]
    Offline {
        /// What.
        what: String,
        /// Which files of it, where they are known: those that are locked.
        files: Vec<Missing>,
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

fn listed(files: &[Missing]) -> String {
    let lines = Missing::lines(files);
    lines.iter().map(|line| format!("\n  {line}")).collect()
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
    /// Brings one artifact into the store, as it is locked; one that is not locked yet is locked then. What is
    /// damaged there is fetched again, where damage is looked for. Relative paths of local builds begin at `folder`.
    ///
    /// # Errors
    /// It is not to be had, or is not what it should be.
    pub fn obtain(
        &self,
        wanted: &Wanted,
        folder: &Path,
        lock: &mut Lock,
    ) -> Result<Obtained, ObtainError> {
        let obtained = self.obtain_once(wanted, folder, lock)?;
        if matches!(wanted.source, ArtifactSource::File { .. }) {
            // A local build was hashed as it was taken.
            return Ok(obtained);
        }
        match self.look_at(&obtained) {
            Ok(()) => Ok(obtained),
            Err(CacheError::Damaged { .. }) if !self.offline => {
                self.obtain_once(wanted, folder, lock)
            }
            Err(source) => Err(ObtainError::Cache {
                what: format!("{} {}", wanted.service, wanted.name),
                source,
            }),
        }
    }

    /// Looks whether all blobs of an artifact are what they were; each that is not is moved aside.
    fn look_at(&self, obtained: &Obtained) -> Result<(), CacheError> {
        let mut looked = Ok(());
        for (digest, _) in obtained.blobs.iter().filter(|_| self.looking) {
            if let Err(error) = self.store.verify_one(digest) {
                looked = Err(error);
            }
        }
        looked
    }

    fn obtain_once(
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
}
