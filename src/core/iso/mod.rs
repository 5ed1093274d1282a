//! A small ISO 9660 image: one directory of files, with Rock Ridge and Joliet names.
//!
//! The same input gives the same bytes: every time stamp is fixed. Only what a seed and a cache disk need is
//! here; the image mounts in Linux, and blkid, xorriso and isoinfo read it. Of a large image only the head is
//! made, with where each file belongs behind it.

mod layout;
mod read;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use layout::{Record, Tree};

pub use read::find;

/// The size of a sector, the unit in which everything in the image is placed.
pub const SECTOR: usize = 2048;

/// The longest file name, in UTF-16 units: Joliet's own limit.
const MAX_NAME: usize = 64;
/// The longest volume id in Joliet, in UTF-16 units.
const MAX_VOLUME_ID: usize = 16;
/// The longest volume set id in Joliet, in UTF-16 units.
const MAX_VOLUME_SET: usize = 64;

/// Why an image cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsoError {
    /// A file name that Rock Ridge or Joliet cannot hold.
    #[error("file name `{}` cannot stand on an ISO image", .0.escape_debug())]
    Name(String),
    /// Two files of one name.
    #[error("two files are called `{0}`")]
    Duplicate(String),
    /// A file that does not stand where its name belongs.
    #[error("file `{0}` stands behind one whose name comes after it")]
    Order(String),
    /// A volume id that is empty, too long or not plain.
    #[error("volume id `{}` is not 1 to 16 letters, digits, `_` or `-`", .0.escape_debug())]
    VolumeId(String),
    /// More than the format's 32-bit fields can say.
    #[error("the files are too large for an ISO image")]
    TooLarge,
}

/// What an image is called, in the places that the format has for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// The volume id: 1 to 16 letters, digits, `_` or `-`.
    pub volume_id: String,
    /// The volume set id: at most 64 such characters, or none.
    pub volume_set: String,
    /// What stands before the descriptors, in sectors that no reader of the format looks at; at most one sector.
    pub system_area: String,
}

/// An image without the bytes of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The bytes before the files.
    pub head: Vec<u8>,
    /// Where each file begins, in the order in which the files were given. Behind each are zeros up to the
    /// next sector.
    pub offsets: Vec<u64>,
    /// The whole image's size, in whole sectors.
    pub size: u64,
}

/// Lays out an image that holds files of these names and sizes in its root directory. The files stand in the
/// order of their names, which is the order in which they are to be given.
///
/// # Errors
/// Says which name or size the format cannot hold.
pub fn lay_out(label: &Label, files: &[(&str, u64)]) -> Result<Layout, IsoError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let Label {
        volume_id,
        volume_set,
        system_area,
    } = label;
    if volume_id.is_empty() || volume_id.len() > MAX_VOLUME_ID || !volume_id.chars().all(plain) {
        return Err(IsoError::VolumeId(volume_id.clone()));
    }
    if volume_set.len() > MAX_VOLUME_SET || !volume_set.chars().all(plain) {
        return Err(IsoError::VolumeId(volume_set.clone()));
    }
    if system_area.len() > SECTOR {
        return Err(IsoError::TooLarge);
    }
    for pair in files.windows(2) {
        match pair[0].0.cmp(pair[1].0) {
            Ordering::Less => {}
            Ordering::Equal => return Err(IsoError::Duplicate(pair[0].0.to_owned())),
            Ordering::Greater => return Err(IsoError::Order(pair[1].0.to_owned())),
        }
    }
    let records = files
        .iter()
        .enumerate()
        .map(|(index, (name, size))| Record::new(index, name, *size))
        .collect::<Result<Vec<_>, _>>()?;
    let tree = Tree::place(label.clone(), records)?;
    Ok(Layout {
        head: tree.headers(),
        offsets: tree.offsets().collect(),
        size: tree.size(),
    })
}

/// Writes an image that holds `files` in its root directory, in the order of their names.
///
/// # Errors
/// Says which name or size the format cannot hold.
pub fn write(volume_id: &str, files: &[(&str, &[u8])]) -> Result<Vec<u8>, IsoError> {
    let mut files = files.to_vec();
    files.sort_unstable();
    let sizes: Vec<(&str, u64)> = files
        .iter()
        .map(|(name, data)| (*name, data.len() as u64))
        .collect();
    let label = Label {
        volume_id: volume_id.to_owned(),
        ..Label::default()
    };
    let mut image = lay_out(&label, &sizes)?.head;
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
