//! VMware's disks: only what lies whole in one file may be given to qemu-img, since a descriptor can name any
//! file of the host (VMware, Virtual Disk Format 5.0).

use super::fields::Fields;

const SECTOR: u64 = 512;
/// Where QEMU looks for a parent's name, whatever the header says: the second sector, and 20 of them.
const PARENT: std::ops::Range<usize> = 512..512 + 20 * 512;

/// Why a VMDK is not converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VmdkFault {
    /// Text that says where the disk's pieces are.
    #[error("only names the files that hold the disk")]
    Descriptor,
    /// Something else than `monolithicSparse` and `streamOptimized`.
    #[error("is not of one piece")]
    Pieces,
    /// The changes to another disk.
    #[error("holds only the changes to another disk")]
    Parent,
    /// It is cut off, or not as the format says.
    #[error("has a header that does not hold together")]
    Header,
}

impl VmdkFault {
    /// What to do.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Header => "copy or download it again",
            Self::Descriptor | Self::Pieces | Self::Parent => {
                "make one file of it where it comes from: `qemu-img convert -O qcow2 IMAGE CONVERTED`"
            }
        }
    }
}

/// Whether all of the disk is in this file.
///
/// # Errors
/// It is elsewhere, or the header is not to be trusted.
pub(super) fn check(head: &[u8]) -> Result<(), VmdkFault> {
    let fields = Fields(head);
    if fields.is_at(0, b"COWD") {
        return Err(VmdkFault::Pieces);
    }
    if !fields.is_at(0, b"KDMV") {
        return Err(VmdkFault::Descriptor);
    }
    if head.get(PARENT).is_none() {
        return Err(VmdkFault::Header);
    }
    let number = |at| fields.le_u64(at).ok_or(VmdkFault::Header);
    let (version, capacity) = (fields.le_u32(4), number(12)?);
    if capacity == 0 {
        return Err(VmdkFault::Descriptor);
    }
    if !matches!(version, Some(1..=3)) {
        return Err(VmdkFault::Header);
    }
    let bytes = |sectors: u64| {
        let bytes = sectors.checked_mul(SECTOR).ok_or(VmdkFault::Header)?;
        usize::try_from(bytes).map_err(|_| VmdkFault::Header)
    };
    let embedded = fields.slice(bytes(number(28)?)?, bytes(number(36)?)?);
    descriptor(embedded.ok_or(VmdkFault::Header)?)?;
    let hint = b"parentFileNameHint";
    if head[PARENT].windows(hint.len()).any(|some| some == hint) {
        return Err(VmdkFault::Parent);
    }
    Ok(())
}

/// The embedded descriptor: one piece, which is this file whatever its name was, and no parent.
fn descriptor(text: &[u8]) -> Result<(), VmdkFault> {
    let end = text.iter().position(|byte| *byte == 0);
    let text = String::from_utf8_lossy(&text[..end.unwrap_or(text.len())]);
    let (mut whole, mut sparse, mut extents) = (false, true, 0);
    for line in text.lines().map(str::trim) {
        if let Some((key, value)) = line.split_once('=') {
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "createType" => whole = matches!(value, "monolithicSparse" | "streamOptimized"),
                "parentCID" if !value.eq_ignore_ascii_case("ffffffff") => {
                    return Err(VmdkFault::Parent);
                }
                _ => {}
            }
        } else if let Some("RW" | "RDONLY" | "NOACCESS") = line.split_whitespace().next() {
            extents += 1;
            sparse &= line.split_whitespace().nth(2) == Some("SPARSE");
        }
    }
    if whole && sparse && extents == 1 {
        Ok(())
    } else {
        Err(VmdkFault::Pieces)
    }
}
