//! qcow2 headers, versions 2 and 3: <https://www.qemu.org/docs/master/interop/qcow2.html>.

/// The sections behind the header.
mod extensions;
/// Why a header does not hold together.
mod fault;
/// Where a header says that tables are.
mod tables;

use super::fields::Fields;
use extensions::Extensions;
use tables::Layout;

pub use fault::{Fault, Table};

/// What every qcow2 file begins with.
pub const MAGIC: &[u8] = b"QFI\xfb";

/// What a header that holds together says. The tables are where it says, or the file is damaged: the header alone
/// does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version: 2 or 3.
    pub version: u32,
    /// The size of a cluster in bytes, from 512 bytes to 2 MiB.
    pub cluster_size: u64,
    /// The size of the disk as the guest sees it, in bytes.
    pub virtual_size: u64,
    /// The backing image, where the rest of the disk is.
    pub backing: Option<Backing>,
    /// Whether the disk's data is in another file.
    pub external_data: bool,
    /// The name of that file.
    pub data_file: Option<String>,
    /// How it is encrypted.
    pub encryption: Option<Encryption>,
    /// Whether it was not closed, so that its counts of references may be wrong.
    pub dirty: bool,
    /// Whether QEMU found that something in it is wrong.
    pub corrupt: bool,
    /// How its compressed clusters are compressed.
    pub compression: Compression,
    /// Whether clusters are allocated in parts.
    pub extended_l2: bool,
    /// Whether counts of references are written late.
    pub lazy_refcounts: bool,
    /// The width of a count of references in bits: 1 to 64.
    pub refcount_bits: u32,
    /// How many snapshots are in it.
    pub snapshots: u32,
    /// How many persistent bitmaps are in it.
    pub bitmaps: u32,
}

/// A backing image, as the header names it: a stranger's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// A path, from the image's own folder where it is relative, or anything else that QEMU can open.
    pub name: String,
    /// Its format, where that is said.
    pub format: Option<String>,
}

/// How an image is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// AES in CBC mode, which QEMU has given up.
    Aes,
    /// LUKS.
    Luks,
}

/// How clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Deflate, which QEMU calls zlib.
    Zlib,
    /// zstd.
    Zstd,
}

/// The incompatible features that are known.
mod feature {
    pub(super) const DIRTY: u64 = 1 << 0;
    pub(super) const CORRUPT: u64 = 1 << 1;
    pub(super) const EXTERNAL_DATA: u64 = 1 << 2;
    pub(super) const COMPRESSION: u64 = 1 << 3;
    pub(super) const EXTENDED_L2: u64 = 1 << 4;
    pub(super) const ALL: u64 = (1 << 5) - 1;
    /// Compatible: counts of references are written late.
    pub(super) const LAZY_REFCOUNTS: u64 = 1 << 0;
    /// Auto-clear: the bitmaps are consistent.
    pub(super) const BITMAPS: u64 = 1 << 0;
    /// Auto-clear: the external data is a raw disk.
    pub(super) const RAW_DATA: u64 = 1 << 1;
}

/// A header's version 3 part, or what stands for it in version 2.
struct Features {
    incompatible: u64,
    compatible: u64,
    auto_clear: u64,
    refcount_order: u32,
    length: u32,
}

impl Header {
    /// Reads and checks a header, with what follows it up to [`super::HEAD`]; with the length of the file where that
    /// is known.
    ///
    /// # Errors
    /// It does not hold together, or needs what is not known here.
    pub fn read(head: &[u8], file_length: Option<u64>) -> Result<Self, Fault> {
        let fields = Fields(head);
        let be_u32 = |at| fields.be_u32(at).ok_or(Fault::CutOff);
        let be_u64 = |at| fields.be_u64(at).ok_or(Fault::CutOff);

        let version = be_u32(4)?;
        let features = Features::read(fields, version)?;
        let cluster_bits = be_u32(20)?;
        if !(9..=21).contains(&cluster_bits) {
            return Err(Fault::ClusterBits(cluster_bits));
        }
        let cluster_size = 1 << cluster_bits;
        if u64::from(features.length) > cluster_size {
            return Err(Fault::HeaderLength(features.length));
        }
        let backing_offset = be_u64(8)?;
        let extensions = Extensions::read(fields, features.length, cluster_size, backing_offset)?;
        features.check(&extensions)?;
        let extended_l2 = features.needs(feature::EXTENDED_L2);
        if extended_l2 && cluster_bits < 14 {
            return Err(Fault::ClusterBits(cluster_bits));
        }

        let virtual_size = be_u64(24)?;
        Layout {
            cluster_size,
            file_length,
        }
        .check(fields, virtual_size, extended_l2)?;

        let encryption = match be_u32(32)? {
            0 => None,
            1 => Some(Encryption::Aes),
            2 => Some(Encryption::Luks),
            method => return Err(Fault::Encryption(method)),
        };
        if extensions.encryption != (encryption == Some(Encryption::Luks)) {
            return Err(Fault::Extension);
        }
        let backing = backing_name(fields, features.length, cluster_size)?;
        Ok(Self {
            version,
            cluster_size,
            virtual_size,
            backing: backing.map(|name| Backing {
                name,
                format: extensions.backing_format,
            }),
            external_data: features.needs(feature::EXTERNAL_DATA),
            data_file: extensions.data_file,
            encryption,
            dirty: features.needs(feature::DIRTY),
            corrupt: features.needs(feature::CORRUPT),
            compression: features.compression(fields)?,
            extended_l2,
            lazy_refcounts: features.compatible & feature::LAZY_REFCOUNTS != 0,
            refcount_bits: 1 << features.refcount_order,
            snapshots: be_u32(60)?,
            bitmaps: extensions.bitmaps,
        })
    }

    /// Whether all of the disk is in this file: no backing image, and no file with its data.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        self.backing.is_none() && !self.external_data && self.data_file.is_none()
    }
}

impl Backing {
    /// The path of the backing image of the image at `image`, where it is within `folder` as far as names tell: no
    /// protocol, no way up. Links are the host's to see through.
    #[must_use]
    pub fn within(&self, folder: &str, image: &str) -> Option<String> {
        let protocol = self
            .name
            .split('/')
            .next()
            .is_some_and(|first| first.contains(':'));
        if protocol || self.name.contains('\0') {
            return None;
        }
        let path = if self.name.starts_with('/') {
            self.name.clone()
        } else {
            format!("{}/{}", image.rsplit_once('/')?.0, self.name)
        };
        let inner = path.strip_prefix(folder.trim_end_matches('/'))?;
        let mut parts = inner.strip_prefix('/')?.split('/');
        let plain = parts.all(|part| !matches!(part, "" | "." | ".."));
        plain.then_some(path)
    }
}

impl Features {
    fn read(fields: Fields<'_>, version: u32) -> Result<Self, Fault> {
        let read = match version {
            2 => Some(Self {
                incompatible: 0,
                compatible: 0,
                auto_clear: 0,
                refcount_order: 4,
                length: 72,
            }),
            3 => Self::of_version_3(fields),
            _ => return Err(Fault::Version(version)),
        };
        let features = read.ok_or(Fault::CutOff)?;
        if version == 3 && (features.length < 104 || !features.length.is_multiple_of(8)) {
            return Err(Fault::HeaderLength(features.length));
        }
        if features.refcount_order > 6 {
            return Err(Fault::RefcountOrder(features.refcount_order));
        }
        Ok(features)
    }

    fn of_version_3(fields: Fields<'_>) -> Option<Self> {
        Some(Self {
            incompatible: fields.be_u64(72)?,
            compatible: fields.be_u64(80)?,
            auto_clear: fields.be_u64(88)?,
            refcount_order: fields.be_u32(96)?,
            length: fields.be_u32(100)?,
        })
    }

    fn needs(&self, feature: u64) -> bool {
        self.incompatible & feature != 0
    }

    /// Nothing is needed that is not known, and what belongs together is together.
    fn check(&self, extensions: &Extensions) -> Result<(), Fault> {
        let unknown = self.incompatible & !feature::ALL;
        if unknown != 0 {
            return Err(Fault::Features(extensions.feature_names(unknown)));
        }
        let raw_without_file =
            self.auto_clear & feature::RAW_DATA != 0 && !self.needs(feature::EXTERNAL_DATA);
        let bitmaps_missing = self.auto_clear & feature::BITMAPS != 0 && extensions.bitmaps == 0;
        if raw_without_file || bitmaps_missing {
            return Err(Fault::Extension);
        }
        Ok(())
    }

    /// The type of compression and the feature that says that there is one agree.
    fn compression(&self, fields: Fields<'_>) -> Result<Compression, Fault> {
        let kind = if self.length > 104 {
            *fields.0.get(104).ok_or(Fault::CutOff)?
        } else {
            0
        };
        match (kind, self.needs(feature::COMPRESSION)) {
            (0, false) => Ok(Compression::Zlib),
            (1, true) => Ok(Compression::Zstd),
            _ => Err(Fault::Compression(kind)),
        }
    }
}

/// The name of the backing image: behind the header, in the first cluster, and no longer than a path.
fn backing_name(
    fields: Fields<'_>,
    header_length: u32,
    cluster_size: u64,
) -> Result<Option<String>, Fault> {
    let offset = fields.be_u64(8).ok_or(Fault::CutOff)?;
    if offset == 0 {
        return Ok(None);
    }
    let length = fields.be_u32(16).ok_or(Fault::CutOff)?;
    let within = offset >= u64::from(header_length)
        && offset <= cluster_size
        && u64::from(length) <= cluster_size - offset;
    if !within || length == 0 || length > 1023 {
        return Err(Fault::BackingName);
    }
    let place = usize::try_from(offset).map_err(|_| Fault::BackingName)?;
    let name = fields.slice(place, length as usize).ok_or(Fault::CutOff)?;
    Ok(Some(String::from_utf8_lossy(name).into_owned()))
}
