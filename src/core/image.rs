//! Disk images, judged by their first bytes.

/// The bytes at the beginning of an image that are enough to judge it.
pub const HEAD: u64 = 1024;

/// What an image's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageContent {
    /// qcow2 with this virtual size in bytes.
    Qcow2 {
        /// Size as the guest sees it.
        virtual_size: u64,
        /// Whether it depends on another file: a backing image, or one that holds its data. An image
        /// from a stranger could so name any file of the host, and show it to the guest.
        depends: bool,
    },
    /// qcow2 that is encrypted: nobody here has its key.
    Encrypted,
    /// A raw disk with a boot signature.
    Raw,
    /// Something known that no guest starts from as it is.
    Foreign(Foreign),
    /// Anything else.
    Unknown,
}

/// What is often taken for a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// VMware's.
    Vmdk,
    /// VirtualBox's.
    Vdi,
    /// Virtual PC's, of a size that grows. One of a fixed size is a raw disk with a note behind it.
    Vhd,
    /// Hyper-V's.
    Vhdx,
    /// Compressed by gzip.
    Gzip,
    /// Compressed by xz.
    Xz,
    /// Compressed by zstd.
    Zstd,
    /// Compressed by bzip2.
    Bzip2,
    /// What a server says instead of the file.
    WebPage,
}

/// Where each format has which bytes.
const SIGNS: [(usize, &[u8], Foreign); 9] = [
    (0, b"KDMV", Foreign::Vmdk),
    (0, b"# Disk DescriptorFile", Foreign::Vmdk),
    (64, &[0x7f, 0x10, 0xda, 0xbe], Foreign::Vdi),
    (0, b"conectix", Foreign::Vhd),
    (0, b"vhdxfile", Foreign::Vhdx),
    (0, &[0x1f, 0x8b], Foreign::Gzip),
    (0, &[0xfd, b'7', b'z', b'X', b'Z', 0], Foreign::Xz),
    (0, &[0x28, 0xb5, 0x2f, 0xfd], Foreign::Zstd),
    (0, b"BZh", Foreign::Bzip2),
];

impl Foreign {
    fn of(head: &[u8]) -> Option<Self> {
        let is_at = |at: usize, sign: &[u8]| head.get(at..at + sign.len()) == Some(sign);
        let found = SIGNS.iter().find(|(at, sign, _)| is_at(*at, sign));
        found.map(|(.., foreign)| *foreign).or_else(|| {
            let text = head.trim_ascii_start();
            let begins = |with: &str| {
                text.get(..with.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
            };
            (begins("<!doctype html") || begins("<html")).then_some(Self::WebPage)
        })
    }

    /// What it is, with its article.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vmdk => "a VMDK disk",
            Self::Vdi => "a VDI disk",
            Self::Vhd => "a VHD disk",
            Self::Vhdx => "a VHDX disk",
            Self::Gzip => "compressed by gzip",
            Self::Xz => "compressed by xz",
            Self::Zstd => "compressed by zstd",
            Self::Bzip2 => "compressed by bzip2",
            Self::WebPage => "a web page",
        }
    }

    /// What makes a disk image of it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Vmdk | Self::Vdi | Self::Vhd | Self::Vhdx => {
                "convert it: `qemu-img convert -O qcow2 IMAGE CONVERTED`"
            }
            Self::Gzip => "unpack it: `gzip -d IMAGE`",
            Self::Xz => "unpack it: `xz -d IMAGE`",
            Self::Zstd => "unpack it: `zstd -d IMAGE`",
            Self::Bzip2 => "unpack it: `bzip2 -d IMAGE`",
            Self::WebPage => "download it again, from an address that gives the file itself",
        }
    }
}

/// The incompatible feature "the data is in an external file".
const EXTERNAL_DATA: u64 = 1 << 2;

impl ImageContent {
    /// Judges an image by its first [`HEAD`] bytes, or by fewer where it ends before.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        if head.starts_with(b"QFI\xfb") {
            return qcow2(head).unwrap_or(Self::Unknown);
        }
        if let Some(foreign) = Foreign::of(head) {
            return Self::Foreign(foreign);
        }
        if head.get(510..512) == Some(&[0x55, 0xaa]) {
            Self::Raw
        } else {
            Self::Unknown
        }
    }
}

/// <https://www.qemu.org/docs/master/interop/qcow2.html>
fn qcow2(head: &[u8]) -> Option<ImageContent> {
    let number = |at: usize| Some(u64::from_be_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let version = u32::from_be_bytes(head.get(4..8)?.try_into().ok()?);
    let features = match version {
        2 => 0,
        3 => number(72)?,
        _ => return None,
    };
    if head.get(32..36)? != [0; 4] {
        return Some(ImageContent::Encrypted);
    }
    Some(ImageContent::Qcow2 {
        virtual_size: number(24)?,
        depends: number(8)? != 0 || features & EXTERNAL_DATA != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::{Foreign, ImageContent};

    /// A header of 104 bytes with a backing file's offset and incompatible features.
    fn header(version: u32, backing: u64, features: u64) -> Vec<u8> {
        let mut head = b"QFI\xfb".to_vec();
        head.extend(version.to_be_bytes());
        head.extend(backing.to_be_bytes());
        head.extend([0; 8]);
        head.extend((5u64 << 30).to_be_bytes());
        head.resize(72, 0);
        head.extend(features.to_be_bytes());
        head.resize(104, 0);
        head
    }

    #[test]
    fn an_image_that_depends_on_another_file_is_seen_as_such() {
        let qcow2 = |depends| ImageContent::Qcow2 {
            virtual_size: 5 << 30,
            depends,
        };
        for (head, content) in [
            (header(3, 0, 0), qcow2(false)),
            (header(2, 0, 0), qcow2(false)),
            (header(3, 0, 0b1_1001), qcow2(false)),
            (header(3, 0x200, 0), qcow2(true)),
            (header(2, 0x200, 0), qcow2(true)),
            (header(3, 0, 0b100), qcow2(true)),
            // The bytes of a version 2 header end where the features of version 3 begin.
            (header(2, 0, 0b100), qcow2(false)),
        ] {
            assert_eq!(ImageContent::of(&head), content, "{head:?}");
        }
    }

    #[test]
    fn an_image_that_is_encrypted_is_seen_as_such() {
        for (version, method) in [(2, 1), (3, 1), (3, 2)] {
            let mut head = header(version, 0, 0);
            head[35] = method;
            assert_eq!(ImageContent::of(&head), ImageContent::Encrypted);
        }
    }

    #[test]
    fn what_is_often_taken_for_an_image_is_called_by_its_name() {
        let mut virtual_box = b"<<< Oracle VM VirtualBox Disk Image >>>\n".to_vec();
        virtual_box.resize(64, 0);
        virtual_box.extend([0x7f, 0x10, 0xda, 0xbe]);
        for (head, foreign) in [
            (&b"KDMV\x01\0\0\0"[..], Foreign::Vmdk),
            (b"# Disk DescriptorFile\nversion=1\n", Foreign::Vmdk),
            (&virtual_box, Foreign::Vdi),
            (b"conectix\0\0\0\x02", Foreign::Vhd),
            (b"vhdxfile", Foreign::Vhdx),
            (b"\x1f\x8b\x08", Foreign::Gzip),
            (b"\xfd7zXZ\0\0\x04", Foreign::Xz),
            (b"\x28\xb5\x2f\xfd\x04", Foreign::Zstd),
            (b"BZh91AY&SY", Foreign::Bzip2),
            (
                b"<!DOCTYPE html><title>404 Not Found</title>",
                Foreign::WebPage,
            ),
            (b"\r\n <HTML lang=\"en\">", Foreign::WebPage),
        ] {
            assert_eq!(ImageContent::of(head), ImageContent::Foreign(foreign));
            // What is packed may well be bootable; what it is packed in is not.
            let mut whole = head.to_vec();
            whole.resize(512, 0);
            whole[510..].copy_from_slice(&[0x55, 0xaa]);
            assert_eq!(ImageContent::of(&whole), ImageContent::Foreign(foreign));
        }
    }

    #[test]
    fn what_is_no_image_is_unknown() {
        let mut boot_record = vec![0; 512];
        boot_record[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(ImageContent::of(&boot_record), ImageContent::Raw);
        let whole = header(3, 0, 0);
        for head in [
            &b""[..],
            b"QFI\xfb",
            &whole[..79],
            &header(1, 0, 0),
            &header(4, 0, 0),
            &[0; 1024],
            &boot_record[..511],
        ] {
            assert_eq!(ImageContent::of(head), ImageContent::Unknown, "{head:?}");
        }
    }
}
