//! From bytes to text.

use super::MAX_BYTES;
use crate::problem::{Place, Problem};

/// The text of a file: UTF-8 without NUL, and not too much of it.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(Problem::error(
            "",
            format!("the file has more than {} KiB", MAX_BYTES / 1024),
        )
        .hint("this is no spec; large files reach a guest through its image or the network"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || is_wide(bytes) {
        return Err(Problem::error("", "the file is UTF-16 or UTF-32")
            .hint("save it as UTF-8, or run `iconv -f UTF-16 -t UTF-8`"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let byte = bytes.get(offset).copied().unwrap_or_default();
        at(bytes, offset, format!("the byte 0x{byte:02x} is not UTF-8"))
            .hint("save the file as UTF-8")
    })?;
    if let Some(offset) = text.find('\0') {
        return Err(at(bytes, offset, "the file has a NUL in it".to_owned()).hint("take it out"));
    }
    Ok(text)
}

/// UTF-16 and UTF-32 without a mark: an ASCII character in the first four bytes, the rest NUL.
fn is_wide(bytes: &[u8]) -> bool {
    matches!(bytes, [0, b, ..] | [b, 0, ..] if b.is_ascii_graphic() || *b == b'\n')
        || bytes.starts_with(&[0, 0, 0xfe, 0xff])
        || matches!(bytes, [0, 0, 0, b, ..] if *b != 0)
}

fn at(bytes: &[u8], offset: usize, message: String) -> Problem {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count());
    Problem {
        place: Some(Place {
            line,
            column: column + 1,
            offset,
            length: 1,
        }),
        ..Problem::error("", message)
    }
}
