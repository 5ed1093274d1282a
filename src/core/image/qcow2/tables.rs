//! Where a header says that tables are.

use super::super::fields::Fields;
use super::{Fault, Table};

/// The entries of an L1 table are as long as addresses.
const L1_ENTRY: u64 = 8;
/// QEMU's limit of an L1 table in bytes.
const LARGEST_L1: u64 = 32 << 20;
/// QEMU's limit of a table of reference counts in bytes.
const LARGEST_REFCOUNT_TABLE: u64 = 8 << 20;
/// QEMU's limit of snapshots.
const MOST_SNAPSHOTS: u64 = 65_536;
/// The fixed part of a snapshot's entry in bytes.
const SNAPSHOT_ENTRY: u64 = 40;

/// What bounds tables.
pub(super) struct Layout {
    pub(super) cluster_size: u64,
    pub(super) file_length: Option<u64>,
}

impl Layout {
    /// The tables are behind the header, at the beginning of clusters, begin within the file, do not overlap, and
    /// are large enough for the disk.
    pub(super) fn check(
        &self,
        fields: Fields<'_>,
        virtual_size: u64,
        extended_l2: bool,
    ) -> Result<(), Fault> {
        let be_u32 = |at| fields.be_u32(at).map(u64::from).ok_or(Fault::CutOff);
        let be_u64 = |at| fields.be_u64(at).ok_or(Fault::CutOff);

        let l1_entries = be_u32(36)?;
        let entry = if extended_l2 { 16 } else { 8 };
        let described = self.cluster_size * (self.cluster_size / entry);
        if virtual_size == 0 || virtual_size.div_ceil(described) > LARGEST_L1 / L1_ENTRY {
            return Err(Fault::VirtualSize(virtual_size));
        }
        let too_few = l1_entries < virtual_size.div_ceil(described);
        let l1 = self.place(be_u64(40)?, l1_entries * L1_ENTRY, LARGEST_L1);
        let l1 = l1.filter(|_| !too_few).ok_or(Fault::Table(Table::L1))?;

        let clusters = be_u32(56)?;
        let length = clusters * self.cluster_size;
        let refcounts = self.place(be_u64(48)?, length, LARGEST_REFCOUNT_TABLE);
        let refcounts = refcounts
            .filter(|_| clusters > 0)
            .ok_or(Fault::Table(Table::Refcounts))?;
        if l1.start < refcounts.end && refcounts.start < l1.end {
            return Err(Fault::Table(Table::L1));
        }

        let (snapshots, offset) = (be_u32(60)?, be_u64(64)?);
        let largest = MOST_SNAPSHOTS * SNAPSHOT_ENTRY;
        let fits = if snapshots == 0 {
            // There is no table, and yet its place is checked by QEMU.
            offset.is_multiple_of(self.cluster_size) && i64::try_from(offset).is_ok()
        } else {
            self.place(offset, snapshots * SNAPSHOT_ENTRY, largest)
                .is_some()
        };
        if !fits {
            return Err(Fault::Table(Table::Snapshots));
        }
        Ok(())
    }

    /// Where a table of this length is, if it can be there.
    pub(super) fn place(
        &self,
        offset: u64,
        length: u64,
        largest: u64,
    ) -> Option<std::ops::Range<u64>> {
        let aligned = offset >= self.cluster_size && offset.is_multiple_of(self.cluster_size);
        let begins = self.file_length.is_none_or(|file| offset < file);
        let end = offset
            .checked_add(length)
            .filter(|end| *end <= i64::MAX as u64)?;
        (aligned && begins && length <= largest).then_some(offset..end)
    }
}
