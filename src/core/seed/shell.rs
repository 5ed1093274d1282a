//! Text as one word of a POSIX shell.

use std::fmt::Write;

/// The word, quoted; ASCII only. The text has no NUL and does not end in a newline.
pub(super) fn quote(text: &str) -> String {
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut out = String::from("\"$(printf '%b' '");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\0{byte:03o}");
        }
    }
    out.push_str("')\"");
    out
}
