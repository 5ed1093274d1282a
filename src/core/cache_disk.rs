//! The cache disk: an image that holds a set of artifacts, each under its digest, made once and attached
//! read-only to every guest that needs the set.
//!
//! It is written in an order that makes a volume tell by itself how far it came: first the mark, which says
//! whose it is; then everything but the descriptors; the descriptors last. Without them it is no file system.

use std::ops::Range;

use crate::artifact::{ArtifactSet, Digest};
use crate::iso::{self, IsoError, Label, Layout, SECTOR};

/// The serial number by which a guest knows the disk.
pub const SERIAL: &str = "tvm-cache";
/// The bytes from which alone it is seen whose a volume is.
pub const HEAD: u64 = DESCRIPTORS.end as u64;

/// Where the mark stands: in the sectors that the format leaves to others.
const MARK: Range<usize> = 0..16 * SECTOR;
/// Where the descriptors stand.
const DESCRIPTORS: Range<usize> = 16 * SECTOR..19 * SECTOR;
const VOLUME_ID: &str = "TVM-CACHE";
const MARK_TEXT: &str = "trustnet-vm cache disk ";
/// Digits of the set's digest in the name of its volume.
const DIGITS: usize = 16;

/// How far a volume of a set's name has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is whole.
    Complete,
    /// Somebody began to write it, and was cut off.
    Begun,
    /// It is something else.
    Foreign,
}

/// A stretch of the image, in the order in which they are to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stretch {
    /// These bytes of the head, at their own place.
    Head(Range<usize>),
    /// From here to the end: the rest of the head, and the artifacts.
    Rest(usize),
}

/// The name of the volume that holds a set.
#[must_use]
pub fn volume_name(set: &ArtifactSet) -> String {
    format!("cache-{}.iso", &set.digest().to_string()[..DIGITS])
}

/// The image of a set: its files are the artifacts, in the order of the set.
///
/// # Errors
/// The set is more than the format can hold.
pub fn lay_out(set: &ArtifactSet) -> Result<Layout, IsoError> {
    let names: Vec<String> = set.iter().map(|(digest, _)| digest.to_string()).collect();
    let files: Vec<(&str, u64)> = names
        .iter()
        .zip(set.iter())
        .map(|(name, (_, size))| (name.as_str(), size))
        .collect();
    let label = Label {
        volume_id: VOLUME_ID.to_owned(),
        volume_set: set.digest().to_string(),
        system_area: mark(set.digest()),
    };
    iso::lay_out(&label, &files)
}

/// The order in which an image is written.
#[must_use]
pub fn stretches() -> [Stretch; 3] {
    [
        Stretch::Head(MARK),
        Stretch::Rest(DESCRIPTORS.end),
        Stretch::Head(DESCRIPTORS),
    ]
}

/// How far a volume of the set's name has come: `capacity` is its size, `head` its first bytes, as many as
/// the layout's head has.
#[must_use]
pub fn standing(layout: &Layout, capacity: u64, head: &[u8]) -> Standing {
    let first = |bytes: &[u8], range: Range<usize>| bytes.get(range).map(<[u8]>::to_vec);
    if capacity < layout.size {
        return Standing::Foreign;
    }
    if head == layout.head {
        return Standing::Complete;
    }
    // What was made and not written to yet is all zeros.
    let zeros = |bytes: Vec<u8>| bytes.iter().all(|byte| *byte == 0);
    let marked = first(head, MARK).is_some_and(|mark| Some(mark) == first(&layout.head, MARK));
    let untouched = first(head, 0..DESCRIPTORS.end).is_some_and(zeros);
    if marked || untouched {
        Standing::Begun
    } else {
        Standing::Foreign
    }
}

/// Whether a volume is a cache disk, or was to become one: by its name, and by its first [`HEAD`] bytes.
#[must_use]
pub fn is_ours(name: &str, head: &[u8]) -> bool {
    let Some((digits, digest)) = digits_of(name).zip(marked(head)) else {
        return false;
    };
    let text = digest.to_string();
    let Some(descriptors) = head.get(DESCRIPTORS) else {
        return false;
    };
    let ended = descriptors.iter().all(|byte| *byte == 0)
        || (descriptors.starts_with(b"\x01CD001")
            && field(descriptors, 40..72) == VOLUME_ID
            && field(descriptors, 190..318) == text);
    text.starts_with(digits) && ended
}

/// Whether a volume's name is one that a cache disk has; it may be something else all the same.
#[must_use]
pub fn is_name(name: &str) -> bool {
    digits_of(name).is_some()
}

fn digits_of(name: &str) -> Option<&str> {
    let digits = name.strip_prefix("cache-")?.strip_suffix(".iso")?;
    let digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    (digits.len() == DIGITS && digits.chars().all(digit)).then_some(digits)
}

/// The set whose mark stands at the beginning of a volume.
fn marked(head: &[u8]) -> Option<Digest> {
    let (line, rest) = head.get(MARK)?.split_at(MARK_TEXT.len() + 65);
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.strip_prefix(MARK_TEXT)?.strip_suffix('\n')?;
    let digest = Digest::parse(digits).ok()?;
    (text == mark(&digest) && rest.iter().all(|byte| *byte == 0)).then_some(digest)
}

fn mark(digest: &Digest) -> String {
    format!("{MARK_TEXT}{digest}\n")
}

fn field(descriptor: &[u8], range: Range<usize>) -> &str {
    let bytes = descriptor.get(range).unwrap_or_default();
    std::str::from_utf8(bytes).unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests;
