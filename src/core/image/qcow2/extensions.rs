//! The sections behind the header.

use super::super::fields::Fields;
use super::tables::Layout;
use super::{Fault, Table};

/// The types of extensions.
mod kind {
    pub(super) const END: u32 = 0;
    pub(super) const BACKING_FORMAT: u32 = 0xe279_2aca;
    pub(super) const FEATURE_NAMES: u32 = 0x6803_f857;
    pub(super) const BITMAPS: u32 = 0x2385_2875;
    pub(super) const ENCRYPTION: u32 = 0x0537_be77;
    pub(super) const DATA_FILE: u32 = 0x4441_5441;
}

/// The longest name of a format that QEMU takes, less one.
const LONGEST_FORMAT: usize = 15;
/// The limits of bitmaps in QEMU: how many, and the bytes of their directory.
const MOST_BITMAPS: u32 = 65_535;
const LARGEST_DIRECTORY: u64 = MOST_BITMAPS as u64 * 1024;
/// A row of the feature name table in bytes: kind, bit, name.
const NAME_ROW: usize = 48;

/// What the sections say.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) backing_format: Option<String>,
    pub(super) data_file: Option<String>,
    /// How many bitmaps there are.
    pub(super) bitmaps: u32,
    /// Whether a header of the encryption is pointed to.
    pub(super) encryption: bool,
    names: Vec<u8>,
}

impl Extensions {
    /// Reads them, from the header's end to the name of the backing image or the end of the first cluster.
    pub(super) fn read(
        fields: Fields<'_>,
        header_length: u32,
        cluster_size: u64,
        backing_offset: u64,
    ) -> Result<Self, Fault> {
        let end = match backing_offset {
            0 => cluster_size,
            offset if offset > cluster_size => return Err(Fault::BackingName),
            offset => offset,
        };
        let end = usize::try_from(end).map_err(|_| Fault::CutOff)?;
        let mut extensions = Self::default();
        let mut seen = Vec::new();
        let mut at = header_length as usize;
        while at < end {
            let kind = fields.be_u32(at).ok_or(Fault::CutOff)?;
            let length = fields.be_u32(at + 4).ok_or(Fault::CutOff)? as usize;
            at += 8;
            if at > end || length > end - at {
                return Err(Fault::Extension);
            }
            if kind == kind::END {
                break;
            }
            let data = fields.slice(at, length).ok_or(Fault::CutOff)?;
            if extensions.take(kind, data, cluster_size)? {
                if seen.contains(&kind) {
                    return Err(Fault::Extension);
                }
                seen.push(kind);
            }
            at += length.next_multiple_of(8);
        }
        Ok(extensions)
    }

    /// Takes one in; whether it is of a known type.
    fn take(&mut self, kind: u32, data: &[u8], cluster_size: u64) -> Result<bool, Fault> {
        let text = || Some(String::from_utf8_lossy(data).into_owned());
        match kind {
            kind::BACKING_FORMAT if data.len() <= LONGEST_FORMAT => self.backing_format = text(),
            kind::BACKING_FORMAT => return Err(Fault::Extension),
            kind::DATA_FILE => self.data_file = text(),
            kind::FEATURE_NAMES => data.clone_into(&mut self.names),
            kind::ENCRYPTION => {
                let offset = Fields(data).be_u64(0);
                let aligned = offset.is_some_and(|offset| offset.is_multiple_of(cluster_size));
                if data.len() != 16 || !aligned {
                    return Err(Fault::Extension);
                }
                self.encryption = true;
            }
            kind::BITMAPS => self.bitmaps = bitmaps(data, cluster_size)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The names of the incompatible features that are set in `bits`, or their numbers.
    pub(super) fn feature_names(&self, bits: u64) -> String {
        let rows = || self.names.chunks_exact(NAME_ROW);
        let name = |bit: u32| {
            let row = rows().find(|row| row[0] == 0 && u32::from(row[1]) == bit);
            let name = row.map(|row| String::from_utf8_lossy(&row[2..]).into_owned());
            let name = name.map(|name| name.trim_end_matches('\0').escape_debug().to_string());
            name.filter(|name| !name.is_empty())
                .unwrap_or_else(|| format!("incompatible feature {bit}"))
        };
        let set = (0..u64::BITS).filter(|bit| bits >> bit & 1 == 1);
        set.map(name).collect::<Vec<_>>().join(", ")
    }
}

/// How many bitmaps there are, if that and their directory can be.
fn bitmaps(data: &[u8], cluster_size: u64) -> Result<u32, Fault> {
    let fields = Fields(data);
    let count = fields.be_u32(0).ok_or(Fault::Extension)?;
    let reserved = fields.be_u32(4).ok_or(Fault::Extension)?;
    let length = fields.be_u64(8).ok_or(Fault::Extension)?;
    let offset = fields.be_u64(16).ok_or(Fault::Extension)?;
    if data.len() != 24 || reserved != 0 || !(1..=MOST_BITMAPS).contains(&count) {
        return Err(Fault::Extension);
    }
    let layout = Layout {
        cluster_size,
        file_length: None,
    };
    layout
        .place(offset, length, LARGEST_DIRECTORY)
        .map(|_| count)
        .ok_or(Fault::Table(Table::Bitmaps))
}
