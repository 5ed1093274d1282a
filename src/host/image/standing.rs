//! Whether images are still what they were, and who stands on them.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use trustnet_core::artifact::Digest;
use trustnet_core::image::record::{Arrival, ImageRecord, Stamp};
use trustnet_core::xml::VolumeXml;

use super::records::Records;
use super::sparse::{Piece, Pieces, SparseFile};
use crate::cache::download::{Progress, Watch};
use crate::doors::{Hypervisor, VolumeRef};
use crate::error::{BackendError, HostError};
use crate::hashing::Hashing;

/// How an image stands against its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is recorded of it: somebody put it there by hand.
    Unrecorded,
    /// A run was killed while it brought it.
    Begun,
    /// It is what it was: it looks as it did, or its bytes were read again.
    Good,
    /// It does not look as it did, and nobody knows which bytes it had.
    Unknown,
    /// Its bytes have changed.
    Changed {
        /// The digest that it had.
        was: Digest,
        /// The digest that it has.
        is: Digest,
    },
}

/// How much of an image is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// All of it, whatever it looks like.
    All,
    /// All of it where it does not look as it did; else nothing.
    WhereItLooksChanged,
}

/// How a volume looks: its file, where that is on this machine and can be seen, else what the hypervisor says of it.
#[must_use]
pub fn stamp(volume: &VolumeXml, local: bool) -> Stamp {
    let facts = local.then(|| fs::metadata(&volume.path).ok()).flatten();
    match facts.filter(fs::Metadata::is_file) {
        Some(facts) => look_of(&facts),
        None => Stamp::of(volume),
    }
}

/// How a file looks.
#[must_use]
pub fn look_of(facts: &fs::Metadata) -> Stamp {
    Stamp {
        size: facts.len(),
        modified: Some(format!("{}.{:09}", facts.mtime(), facts.mtime_nsec())),
        inode: Some(facts.ino()),
    }
}

/// Compares an image with its record, and brings the record up to date where the image is good.
///
/// # Errors
/// It cannot be read, or the record cannot be.
pub fn standing(
    hypervisor: &dyn Hypervisor,
    records: &Records,
    pool: &str,
    volume: &VolumeXml,
    local: bool,
    reading: Reading,
    watch: &dyn Watch,
) -> Result<(Standing, Option<ImageRecord>), HostError> {
    let Some(record) = records.read(pool, &volume.name)? else {
        return Ok((Standing::Unrecorded, None));
    };
    let stamp = stamp(volume, local);
    // Killed between its name and its record, it is the very file that was ready.
    let named = record.arrival == Arrival::Begun && stamp.inode.is_some() && record.stamp == stamp;
    if record.arrival != Arrival::Whole && !named {
        return Ok((Standing::Begun, Some(record)));
    }
    let before = record.clone();
    let record = ImageRecord {
        arrival: Arrival::Whole,
        ..record
    };
    let as_before = record.fits(&stamp);
    if as_before && reading == Reading::WhereItLooksChanged {
        return Ok((Standing::Good, Some(record)));
    }
    let name = VolumeRef::Named(pool, &volume.name);
    let is = hash(hypervisor, name, (volume, record.length), local, watch)?;
    let record = ImageRecord {
        sha256: Some(is),
        stamp,
        ..record
    };
    match before.sha256 {
        Some(was) if was != is => Ok((Standing::Changed { was, is }, Some(record))),
        None if !as_before => Ok((Standing::Unknown, Some(record))),
        // Either it is what it was, or nobody has read it before and it looks as it did.
        _ => {
            // It may have been deleted or brought anew while it was read.
            if records.read(pool, &volume.name)? == Some(before) {
                records.write(&record)?;
            }
            Ok((Standing::Good, Some(record)))
        }
    }
}

/// The digest of the first bytes of a volume, so many.
pub(super) fn hash(
    hypervisor: &dyn Hypervisor,
    name: VolumeRef<'_>,
    (volume, length): (&VolumeXml, u64),
    local: bool,
    watch: &dyn Watch,
) -> Result<Digest, HostError> {
    let mut hasher = Hasher {
        hashing: Hashing::new(false),
        done: 0,
        length,
        watch,
    };
    // Where the volume is larger than its image, the rest of it is nobody's; where it became longer, it has changed.
    let length = if volume.physical.max(volume.capacity) > length && is_device(volume, local) {
        length
    } else {
        u64::MAX
    };
    let file = local.then(|| File::open(&volume.path).ok()).flatten();
    match file {
        Some(file) => {
            pass(&file, length, &mut hasher).map_err(HostError::file("read", &volume.path))?;
        }
        None => {
            let length = length.min(volume.physical.max(volume.capacity));
            hypervisor.volumes().read_to(name, length, &mut hasher)?;
        }
    }
    Ok(Digest::from_bytes(hasher.hashing.sha256()))
}

/// Whether a volume is a block device, whose end is not its image's.
fn is_device(volume: &VolumeXml, local: bool) -> bool {
    let facts = local.then(|| fs::metadata(&volume.path).ok()).flatten();
    match facts {
        Some(facts) => facts.file_type().is_block_device(),
        // Of a file its hypervisor says when it was written to.
        None => volume.modified.is_none(),
    }
}

/// The digests of a file, SHA-512 among them where `both` are asked for.
pub(super) fn hash_file(file: &File, both: bool, watch: &dyn Watch) -> io::Result<Hashing> {
    let mut hasher = Hasher {
        hashing: Hashing::new(both),
        done: 0,
        length: file.metadata()?.len(),
        watch,
    };
    pass(file, u64::MAX, &mut hasher)?;
    Ok(hasher.hashing)
}

/// Passes a file on. Its holes are not read: that would take longer than hashing their zeros.
fn pass(mut file: &File, most: u64, to: &mut dyn Write) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    // Of a device the facts say no length.
    let length = file.seek(SeekFrom::End(0))?.min(most);
    let mut pieces = SparseFile::new(file, 0, length);
    while let Some(piece) = pieces.next()? {
        match piece {
            Piece::Data(bytes) => to.write_all(bytes)?,
            Piece::Hole(mut left) => {
                while left > 0 {
                    let now = left.min(ZEROS.len() as u64);
                    to.write_all(&ZEROS[..usize::try_from(now).unwrap_or(ZEROS.len())])?;
                    left -= now;
                }
            }
        }
    }
    Ok(())
}

struct Hasher<'a> {
    hashing: Hashing,
    done: u64,
    length: u64,
    watch: &'a dyn Watch,
}

impl Write for Hasher<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.watch.stopped() {
            return Err(io::Error::other("interrupted"));
        }
        self.hashing.add(bytes)?;
        self.done += bytes.len() as u64;
        self.watch.progress(Progress {
            received: self.done,
            total: Some(self.length),
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses an image that is not what it was, or not whole; one that came by hand is taken as it is.
///
/// # Errors
/// It is not what it was.
pub fn refuse_changed(name: VolumeRef<'_>, standing: &Standing) -> Result<(), HostError> {
    let why = match standing {
        Standing::Good | Standing::Unrecorded => return Ok(()),
        Standing::Begun => {
            "the run that brought it was killed before all of it was there".to_owned()
        }
        Standing::Unknown => "it was written to since it was imported".to_owned(),
        Standing::Changed { was, is } => {
            format!("its bytes have changed: they had sha256:{was} and have sha256:{is}")
        }
    };
    Err(HostError::storage(format!("use the image {name}"))(
        BackendError::other(why),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::pass;

    #[test]
    fn a_file_is_passed_on_whole_with_the_zeros_of_its_holes() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(3_000_001).expect("a length");
        for at in [0, 1_000_000, 2_000_000] {
            file.write_all_at(b"data", at).expect("written");
        }
        let mut whole = vec![0; 3_000_001];
        file.read_exact_at(&mut whole, 0).expect("read");
        let mut passed = Vec::new();
        pass(&file, u64::MAX, &mut passed).expect("passed on");
        assert!(passed == whole);
    }
}
