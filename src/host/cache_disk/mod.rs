//! Cache disks: volumes that hold artifacts for many guests, made once, written from the store.

/// An image as a stream, made of the store's files.
mod stream;
/// Cache disks that nobody uses any more.
mod unused;

use trustnet_core::artifact::ArtifactSet;
use trustnet_core::cache_disk::{self, Standing, Stretch};
use trustnet_core::iso::{Layout, SECTOR};

use crate::cache::error::CacheError;
use crate::cache::store::Store;
use crate::doors::{Hypervisor, VolumeRef};
use crate::error::{BackendError, HostError};
use stream::Image;
pub use unused::{UnusedVolume, unused_cache_volumes};

/// How far the volume of a set has come; none where there is none.
///
/// # Errors
/// The hypervisor refuses to tell.
pub fn standing(
    hypervisor: &dyn Hypervisor,
    pool: &str,
    set: &ArtifactSet,
) -> Result<Option<Standing>, HostError> {
    let name = cache_disk::volume_name(set);
    match cache_disk::lay_out(set) {
        Ok(layout) => standing_of(hypervisor, VolumeRef::Named(pool, &name), &layout),
        // No volume holds what cannot be laid out; the plan says so.
        Err(_) => Ok(None),
    }
}

fn standing_of(
    hypervisor: &dyn Hypervisor,
    volume: VolumeRef<'_>,
    layout: &Layout,
) -> Result<Option<Standing>, HostError> {
    let volumes = hypervisor.volumes();
    let Some(facts) = volumes.find(volume)? else {
        return Ok(None);
    };
    let head = volumes.read(volume, layout.head.len() as u64)?;
    Ok(Some(cache_disk::standing(layout, facts.capacity, &head)))
}

/// A cache disk that is to be there.
pub struct Wanted<'a> {
    /// The pool.
    pub pool: &'a str,
    /// The volume's name.
    pub volume: &'a str,
    /// The volume's XML, for the case that it is missing.
    pub xml: &'a str,
    /// What it holds.
    pub artifacts: &'a ArtifactSet,
}

/// Makes sure that a cache disk is there, whole. Every artifact is verified before it is written. Where
/// writing fails, the volume goes again; what `kill -9` leaves is no whole disk, and is written anew. To be
/// called under the planning lock.
///
/// # Errors
/// An artifact is missing or damaged, the volume is something else, or it cannot be written.
pub fn ensure(
    hypervisor: &dyn Hypervisor,
    store: &Store,
    wanted: &Wanted<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<(), HostError> {
    let volume = VolumeRef::Named(wanted.pool, wanted.volume);
    let refused = |why: String| HostError::Storage {
        doing: format!("write the cache disk to {volume}"),
        source: BackendError::other(why),
    };
    let layout =
        cache_disk::lay_out(wanted.artifacts).map_err(|error| refused(error.to_string()))?;
    let standing = standing_of(hypervisor, volume, &layout)?;
    match standing {
        Some(Standing::Complete) => return Ok(()),
        Some(Standing::Foreign) => {
            return Err(refused("it is there, and is no cache disk".to_owned()));
        }
        Some(Standing::Begun) | None => {}
    }
    let image = Image::verified(store, wanted.artifacts, &layout, stop)?;
    let volumes = hypervisor.volumes();
    if standing.is_none() {
        volumes.create(wanted.pool, wanted.xml)?;
    }
    let written = write(hypervisor, volume, &layout, &image);
    if written.is_err() {
        // What takes room and is of no use goes; the first error counts.
        let _ = volumes.delete(volume);
    }
    written
}

fn write(
    hypervisor: &dyn Hypervisor,
    volume: VolumeRef<'_>,
    layout: &Layout,
    image: &Image<'_>,
) -> Result<(), HostError> {
    for stretch in cache_disk::stretches() {
        let (start, end) = match stretch {
            Stretch::Head(range) => (range.start as u64, range.end as u64),
            Stretch::Rest(start) => (start as u64, layout.size),
        };
        moment(&format!("cache-disk:{}", start / SECTOR as u64));
        let mut bytes = image.from(start);
        hypervisor
            .volumes()
            .write_from(volume, start, &mut bytes, end - start)?;
    }
    moment("cache-disk:whole");
    Ok(())
}

impl From<CacheError> for HostError {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Host(error) => error,
            error => Self::Artifact(Box::new(error)),
        }
    }
}

/// A moment at which tests end the process.
#[cfg(feature = "fake")]
fn moment(name: &str) {
    crate::fake::at(name);
}

#[cfg(not(feature = "fake"))]
fn moment(_name: &str) {}

#[cfg(all(test, feature = "fake"))]
mod tests;
