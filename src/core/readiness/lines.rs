//! Bytes of the port to lines.

use super::report::MAX_LINE;

/// Collects what is read from the port and gives whole lines; a line that is too long is dropped.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    pending: Vec<u8>,
    overlong: bool,
}

impl Lines {
    /// Takes what was read; gives the lines that it ends, without the empty ones. Bytes that are no UTF-8 are replaced.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            if self.pending.len() + text.len() > MAX_LINE {
                self.overlong = true;
                self.pending.clear();
            } else if !self.overlong {
                self.pending.extend_from_slice(text);
            }
            if ends {
                if !self.overlong && !self.pending.is_empty() {
                    lines.push(String::from_utf8_lossy(&self.pending).into_owned());
                }
                self.pending.clear();
                self.overlong = false;
            }
        }
        lines
    }
}
