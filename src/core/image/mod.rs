//! Disk images, judged by their bytes: what they are, and whether a guest may start from them.

/// Whether a guest may start from an image, and what qemu-img may be given.
mod bootable;
/// Where publishers have images, and what vouches for them.
pub mod catalogue;
/// Numbers in binary headers.
mod fields;
/// What is often taken for a disk image.
mod foreign;
/// qcow2 headers.
pub mod qcow2;
/// What is recorded of an image that this program brought into a pool.
pub mod record;
/// Who stands on an image.
pub mod usage;
/// VMware's disks.
mod vmdk;

pub use bootable::{Bootable, SourceFormat, Unfit, check, source_format};
pub use foreign::{Foreign, Packing};
pub use vmdk::VmdkFault;

use fields::Fields;

/// The bytes at the beginning of an image that are enough to judge it: a qcow2 header with its extensions and
/// names, a VMDK's descriptor.
pub const HEAD: u64 = 64 << 10;
/// The bytes at the end of a file that tell a fixed VHD from a raw disk.
pub const TAIL: u64 = 512;

/// What is looked at of a file.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Its first [`HEAD`] bytes, or fewer where it ends before.
    pub head: &'a [u8],
    /// Its last [`TAIL`] bytes; empty where they are not known.
    pub tail: &'a [u8],
    /// Its length in bytes, where that is known.
    pub length: Option<u64>,
}

/// What an image's bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageContent {
    /// qcow2, and its header holds together.
    Qcow2(Box<qcow2::Header>),
    /// It begins as qcow2 does, and its header does not hold together.
    Damaged(qcow2::Fault),
    /// A raw disk with a boot signature.
    Raw(Partitions),
    /// A disk of another program.
    Foreign(Foreign),
    /// Something compressed.
    Packed(Packing),
    /// What a server says instead of the file.
    WebPage,
    /// Anything else.
    Unknown,
}

/// How a raw disk is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitions {
    /// By a master boot record.
    Mbr,
    /// By a GUID partition table behind a protective master boot record (UEFI 2.10, 5.2.3 and 5.3.2).
    Gpt,
}

impl<'a> Sample<'a> {
    /// Of a file of which only the beginning is known.
    #[must_use]
    pub fn head(head: &'a [u8]) -> Self {
        Self {
            head,
            tail: &[],
            length: None,
        }
    }
}

impl ImageContent {
    /// Judges a file by what is known of it.
    #[must_use]
    pub fn of(sample: Sample<'_>) -> Self {
        let Sample { head, tail, length } = sample;
        if head.starts_with(qcow2::MAGIC) {
            return match qcow2::Header::read(head, length) {
                Ok(header) => Self::Qcow2(Box::new(header)),
                Err(fault) => Self::Damaged(fault),
            };
        }
        if let Some(packing) = Packing::of(head) {
            return Self::Packed(packing);
        }
        if let Some(foreign) = Foreign::of(head, tail) {
            return Self::Foreign(foreign);
        }
        if foreign::is_web_page(head) {
            return Self::WebPage;
        }
        Partitions::of(head).map_or(Self::Unknown, Self::Raw)
    }
}

impl Partitions {
    /// Where the boot signature is.
    const SIGNATURE: usize = 510;
    /// Where the four partitions of a master boot record are, and how long each is.
    const TABLE: (usize, usize) = (446, 16);
    /// The type of the partition that keeps others off a GPT disk.
    const PROTECTIVE: u8 = 0xee;
    /// The sizes of a sector; the header is in the second sector.
    const SECTORS: [usize; 2] = [512, 4096];

    fn of(head: &[u8]) -> Option<Self> {
        let fields = Fields(head);
        if !fields.is_at(Self::SIGNATURE, &[0x55, 0xaa]) {
            return None;
        }
        let (table, entry) = Self::TABLE;
        let mut kinds = (0..4).map(|index| head.get(table + index * entry + 4).copied());
        let protected = kinds.any(|kind| kind == Some(Self::PROTECTIVE));
        let has_header = || {
            let mut sectors = Self::SECTORS.iter();
            sectors.any(|sector| fields.is_at(*sector, b"EFI PART"))
        };
        Some(if protected && has_header() {
            Self::Gpt
        } else {
            Self::Mbr
        })
    }
}

#[cfg(test)]
mod tests;
