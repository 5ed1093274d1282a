//! Lines from bytes that a guest sends, and text that is harmless for a terminal.

/// The longest line that is taken; a longer one is dropped whole.
const MAX_LINE: usize = 256 * 1024;

/// Cuts bytes into lines.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    partial: Vec<u8>,
    overlong: bool,
}

impl Lines {
    /// Takes bytes, and gives the lines that they complete. Empty ones are left out.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            if self.partial.len() + text.len() > MAX_LINE {
                self.overlong = true;
                self.partial.clear();
            } else if !self.overlong {
                self.partial.extend_from_slice(text);
            }
            if ended {
                let line = std::mem::take(&mut self.partial);
                if !std::mem::take(&mut self.overlong) && !line.iter().all(u8::is_ascii_whitespace) {
                    lines.push(String::from_utf8_lossy(&line).into_owned());
                }
            }
        }
        lines
    }
}

/// The text with everything gone that a terminal would obey: escape sequences and control characters.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => skip_escape(&mut rest),
            '\t' => out.push(' '),
            c if c.is_control() || is_bidi(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Skips what follows an escape: a CSI sequence to its final byte, a string to its end, else one character.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => while rest.next().is_some_and(|c| !('\x40'..='\x7e').contains(&c)) {},
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = rest.next() {
                if c == '\x07' || (c == '\x1b' && rest.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => {}
    }
}

/// Characters that turn the direction of text around them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{Lines, clean};

    #[test]
    fn lines_come_whole_however_the_bytes_are_cut() {
        let text = "\n{\"a\":1}\n\nsecond\n";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let mut all = lines.push(&text.as_bytes()[..cut]);
            all.extend(lines.push(&text.as_bytes()[cut..]));
            assert_eq!(all, ["{\"a\":1}", "second"], "cut at {cut}");
        }
    }

    #[test]
    fn an_overlong_line_is_dropped_and_the_next_one_is_read() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert!(lines.push(&[b'x'; 10_000]).is_empty());
        }
        assert_eq!(lines.push(b"tail\nnext\n"), ["next"]);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let cases = [
            ("\x1b[31mred\x1b[0m", "red"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]8;;http://x\x1b\\b", "ab"),
            ("bell\x07 tab\t.", "bell tab ."),
            ("\u{202e}gnp.exe", "gnp.exe"),
            ("\x1b", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(clean(text), expected, "{text:?}");
        }
    }
}
