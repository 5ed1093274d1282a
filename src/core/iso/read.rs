//! Finds a file in an image by its Rock Ridge name. The image may be anything at all.

use std::ops::Range;

use super::SECTOR;

/// Where the bytes of the file called `name` stand in the root directory of `image`.
#[must_use]
pub fn find(image: &[u8], name: &str) -> Option<Range<usize>> {
    let primary = image
        .get(16 * SECTOR..17 * SECTOR)
        .filter(|d| d.starts_with(b"\x01CD001"))?;
    let directory = extent(primary.get(156..190)?)?;
    let mut rest = image.get(directory)?;
    // Records do not cross sectors: a zero length skips to the next one.
    let whole = rest.len();
    while let Some(&length) = rest.first() {
        if length == 0 {
            rest = rest.get(SECTOR - (whole - rest.len()) % SECTOR..)?;
            continue;
        }
        let record = rest.get(..usize::from(length))?;
        if rock_ridge_name(record) == Some(name.as_bytes()) {
            return extent(record).filter(|range| range.end <= image.len());
        }
        rest = &rest[record.len()..];
    }
    None
}

fn extent(record: &[u8]) -> Option<Range<usize>> {
    let word = |at: usize| Some(u32::from_le_bytes(record.get(at..at + 4)?.try_into().ok()?));
    let start = usize::try_from(word(2)?).ok()?.checked_mul(SECTOR)?;
    let end = start.checked_add(usize::try_from(word(10)?).ok()?)?;
    Some(start..end)
}

fn rock_ridge_name(record: &[u8]) -> Option<&[u8]> {
    let id = usize::from(*record.get(32)?);
    let mut entries = record.get((33 + id).next_multiple_of(2)..)?;
    while let [a, b, length, _, rest @ ..] = entries {
        let body = rest.get(..usize::from(*length).checked_sub(4)?)?;
        if [*a, *b] == *b"NM" {
            return body.get(1..);
        }
        entries = &rest[body.len()..];
    }
    None
}
