//! What is often taken for a disk image that a guest starts from.

use super::fields::Fields;

/// A disk of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// VMware's.
    Vmdk,
    /// VirtualBox's.
    Vdi,
    /// Virtual PC's and Azure's: of a size that grows, or a raw disk with a footer behind it.
    Vhd,
    /// Hyper-V's.
    Vhdx,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// By gzip (RFC 1952).
    Gzip,
    /// By xz.
    Xz,
    /// By zstd (RFC 8878).
    Zstd,
    /// By bzip2.
    Bzip2,
}

/// Where each format has which bytes.
const SIGNS: [(usize, &[u8], Foreign); 6] = [
    (0, b"KDMV", Foreign::Vmdk),
    (0, b"COWD", Foreign::Vmdk),
    (0, b"# Disk DescriptorFile", Foreign::Vmdk),
    (64, &[0x7f, 0x10, 0xda, 0xbe], Foreign::Vdi),
    (0, VHD, Foreign::Vhd),
    (0, b"vhdxfile", Foreign::Vhdx),
];

/// How a VHD's footer begins; one of a growing size has a copy of it in front.
const VHD: &[u8] = b"conectix";

const PACKED: [(&[u8], Packing); 4] = [
    (&[0x1f, 0x8b], Packing::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Packing::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
    (b"BZh", Packing::Bzip2),
];

impl Foreign {
    pub(super) fn of(head: &[u8], tail: &[u8]) -> Option<Self> {
        let found = SIGNS
            .iter()
            .find(|(at, sign, _)| Fields(head).is_at(*at, sign));
        let footer = || tail.starts_with(VHD).then_some(Self::Vhd);
        found.map(|(.., foreign)| *foreign).or_else(footer)
    }

    /// What it is, with its article.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vmdk => "a VMDK disk",
            Self::Vdi => "a VDI disk",
            Self::Vhd => "a VHD disk",
            Self::Vhdx => "a VHDX disk",
        }
    }
}

impl Packing {
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let found = PACKED.iter().find(|(sign, _)| head.starts_with(sign));
        found.map(|(_, packing)| *packing)
    }

    /// The program that unpacks it.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }

    /// What the names of such files end in.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Xz => "xz",
            Self::Zstd => "zst",
            Self::Bzip2 => "bz2",
        }
    }
}

/// Whether it is what a server says instead of the file.
pub(super) fn is_web_page(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    let begins = |with: &str| {
        text.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    begins("<!doctype html") || begins("<html")
}
