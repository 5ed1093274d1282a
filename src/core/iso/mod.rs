//! A small ISO 9660 image: one directory of files, with Rock Ridge and Joliet names.
//!
//! The same input gives the same bytes: every time stamp is fixed. Only what a seed needs is here; the
//! image mounts in Linux, and blkid, xorriso and isoinfo read it.

mod layout;
mod read;
#[cfg(test)]
mod tests;

use layout::{Record, Tree};

pub use read::find;

/// The size of a sector, the unit in which everything in the image is placed.
pub const SECTOR: usize = 2048;

/// The longest file name, in UTF-16 units: Joliet's own limit.
const MAX_NAME: usize = 64;
/// The longest volume id in Joliet, in UTF-16 units.
const MAX_VOLUME_ID: usize = 16;

/// Why an image cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsoError {
    /// A file name that Rock Ridge or Joliet cannot hold.
    #[error("file name `{}` cannot stand on an ISO image", .0.escape_debug())]
    Name(String),
    /// Two files of one name.
    #[error("two files are called `{0}`")]
    Duplicate(String),
    /// A volume id that is empty, too long or not plain.
    #[error("volume id `{}` is not 1 to 16 letters, digits, `_` or `-`", .0.escape_debug())]
    VolumeId(String),
    /// More than the format's 32-bit fields can say.
    #[error("the files are too large for an ISO image")]
    TooLarge,
}

/// Writes an image that holds `files` in its root directory, in the order of their names.
///
/// # Errors
/// Says which name or size the format cannot hold.
pub fn write(volume_id: &str, files: &[(&str, &[u8])]) -> Result<Vec<u8>, IsoError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if volume_id.is_empty() || volume_id.len() > MAX_VOLUME_ID || !volume_id.chars().all(plain) {
        return Err(IsoError::VolumeId(volume_id.to_owned()));
    }
    let mut files = files.to_vec();
    files.sort_unstable();
    for pair in files.windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(IsoError::Duplicate(pair[0].0.to_owned()));
        }
    }
    let records = files
        .iter()
        .enumerate()
        .map(|(index, (name, data))| Record::new(index, name, data.len()))
        .collect::<Result<Vec<_>, _>>()?;
    let tree = Tree::place(volume_id, records)?;
    let mut image = tree.headers();
    for (_, data) in files {
        image.extend_from_slice(data);
        image.resize(image.len().next_multiple_of(SECTOR), 0);
    }
    Ok(image)
}

/// Whether a name can stand in both name systems.
fn check_name(name: &str) -> Result<(), IsoError> {
    let units = name.encode_utf16().count();
    let bad = |c: char| c.is_control() || matches!(c, '*' | '/' | ':' | ';' | '?' | '\\');
    if name.is_empty()
        || name == "."
        || name == ".."
        || units > MAX_NAME
        || name.len() > 120
        || name.contains(bad)
    {
        return Err(IsoError::Name(name.to_owned()));
    }
    Ok(())
}
