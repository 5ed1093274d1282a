//! Bringing an image: from where it is to a volume that is whole, bootable and recorded.

/// Why an image is not brought.
mod error;
/// What an image is made of on its way: unpacked, converted.
mod made;
/// Its name in the pool, and its record.
mod put;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use trustnet_core::artifact::{Checksum, Digest, Trust, Verified, VerifiedBy};
use trustnet_core::image::record::{Arrival, ImageRecord, Stamp};
use trustnet_core::observed::PoolFacts;
use trustnet_core::xml::VolumeXml;

use super::look::Look;
use super::place::{self, Place};
use super::pull::{self, Wanted};
use super::records::Records;
use super::standing::{self, Reading, look_of};
use crate::cache::download::{Fetch, Watch};
use crate::doors::{Hypervisor, VolumeRef};
use crate::error::HostError;
use crate::lock::Lock;

pub use error::BringError;
use made::{Scratch, form};

/// What is to be brought to where.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The pool; it is active.
    pub pool: &'a str,
    /// The name of the image's volume.
    pub volume: &'a str,
    /// The user that the image's makers log in as, where they say.
    pub default_user: Option<&'a str>,
    /// Whether it is to be qcow2 whatever it was; none where it stays what it is.
    pub convert: Option<Convert>,
}

/// How an image is converted to qcow2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convert {
    /// As it is read fastest. What is qcow2 already stays as it is.
    Plain,
    /// As small as it gets.
    Compressed,
}

/// Who vouches for a file of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouch<'a> {
    /// Nobody: it is the user's own.
    Nobody,
    /// Its checksum.
    Checksum(Checksum),
    /// It was built here, by the recipe of this name.
    Build(&'a str),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// It was brought.
    New(ImageRecord),
    /// It was there already.
    There(ImageRecord),
}

/// A file, where it comes from, and what is known of it.
struct Origin {
    file: PathBuf,
    /// Whether nobody but us has the file.
    ours: bool,
    source: String,
    verified: Verified,
    /// What it was held against.
    checksum: Option<Checksum>,
    /// The digest of the file's bytes, where it is known.
    sha256: Option<Digest>,
    /// How the file looks, where it is the user's.
    stamp: Option<Stamp>,
}

/// Brings images to one hypervisor.
pub struct Bringer<'a> {
    /// The hypervisor.
    pub hypervisor: &'a dyn Hypervisor,
    /// What is recorded of its images.
    pub records: &'a Records,
    /// Whether it is on this machine.
    pub local: bool,
    /// A folder of this machine for what is on its way.
    pub folder: &'a Path,
    /// Who watches.
    pub watch: &'a dyn Watch,
}

impl Bringer<'_> {
    /// Brings a file of this machine, which stays.
    ///
    /// # Errors
    /// It is no bootable image, does not have its checksum, or there is no room for it. Nothing is left then.
    pub fn import(
        &self,
        ask: Ask<'_>,
        file: &Path,
        vouch: Vouch<'_>,
    ) -> Result<Brought, BringError> {
        let _lock = self.lock(ask)?;
        let origin = self.user_file(ask, file, vouch)?;
        match self.find(ask)? {
            Some((volume, Some(record))) => self.same(ask, &volume, record, &origin),
            Some((volume, None)) => Err(taken(ask, &volume, BY_HAND.to_owned())),
            None => self.bring(ask, &origin),
        }
    }

    /// A file of the user's, held against its checksum.
    fn user_file(&self, ask: Ask<'_>, file: &Path, vouch: Vouch<'_>) -> Result<Origin, BringError> {
        let checksum = match vouch {
            Vouch::Checksum(checksum) => Some(checksum),
            Vouch::Nobody | Vouch::Build(_) => None,
        };
        let read = |error| HostError::file("read", file)(error);
        // A named pipe would wait for somebody who writes.
        let look = Look::at(file).map_err(read)?;
        let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let mut origin = Origin {
            file: file.to_owned(),
            ours: false,
            source: path.display().to_string(),
            verified: match vouch {
                Vouch::Build(recipe) => {
                    Verified::with(VerifiedBy::LocalBuild, format!("recipe {recipe}"))
                }
                Vouch::Nobody | Vouch::Checksum(_) => Verified::by(VerifiedBy::LocalFile),
            },
            checksum,
            sha256: None,
            stamp: Some(look_of(&look.file.metadata().map_err(read)?)),
        };
        let Some(wanted) = checksum else {
            return Ok(origin);
        };
        let both = matches!(wanted, Checksum::Sha512(_));
        let hashed = standing::hash_file(&look.file, both, self.watch).map_err(read);
        let hashed = self.unless_stopped(ask.volume, hashed)?;
        let sha256 = Digest::from_bytes(hashed.sha256());
        let is = match hashed.sha512() {
            Some(bytes) => Checksum::Sha512(bytes),
            None => Checksum::Sha256(sha256),
        };
        if is != wanted {
            return Err(BringError::Checksum {
                file: file.display().to_string(),
                wanted,
                is,
            });
        }
        origin.verified = Verified::by(VerifiedBy::Pin);
        origin.sha256 = Some(sha256);
        Ok(origin)
    }

    /// Pulls an image from its publisher. Of two that pull the same at once one does, and the other finds it.
    ///
    /// # Errors
    /// It is not to be had, is not what it should be, or there is no room for it. No volume is left then; what a
    /// download can go on with is.
    pub fn pull(
        &self,
        ask: Ask<'_>,
        from: &dyn Fetch,
        wanted: &Wanted,
    ) -> Result<Brought, BringError> {
        let _lock = self.lock(ask)?;
        if let Some((volume, record)) = self.find(ask)? {
            return self.pulled(ask, &volume, record, wanted);
        }
        let arrived = pull::fetch(self.folder, from, wanted, self.watch)?;
        let brought = self.bring(
            ask,
            &Origin {
                file: arrived.path.clone(),
                ours: true,
                source: arrived.source.clone(),
                verified: arrived.verified.clone(),
                checksum: arrived.checksum,
                sha256: Some(arrived.sha256),
                stamp: None,
            },
        );
        // Where it was not moved it was copied; where it is no image, nobody wants it again.
        match fs::remove_file(&arrived.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("`{}` is left: {error}", arrived.path.display());
            }
            _ => {}
        }
        brought
    }

    fn lock(&self, ask: Ask<'_>) -> Result<Lock, BringError> {
        let stop = || self.watch.stopped();
        let lock = self.records.lock(ask.pool, ask.volume, stop)?;
        lock.ok_or_else(|| BringError::Stopped {
            volume: ask.volume.to_owned(),
        })
    }

    /// The digest of a volume's bytes, as many as its image has.
    fn hash(&self, record: &ImageRecord, volume: &VolumeXml) -> Result<Digest, BringError> {
        let name = VolumeRef::Named(&record.pool, &record.volume);
        let (hypervisor, local) = (self.hypervisor, self.local);
        let hashed = standing::hash(hypervisor, name, (volume, record.length), local, self.watch);
        self.unless_stopped(&record.volume, hashed)
    }

    /// What was read, or why it was not: what fails once the user has had enough fails because of that.
    fn unless_stopped<T>(&self, name: &str, read: Result<T, HostError>) -> Result<T, BringError> {
        read.map_err(|error| match self.watch.stopped() {
            true => BringError::Unread {
                name: name.to_owned(),
            },
            false => error.into(),
        })
    }

    /// An import whose name is taken: by just what would come of this file, or by something else.
    fn same(
        &self,
        ask: Ask<'_>,
        volume: &VolumeXml,
        mut record: ImageRecord,
        origin: &Origin,
    ) -> Result<Brought, BringError> {
        // It was brought from this file in this form, and neither has been written to since.
        let known = record.form == form(ask)
            && record.source == origin.source
            && record.original == origin.stamp;
        let stamp = standing::stamp(volume, self.local);
        if known && record.fits(&stamp) {
            return Ok(Brought::There(record));
        }
        let there = self.hash(&record, volume)?;
        if !known || record.sha256 != Some(there) {
            let (to, pool) = self.place(ask)?;
            let scratch = Scratch::of(&to, self.folder, || self.watch.stopped())?;
            let made = self.made(ask, origin, &scratch, &pool);
            let here = made.and_then(|made| self.digest(&made.look.file, &origin.source));
            scratch.remove();
            if here? != there {
                return Err(taken(ask, volume, from(&record)));
            }
            origin.refuse_changed()?;
        }
        // Whatever it looked like in between: these are its bytes.
        record.arrival = Arrival::Whole;
        record.sha256 = Some(there);
        record.stamp = stamp;
        record.original.clone_from(&origin.stamp);
        self.records.write(&record)?;
        Ok(Brought::There(record))
    }

    /// A pull whose name is taken: by what came from there before, as it was, or by something else.
    fn pulled(
        &self,
        ask: Ask<'_>,
        volume: &VolumeXml,
        record: Option<ImageRecord>,
        wanted: &Wanted,
    ) -> Result<Brought, BringError> {
        let Some(record) = record else {
            return Err(taken(ask, volume, BY_HAND.to_owned()));
        };
        let mut places = std::iter::once(&wanted.url).chain(&wanted.mirrors);
        if !places.any(|url| *url == record.source) || record.arrival != Arrival::Whole {
            return Err(taken(ask, volume, from(&record)));
        }
        if record.form != form(ask) {
            let why = "it was not converted in the same way".to_owned();
            return Err(taken(ask, volume, why));
        }
        if let Some(why) = unvouched(&record, wanted) {
            return Err(taken(ask, volume, why));
        }
        let standing = standing::standing(
            self.hypervisor,
            self.records,
            ask.pool,
            volume,
            self.local,
            Reading::WhereItLooksChanged,
            self.watch,
        );
        let (standing, _) = self.unless_stopped(ask.volume, standing)?;
        standing::refuse_changed(VolumeRef::Named(ask.pool, ask.volume), &standing)?;
        // What a run that was killed behind its last byte has left of the download.
        pull::forget(self.folder, wanted);
        Ok(Brought::There(record))
    }

    /// Where an image is to be, and what is known of its pool.
    fn place<'b>(&'b self, ask: Ask<'b>) -> Result<(Place<'b>, PoolFacts), BringError> {
        let pool = self.hypervisor.pools().find(ask.pool)?.unwrap_or_default();
        let to = Place {
            hypervisor: self.hypervisor,
            pool: ask.pool,
            volume: ask.volume,
            folder: self
                .local
                .then(|| place::writable_folder(&pool.xml.kind, &pool.xml.path))
                .flatten(),
        };
        Ok((to, pool))
    }

    /// Makes an image of a file, and puts it into the pool.
    fn bring(&self, ask: Ask<'_>, origin: &Origin) -> Result<Brought, BringError> {
        let (to, pool) = self.place(ask)?;
        let scratch = Scratch::of(&to, self.folder, || self.watch.stopped())?;
        let brought = self
            .made(ask, origin, &scratch, &pool)
            .and_then(|made| self.put(ask, &to, &pool, &made, origin));
        scratch.remove();
        brought
    }
}

/// Why the record of an image does not vouch for it as is wanted now; none where it does.
fn unvouched(record: &ImageRecord, wanted: &Wanted) -> Option<String> {
    match &wanted.trust {
        None => None,
        Some(Trust::Pinned(sum)) => {
            let held = record.checksum.as_ref() == Some(&sum.to_string());
            (!held).then(|| match &record.checksum {
                Some(other) => format!("it was held against {other}"),
                None => "nobody vouched for it when it came".to_owned(),
            })
        }
        Some(Trust::Published { .. }) => (record.verified.by == VerifiedBy::Nobody)
            .then(|| "nobody vouched for it when it came".to_owned()),
    }
}

/// What is known of a volume without a record.
const BY_HAND: &str = "somebody put it there by hand";

/// What is known of a volume with one.
fn from(record: &ImageRecord) -> String {
    let source = &record.source;
    match record.arrival {
        Arrival::Whole => format!("it came from {source}"),
        Arrival::Begun | Arrival::Made => {
            format!("a run that brought it from {source} was killed, and it is not whole")
        }
    }
}

fn taken(ask: Ask<'_>, volume: &VolumeXml, why: String) -> BringError {
    BringError::Taken {
        pool: ask.pool.to_owned(),
        volume: volume.name.clone(),
        why,
    }
}

/// The folder for images on their way.
#[must_use]
pub fn folder(cache: &Path) -> PathBuf {
    cache.join("downloads")
}

#[cfg(test)]
mod tests;
