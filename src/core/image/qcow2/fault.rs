//! Why a header does not hold together.

use thiserror::Error;

/// Why a qcow2 header does not hold together, in the words of its specification.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The file, or what is read of it, ends before the header.
    #[error("its header is cut off")]
    CutOff,
    /// Version 1, or one that is not known yet.
    #[error("it is of version {0}, and only 2 and 3 are known")]
    Version(u32),
    /// Shorter than version 3's, longer than the first cluster, or no multiple of 8.
    #[error("its header has an impossible length of {0} bytes")]
    HeaderLength(u32),
    /// Out of 9 to 21, or under 14 with extended L2 entries.
    #[error("its clusters have an impossible size of 2^{0} bytes")]
    ClusterBits(u32),
    /// Over 6.
    #[error("its reference counts have an impossible width of 2^{0} bits")]
    RefcountOrder(u32),
    /// Nothing, or more than its tables can hold.
    #[error("its disk has an impossible size of {0} bytes")]
    VirtualSize(u64),
    /// Neither AES nor LUKS.
    #[error("it is encrypted by an unknown method, {0}")]
    Encryption(u32),
    /// Incompatible features that are not known here, by their names.
    #[error("it needs what is not known here: {0}")]
    Features(String),
    /// An unknown type, or one that the features contradict.
    #[error("it names a type of compression that is unknown or contradicts its features, {0}")]
    Compression(u8),
    /// A table is where it cannot be, or cannot be of that size.
    #[error("its {0} cannot be where the header says, or not of that size")]
    Table(Table),
    /// A header extension is cut off, twice there, of an impossible length, or not there although needed.
    #[error("its header extensions do not hold together")]
    Extension,
    /// Outside the first cluster, empty, or longer than 1023 bytes.
    #[error("the name of its backing image is not where it must be")]
    BackingName,
}

/// A table that the header points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// The active L1 table.
    L1,
    /// The table of reference counts.
    Refcounts,
    /// The snapshots.
    Snapshots,
    /// The directory of bitmaps.
    Bitmaps,
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::L1 => "L1 table",
            Self::Refcounts => "reference count table",
            Self::Snapshots => "snapshot table",
            Self::Bitmaps => "bitmap directory",
        })
    }
}

impl Fault {
    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Version(1) => "convert it: `qemu-img convert -f qcow -O qcow2 IMAGE CONVERTED`",
            Self::Version(_) | Self::Features(_) | Self::Compression(_) | Self::Encryption(_) => {
                "convert it with a QEMU that knows it: `qemu-img convert -O qcow2 IMAGE CONVERTED`"
            }
            _ => "copy or download it again, and look at it with `qemu-img check IMAGE`",
        }
    }
}
