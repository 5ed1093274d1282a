//! How the artifacts of a VM's services come into its guest.

use crate::artifact::ArtifactSet;
use crate::cache_disk::Standing;
use crate::units::bytes;
use crate::vm::CacheDisk;

/// From how many bytes on a disk is worth its volume where nobody asked for one.
const WORTH_A_DISK: u64 = 256 << 20;

/// How artifacts come into a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// On a read-only disk that guests share.
    Disk,
    /// Over the guest's SSH connection.
    Ssh,
}

/// What decides how artifacts come into a guest.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What the spec says of a cache disk.
    pub asked: Option<CacheDisk>,
    /// The artifacts.
    pub artifacts: &'a ArtifactSet,
    /// How many VMs of this run need the same artifacts, this one included.
    pub sharing: usize,
    /// The volume of these artifacts, where there is one.
    pub volume: Option<Standing>,
    /// Whether the pool has room for it, should it have to be made.
    pub room: bool,
}

/// The artifacts are more than the spec allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the artifacts of its services come to {} ({artifacts} bytes), and `cacheDisk.size` is {} ({limit} bytes)",
    bytes(*artifacts), bytes(*limit)
)]
pub struct TooLarge {
    /// Bytes of all artifacts.
    pub artifacts: u64,
    /// The most that the spec allows.
    pub limit: u64,
}

/// Decides: on a disk where the spec asks for one; without a word in the spec, where there is much to bring
/// to more than one guest, or the disk is there already.
///
/// # Errors
/// The artifacts are more than the spec allows.
pub fn delivery(circumstances: &Circumstances<'_>) -> Result<Delivery, TooLarge> {
    let Circumstances {
        asked,
        artifacts,
        sharing,
        volume,
        room,
    } = *circumstances;
    if artifacts.is_empty() {
        return Ok(Delivery::Ssh);
    }
    let size = artifacts.bytes();
    if let Some(asked) = asked {
        return match asked.limit.filter(|limit| *limit < size) {
            Some(limit) => Err(TooLarge {
                artifacts: size,
                limit,
            }),
            None => Ok(Delivery::Disk),
        };
    }
    let there = volume == Some(Standing::Complete);
    let could_be = room && volume != Some(Standing::Foreign);
    let pays = size > WORTH_A_DISK && (there || (sharing > 1 && could_be));
    Ok(if pays { Delivery::Disk } else { Delivery::Ssh })
}

#[cfg(test)]
mod tests {
    use super::Standing::{Begun, Complete, Foreign};
    use super::*;
    use crate::artifact::Digest;

    fn decided(
        asked: Option<Option<u64>>,
        size: u64,
        sharing: usize,
        volume: Option<Standing>,
        room: bool,
    ) -> Result<Delivery, TooLarge> {
        let sizes = [size].into_iter().filter(|size| *size > 0);
        let artifacts = ArtifactSet::new(sizes.map(|size| (Digest::of(b"a"), size)));
        delivery(&Circumstances {
            asked: asked.map(|limit| CacheDisk { limit }),
            artifacts: &artifacts,
            sharing,
            volume,
            room,
        })
    }

    #[test]
    fn a_disk_is_used_where_it_is_asked_for_or_pays() {
        const MUCH: u64 = WORTH_A_DISK + 1;
        let (disk, ssh) = (Ok(Delivery::Disk), Ok(Delivery::Ssh));
        let too_large = Err(TooLarge {
            artifacts: 11,
            limit: 10,
        });
        let asked = Some(None);
        let cases = [
            // asked for
            (asked, 1, 1, None, true, disk),
            (asked, 1, 1, None, false, disk),
            (asked, 0, 9, Some(Complete), true, ssh),
            (Some(Some(10)), 10, 1, None, true, disk),
            (Some(Some(10)), 11, 1, None, true, too_large),
            (Some(Some(10)), 11, 9, Some(Complete), true, too_large),
            // not a word of it
            (None, 0, 9, None, true, ssh),
            (None, MUCH, 1, None, true, ssh),
            (None, MUCH, 2, None, true, disk),
            (None, MUCH - 1, 2, None, true, ssh),
            (None, MUCH, 1, Some(Complete), true, disk),
            (None, MUCH, 1, Some(Complete), false, disk),
            (None, MUCH - 1, 1, Some(Complete), true, ssh),
            (None, MUCH, 1, Some(Begun), true, ssh),
            (None, MUCH, 2, Some(Begun), true, disk),
            (None, MUCH, 2, Some(Foreign), true, ssh),
            (None, MUCH, 2, None, false, ssh),
        ];
        for (asked, size, sharing, volume, room, expected) in cases {
            assert_eq!(
                decided(asked, size, sharing, volume, room),
                expected,
                "{asked:?}, {size} bytes, {sharing} VMs, {volume:?}, room: {room}"
            );
        }
    }

    #[test]
    fn a_set_that_is_too_large_is_refused_with_both_numbers() {
        let refused = decided(Some(Some(1 << 20)), (1 << 20) + 1, 1, None, true);
        assert_eq!(
            refused.expect_err("a refusal").to_string(),
            "the artifacts of its services come to 1 MiB (1048577 bytes), and `cacheDisk.size` is 1 MiB (1048576 bytes)"
        );
    }
}
