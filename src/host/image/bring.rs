//! Bringing an image: from where it is to a volume that is whole, bootable and recorded.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use trustnet_core::artifact::{Checksum, Digest, Verified, VerifiedBy};
use trustnet_core::image::qcow2::Compression;
use trustnet_core::image::record::{Arrival, ImageRecord, Stamp};
use trustnet_core::image::{self, ImageContent, Packing, Unfit};
use trustnet_core::observed::PoolFacts;
use trustnet_core::units::bytes;
use trustnet_core::xml::VolumeXml;

use super::convert::{self, ConvertError};
use super::look::Look;
use super::place::{self, Keep, Place};
use super::pull::{self, Wanted};
use super::records::Records;
use super::standing::{self, inode};
use super::stray;
use super::unpack::{self, Bounds, Packed, UnpackError};
use crate::cache::download::{Fetch, Watch};
use crate::cache::error::CacheError;
use crate::cache::store::disk::{checksum_of, hash};
use crate::cache::store::{moment, now};
use crate::doors::{Hypervisor, VolumeRef};
use crate::error::HostError;
use crate::lock::Lock;
use crate::paths::private_dir;

/// The longest image that is unpacked, in bytes, holes and all: what ext4 takes for a file.
const LONGEST: u64 = 16 << 40;

/// Why an image was not brought.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// A file, a pool or a volume.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It was not to be had, or is not what it should be.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// It is no image that a guest starts from.
    #[error("`{file}` {why}")]
    Unfit {
        /// Which file, or URL.
        file: String,
        /// Why.
        why: Unfit,
    },
    /// It cannot be unpacked.
    #[error("failed to unpack `{file}`")]
    Unpack {
        /// Which file, or URL.
        file: String,
        /// Why.
        source: UnpackError,
    },
    /// It cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// It does not have the checksum that it should have.
    #[error("`{file}` has {is}, and was to have {wanted}")]
    Checksum {
        /// The file.
        file: String,
        /// What it was to have.
        wanted: Checksum,
        /// What it has.
        is: Checksum,
    },
    /// Another volume has the name.
    #[error("there is an image `{pool}/{volume}` already, and it is another one: {why}")]
    Taken {
        /// The pool.
        pool: String,
        /// The volume.
        volume: String,
        /// What is known of it.
        why: String,
    },
    /// The pool has too little room.
    #[error("image `{volume}` needs {needed} in pool `{pool}`, which has {available} free")]
    Room {
        /// The pool.
        pool: String,
        /// The volume.
        volume: String,
        /// What the image takes.
        needed: String,
        /// What is free.
        available: String,
    },
    /// The user interrupted.
    #[error("interrupted: nothing of `{volume}` was left in the pool")]
    Stopped {
        /// The volume.
        volume: String,
    },
}

impl BringError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unfit {
                why: Unfit::Foreign(_),
                ..
            } => Some("give `--convert`: it becomes qcow2".to_owned()),
            Self::Unfit { why, .. } => Some(why.remedy()),
            Self::Checksum { .. } => {
                Some("the file is damaged, or another one: get it again".to_owned())
            }
            Self::Taken { pool, volume, .. } => Some(format!(
                "give this one another `--name`, or remove that one: `trustnet-vm image delete {volume} --pool {pool}`"
            )),
            Self::Room { .. } => Some(
                "`trustnet-vm image prune` frees what nothing uses; or take another `--pool`"
                    .to_owned(),
            ),
            Self::Cache(error) => error.hint().map(str::to_owned),
            Self::Unpack { .. } | Self::Convert(_) | Self::Host(_) | Self::Stopped { .. } => None,
        }
    }
}

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

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// It was brought.
    New(ImageRecord),
    /// It was there already.
    There(ImageRecord),
}

/// Where a file comes from, and what is known of it.
struct Origin {
    source: String,
    verified: Verified,
    /// The digest of the file's bytes, where it is known.
    sha256: Option<Digest>,
    /// How the file looks, where it is the user's.
    stamp: Option<Stamp>,
    keep: Keep,
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
        checksum: Option<Checksum>,
    ) -> Result<Brought, BringError> {
        let _lock = self.lock(ask)?;
        let mut origin = Origin {
            source: std::path::absolute(file)
                .unwrap_or_else(|_| file.to_owned())
                .display()
                .to_string(),
            verified: Verified::by(VerifiedBy::LocalFile),
            sha256: None,
            stamp: None,
            keep: Keep::Yes,
        };
        // A named pipe would wait for somebody who writes.
        let look = Look::at(file).map_err(HostError::file("read", file))?;
        let facts = look.file.metadata();
        let facts = facts.map_err(HostError::file("read", file))?;
        origin.stamp = Some(look_of(&facts));
        if let Some(wanted) = checksum {
            let is = checksum_of(file, &wanted).map_err(HostError::file("read", file))?;
            if is != wanted {
                return Err(BringError::Checksum {
                    file: file.display().to_string(),
                    wanted,
                    is,
                });
            }
            origin.verified = Verified::by(VerifiedBy::Pin);
            if let Checksum::Sha256(digest) = is {
                origin.sha256 = Some(digest);
            }
        }
        if let Some(volume) = self.find(ask)? {
            return self.same(ask, &volume, file, origin);
        }
        self.bring(ask, file, origin)
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
        if let Some(volume) = self.find(ask)? {
            return self.pulled(ask, &volume, wanted);
        }
        let arrived = pull::fetch(self.folder, from, wanted, self.watch)?;
        let origin = Origin {
            source: arrived.source.clone(),
            verified: arrived.verified.clone(),
            sha256: Some(arrived.sha256),
            stamp: None,
            keep: Keep::No,
        };
        let brought = self.bring(ask, &arrived.path, origin);
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

    /// The volume of that name, if it is there. What a killed run has left of a stream is removed: it lacks the head,
    /// which comes last, so that nobody can have started from it.
    fn find(&self, ask: Ask<'_>) -> Result<Option<VolumeXml>, BringError> {
        let volumes = self.hypervisor.volumes();
        let name = VolumeRef::Named(ask.pool, ask.volume);
        let mut found = volumes.find(name)?;
        if found.is_none() {
            // Somebody may have put a file there since libvirt last looked.
            self.hypervisor.pools().refresh(ask.pool)?;
            found = volumes.find(name)?;
        }
        let record = self.records.read(ask.pool, ask.volume)?;
        let begun = record.is_some_and(|record| record.arrival == Arrival::Begun);
        if found.is_some() && begun && is_empty(&volumes.read(name, place::HEAD)?) {
            volumes.delete(name)?;
            return Ok(None);
        }
        Ok(found)
    }

    /// What is known of a volume that is what it should be. Where its record says that it was begun, a run was killed
    /// between the last byte and the record: it is whole, and what that run has left besides goes.
    fn there(
        &self,
        ask: Ask<'_>,
        record: ImageRecord,
        volume: &VolumeXml,
    ) -> Result<Brought, BringError> {
        if record.arrival == Arrival::Whole {
            return Ok(Brought::There(record));
        }
        let record = ImageRecord {
            arrival: Arrival::Whole,
            stamp: Stamp::of(volume, inode(volume, self.local)),
            ..record
        };
        let (to, _) = self.place(ask)?;
        Scratch::of(&to, self.folder, || self.watch.stopped())?.remove();
        self.records.write(&record)?;
        Ok(Brought::There(record))
    }

    fn hash(&self, ask: Ask<'_>, volume: &VolumeXml) -> Result<Digest, BringError> {
        let name = VolumeRef::Named(ask.pool, ask.volume);
        let hypervisor = self.hypervisor;
        Ok(standing::hash(
            hypervisor, name, volume, self.local, self.watch,
        )?)
    }

    /// An import whose name is taken: by just what would come of this file, or by something else.
    fn same(
        &self,
        ask: Ask<'_>,
        volume: &VolumeXml,
        file: &Path,
        origin: Origin,
    ) -> Result<Brought, BringError> {
        let Some(record) = self.records.read(ask.pool, ask.volume)? else {
            return Err(taken(ask, volume, None));
        };
        let fits = ask.convert.is_none() || volume.format == "qcow2";
        // It was brought from this file, and the file has not been written to since.
        let known = fits && record.source == origin.source && record.original == origin.stamp;
        if known && record.fits(&Stamp::of(volume, inode(volume, self.local))) {
            return Ok(Brought::There(record));
        }
        let there = self.hash(ask, volume)?;
        if known && record.sha256 == Some(there) {
            return self.there(ask, record, volume);
        }
        let (to, pool) = self.place(ask)?;
        let scratch = Scratch::of(&to, self.folder, || self.watch.stopped())?;
        let made = self.made(ask, file, origin, &scratch, &pool);
        let here = made.and_then(|(file, _)| digest(&file));
        scratch.remove();
        if here? != there {
            return Err(taken(ask, volume, Some(&record)));
        }
        self.there(ask, record, volume)
    }

    /// A pull whose name is taken: by what came from there before, or by something else.
    fn pulled(
        &self,
        ask: Ask<'_>,
        volume: &VolumeXml,
        wanted: &Wanted,
    ) -> Result<Brought, BringError> {
        let record = self.records.read(ask.pool, ask.volume)?;
        let mut places = std::iter::once(&wanted.url).chain(&wanted.mirrors);
        match record {
            Some(record) if places.any(|url| *url == record.source) => {
                if record.arrival == Arrival::Begun
                    && record.sha256 != Some(self.hash(ask, volume)?)
                {
                    return Err(taken(ask, volume, Some(&record)));
                }
                if record.arrival == Arrival::Begun {
                    pull::forget(self.folder, wanted);
                }
                self.there(ask, record, volume)
            }
            record => Err(taken(ask, volume, record.as_ref())),
        }
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
    fn bring(&self, ask: Ask<'_>, file: &Path, origin: Origin) -> Result<Brought, BringError> {
        let (to, pool) = self.place(ask)?;
        let scratch = Scratch::of(&to, self.folder, || self.watch.stopped())?;
        let brought = self
            .made(ask, file, origin, &scratch, &pool)
            .and_then(|(made, origin)| self.put(ask, &to, &pool, &made, origin));
        scratch.remove();
        brought
    }

    /// The file that is to be the image: this one as it is, or what is made of it.
    fn made(
        &self,
        ask: Ask<'_>,
        file: &Path,
        origin: Origin,
        scratch: &Scratch,
        pool: &PoolFacts,
    ) -> Result<(PathBuf, Origin), BringError> {
        let mut file = file.to_owned();
        let mut look = Look::at(&file).map_err(HostError::file("read", &file))?;
        let mut changed = false;
        if let ImageContent::Packed(packing) = ImageContent::of(look.sample()) {
            self.unpack(look, packing, &origin, &scratch.unpacked, pool)?;
            file.clone_from(&scratch.unpacked);
            look = Look::at(&file).map_err(HostError::file("read", &file))?;
            changed = true;
        }
        if let Some(convert) = ask.convert {
            let is_qcow2 = matches!(ImageContent::of(look.sample()), ImageContent::Qcow2(_));
            if !is_qcow2 || convert == Convert::Compressed {
                let compression = (convert == Convert::Compressed).then_some(Compression::Zstd);
                convert::to_qcow2(&file, &scratch.converted, compression, self.watch)?;
                moment("image:converted");
                file.clone_from(&scratch.converted);
                changed = true;
            }
        }
        if !changed {
            return Ok((file, origin));
        }
        // Of an import nobody has seen the bytes, nor need anybody; a pull says what they are, and so does what never
        // becomes the same bytes again.
        let sha256 = match (origin.keep, ask.convert) {
            (Keep::Yes, None | Some(Convert::Plain)) => None,
            _ => Some(digest(&file)?),
        };
        let keep = Keep::No;
        let origin = Origin {
            sha256,
            keep,
            ..origin
        };
        Ok((file, origin))
    }

    fn unpack(
        &self,
        mut look: Look,
        packing: Packing,
        origin: &Origin,
        to: &Path,
        pool: &PoolFacts,
    ) -> Result<(), BringError> {
        let out = place::own(to).map_err(HostError::file("create", to))?;
        let bounds = Bounds {
            length: LONGEST,
            data: pool.available,
        };
        let packed = Packed {
            bytes: &mut look.file,
            packing,
            length: Some(look.length),
        };
        unpack::unpack(packed, &out, bounds, self.watch).map_err(|source| BringError::Unpack {
            file: origin.source.clone(),
            source,
        })?;
        moment("image:unpacked");
        Ok(())
    }

    /// Puts an image into the pool, and records it.
    fn put(
        &self,
        ask: Ask<'_>,
        to: &Place<'_>,
        pool: &PoolFacts,
        file: &Path,
        origin: Origin,
    ) -> Result<Brought, BringError> {
        judge(ask, file, &origin.source)?;
        check_room(ask, pool, file)?;
        let mut record = ImageRecord {
            pool: ask.pool.to_owned(),
            volume: ask.volume.to_owned(),
            arrival: Arrival::Begun,
            source: origin.source,
            verified: origin.verified,
            sha256: origin.sha256,
            stamp: Stamp::default(),
            original: origin.stamp,
            default_user: ask.default_user.map(str::to_owned),
            when: now(),
        };
        let volumes = self.hypervisor.volumes();
        let name = VolumeRef::Named(ask.pool, ask.volume);
        // From here on what is in the pool under this name is ours, however far it comes.
        self.records.write(&record)?;
        moment("image:begun");
        if let Err(error) = place::place(to, file, origin.keep, self.watch) {
            if matches!(volumes.find(name), Ok(None)) {
                self.records.remove(ask.pool, ask.volume)?;
            }
            return Err(if self.watch.stopped() {
                BringError::Stopped {
                    volume: ask.volume.to_owned(),
                }
            } else {
                error.into()
            });
        }
        moment("image:placed");
        let placed = volumes.find(name)?.unwrap_or_default();
        record.arrival = Arrival::Whole;
        record.stamp = Stamp::of(&placed, inode(&placed, self.local));
        self.records.write(&record)?;
        Ok(Brought::New(record))
    }
}

/// The files in which an image is made on its way.
struct Scratch {
    unpacked: PathBuf,
    converted: PathBuf,
    _lock: Option<Lock>,
}

impl Scratch {
    /// In the pool's own folder, where there is one: what is made there need not be copied again. Else below the folder
    /// of the downloads, where images of other hypervisors have the same names.
    fn of(to: &Place<'_>, folder: &Path, stop: impl Fn() -> bool) -> Result<Self, BringError> {
        let folder = stray::made(folder);
        let key = Digest::of(format!("{}/{}", to.pool, to.volume).as_bytes()).to_string();
        let mut lock = None;
        if to.folder.is_none() {
            private_dir(&folder)?;
            lock = Lock::take_unless(&stray::lock_of(&folder, &key), stop)?;
            if lock.is_none() {
                return Err(BringError::Stopped {
                    volume: to.volume.to_owned(),
                });
            }
        }
        let elsewhere = |what: &str| folder.join(format!("{key}.{what}"));
        Ok(Self {
            unpacked: to.part().unwrap_or_else(|| elsewhere("unpacked")),
            converted: to.made().unwrap_or_else(|| elsewhere("converted")),
            _lock: lock,
        })
    }

    /// Removes them, and lets somebody else make them.
    fn remove(self) {
        for path in [&self.unpacked, &self.converted] {
            place::give_up(path);
        }
        // What qemu-img was at when it was killed.
        let mut part = self.converted.clone().into_os_string();
        part.push(".part");
        place::give_up(Path::new(&part));
    }
}

/// Refuses what no guest starts from.
fn judge(ask: Ask<'_>, file: &Path, source: &str) -> Result<(), BringError> {
    let look = Look::at(file).map_err(HostError::file("read", file))?;
    let judged = image::check(look.sample(), ask.volume);
    judged.map(drop).map_err(|why| BringError::Unfit {
        file: source.to_owned(),
        why,
    })
}

/// Refuses what does not fit.
fn check_room(ask: Ask<'_>, pool: &PoolFacts, file: &Path) -> Result<(), BringError> {
    let facts = fs::metadata(file).map_err(HostError::file("read", file))?;
    let needed = facts.len().min(facts.blocks() * 512);
    // What is in the pool's own file system may need no more than it takes already.
    let shared = place::same_device(file, Path::new(&pool.xml.path));
    if shared || !pool.active || pool.available >= needed {
        return Ok(());
    }
    Err(BringError::Room {
        pool: ask.pool.to_owned(),
        volume: ask.volume.to_owned(),
        needed: bytes(needed),
        available: bytes(pool.available),
    })
}

fn digest(file: &Path) -> Result<Digest, BringError> {
    let read = File::open(file).and_then(hash);
    Ok(read.map_err(HostError::file("read", file))?.0)
}

/// How a file of the user's looks.
fn look_of(facts: &fs::Metadata) -> Stamp {
    Stamp {
        size: facts.len(),
        modified: Some(format!("{}.{:09}", facts.mtime(), facts.mtime_nsec())),
        inode: Some(facts.ino()),
    }
}

/// Whether nothing but zeros is in there.
fn is_empty(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn taken(ask: Ask<'_>, volume: &VolumeXml, record: Option<&ImageRecord>) -> BringError {
    BringError::Taken {
        pool: ask.pool.to_owned(),
        volume: volume.name.clone(),
        why: match record {
            Some(record) if record.arrival == Arrival::Begun => format!(
                "a run that brought it from {} was killed, and it is not whole",
                record.source
            ),
            Some(record) => format!("it came from {}", record.source),
            None => "somebody put it there by hand".to_owned(),
        },
    }
}

/// The folder for images on their way.
#[must_use]
pub fn folder(cache: &Path) -> PathBuf {
    cache.join("images")
}
