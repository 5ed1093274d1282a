//! Packages from a Debian or Ubuntu archive: names resolved to everything they need, each index verified through
//! the archive's signature and each file through its index. Nothing of apt is needed on the host but gpgv.

use std::path::{Path, PathBuf};
use std::time::Duration;

use trustnet_core::artifact::Arch;
use trustnet_core::deb::{Index, Package, Pocket, Release, closure};

/// What goes wrong with an archive.
pub mod error;
/// Getting files from a mirror.
pub mod fetch;
mod indexes;
mod pool;
/// Signatures over `Release` files.
pub mod signature;
mod store;
#[cfg(test)]
mod tests;

pub use error::DebError;
pub use fetch::{Fetch, Mirror};

/// Mirrors that take the place of the release's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// For the release and its updates.
    pub archive: Option<String>,
    /// For security updates.
    pub security: Option<String>,
}

/// The archive of one release, for one architecture.
pub struct DebArchive<'a> {
    release: Release,
    architecture: Arch,
    mirrors: Mirrors,
    store: store::Store,
    fetch: &'a dyn Fetch,
    offline: bool,
    allow_expired: bool,
    fresh_for: Duration,
}

/// For how long an index is taken for the newest without asking its mirror.
const FRESH: Duration = Duration::from_secs(15 * 60);

impl<'a> DebArchive<'a> {
    /// The archive; its indexes are kept in this folder.
    pub fn new(
        release: &Release,
        architecture: Arch,
        mirrors: Mirrors,
        folder: impl Into<PathBuf>,
        fetch: &'a dyn Fetch,
    ) -> Self {
        Self {
            release: *release,
            architecture,
            mirrors,
            store: store::Store::new(folder.into()),
            fetch,
            offline: false,
            allow_expired: false,
            fresh_for: FRESH,
        }
    }

    /// Whether nothing is fetched: indexes are used as they were kept.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Whether an index may be used beyond the time for which it was signed, as of a release that is no longer
    /// kept.
    #[must_use]
    pub fn allow_expired(mut self, allow: bool) -> Self {
        self.allow_expired = allow;
        self
    }

    /// For how long an index is taken for the newest without asking its mirror.
    #[must_use]
    pub fn fresh_for(mut self, time: Duration) -> Self {
        self.fresh_for = time;
        self
    }

    /// Everything that these names need on a system of the release, dependencies first. Now is in seconds
    /// since 1970.
    ///
    /// # Errors
    /// An index cannot be had or is not good, or a name leads nowhere.
    pub fn closure(&self, names: &[&str], now: i64) -> Result<Vec<Package>, DebError> {
        let texts = self.indexes(now)?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let index = Index::new(self.architecture.as_str(), &texts)?;
        Ok(closure(&index, names)?)
    }

    /// Fetches a package into a file, which is there only once it is whole and what the index says.
    ///
    /// # Errors
    /// It cannot be had, or is something else.
    pub fn download(&self, package: &Package, into: &Path) -> Result<(), DebError> {
        pool::download(self.fetch, &self.url(package), package, into)
    }

    /// Where a package is.
    #[must_use]
    pub fn url(&self, package: &Package) -> String {
        let pocket = package.origin / self.release.components.len().max(1);
        let mirror = self
            .release
            .pockets
            .get(pocket)
            .map_or_else(String::new, |pocket| self.mirror(pocket));
        format!("{mirror}/{}", package.filename)
    }

    /// The mirror of a pocket, without a slash at its end.
    fn mirror(&self, pocket: &Pocket) -> String {
        let given = if pocket.security {
            &self.mirrors.security
        } else {
            &self.mirrors.archive
        };
        let own = pocket.mirror_for(self.architecture.as_str());
        given
            .as_deref()
            .unwrap_or(own)
            .trim_end_matches('/')
            .to_owned()
    }
}
