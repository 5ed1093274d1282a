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
    /// Anything else.
    Unknown,
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
    use super::ImageContent;

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
            b"<!DOCTYPE html><title>404 Not Found</title>",
            &boot_record[..511],
        ] {
            assert_eq!(ImageContent::of(head), ImageContent::Unknown, "{head:?}");
        }
    }
}
