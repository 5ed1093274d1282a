//! Secrets in what is said, and what stands in their place: as they are, and as the usual formats write them.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The fewest bytes that a secret may have. A shorter one could only be masked with half the text around it.
pub const SHORTEST: usize = 4;

/// Secrets, and how they are masked.
#[derive(Clone, Default)]
pub struct Masks(Vec<String>);

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} masks", self.0.len())
    }
}

impl Masks {
    /// Masks these values, and each line of them: as they are, and as JSON, YAML, SQL, a shell, XML, URLs,
    /// base64 and hexadecimal digits write them.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            for text in secret.lines().chain([secret]) {
                add_forms(text.trim(), &mut forms);
            }
        }
        let mut forms: Vec<String> = forms.into_iter().collect();
        // A longer one may hold a shorter one.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(forms)
    }

    /// The text with `***` in the place of secrets.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***");
            }
        }
        text
    }
}

fn add_forms(text: &str, forms: &mut BTreeSet<String>) {
    if text.len() < SHORTEST {
        return;
    }
    let json = json(text, false);
    let all = [
        text.to_owned(),
        json.replace('/', "\\/"),
        json,
        self::json(text, true),
        text.replace('\'', r"'\''"),
        text.replace('\'', r#"'"'"'"#),
        // What a shell's word in double quotes escapes, and what one without quotes does.
        escaped(text, |c| "\\\"$`".contains(c)),
        escaped(text, |c| {
            c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:=@%+,".contains(c)
        }),
        // YAML and SQL.
        text.replace('\'', "''"),
        xml(text),
        percent(text, |byte| format!("%{byte:02X}")),
        percent(text, |byte| format!("%{byte:02x}")),
        percent(text, |byte| format!("%{byte:02X}")).replace("%20", "+"),
        hex(text, |byte| format!("{byte:02x}")),
        hex(text, |byte| format!("{byte:02X}")),
    ];
    forms.extend(all);
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        forms.extend((0..3).map(|before| base64(engine, text, before)));
    }
}

/// The inner part of a JSON string; YAML's double quotes are much the same.
fn json(text: &str, ascii: bool) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let inner = &quoted[1..quoted.len() - 1];
    if !ascii {
        return inner.to_owned();
    }
    let mut out = String::new();
    for c in inner.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            out.extend(units.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

fn escaped(text: &str, special: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if special(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn xml(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

/// <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
fn percent(text: &str, write: impl Fn(u8) -> String) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&write(byte));
        }
    }
    out
}

fn hex(text: &str, write: impl Fn(u8) -> String) -> String {
    text.bytes().map(write).collect()
}

/// What of a secret is the same wherever it stands in a longer text that is encoded, with so many bytes more
/// than a multiple of three before it.
fn base64(engine: &impl Engine, text: &str, before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text.as_bytes());
    let mut encoded = engine.encode(&bytes);
    // The last digit of a group that is not whole depends on what follows.
    if !bytes.len().is_multiple_of(3) {
        encoded.pop();
    }
    encoded.split_off(if before == 0 { 0 } else { before + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_line_by_line_and_the_longer_one_first() {
        let masks = Masks::new(["hunter22", "hunter22-and-more", "line one\nline two", "abc"]);
        assert_eq!(masks.mask("a hunter22-and-more b"), "a *** b");
        assert_eq!(masks.mask("x=hunter22;line two"), "x=***;***");
        // Nobody gives one so short: it is refused where it is read.
        assert_eq!(masks.mask("abc"), "abc");
    }

    #[test]
    fn a_secret_is_masked_however_a_format_writes_it() {
        let secret = "it's \"ü\" & $x/y\\z";
        let masks = Masks::new([secret]);
        for written in [
            secret,
            r#"it's \"ü\" & $x/y\\z"#,
            r#"it's \"ü\" & $x\/y\\z"#,
            r#"it's \"\u00fc\" & $x/y\\z"#,
            r#"it'\''s "ü" & $x/y\z"#,
            r#"it'"'"'s "ü" & $x/y\z"#,
            r#"it's \"ü\" & \$x/y\\z"#,
            r#"it\'s\ \"ü\"\ \&\ \$x/y\\z"#,
            r#"it''s "ü" & $x/y\z"#,
            "it&apos;s &quot;ü&quot; &amp; $x/y\\z",
            "it%27s%20%22%C3%BC%22%20%26%20%24x%2Fy%5Cz",
            "it%27s%20%22%c3%bc%22%20%26%20%24x%2fy%5cz",
            "it%27s+%22%C3%BC%22+%26+%24x%2Fy%5Cz",
            "697427732022c3bc22202620247 82f795c7a"
                .replace(' ', "")
                .as_str(),
        ] {
            assert_eq!(masks.mask(&format!("<{written}>")), "<***>", "{written}");
        }
        let lines = Masks::new(["one line\nanother"]);
        assert_eq!(lines.mask(r#"{"x":"one line\nanother"}"#), r#"{"x":"***"}"#);
    }

    #[test]
    fn in_what_is_encoded_a_secret_is_masked_wherever_it_stands() {
        let secret = "hunter?>22";
        let masks = Masks::new([secret]);
        for before in ["", "a", "ab", "user:", "user1:"] {
            for after in ["", "x", "xy", "\n"] {
                let whole = format!("{before}{secret}{after}");
                for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                    let masked = masks.mask(&engine.encode(&whole));
                    let rest = masked.replace("***", "").len();
                    assert!(masked.contains("***"), "{whole}: {masked}");
                    // At most the digits that it shares with what is around it.
                    let around = (before.len() + after.len()).div_ceil(3) * 4 + 2;
                    assert!(rest <= around, "{whole}: {masked}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let masks = Masks::new(["hunter22"]);
        let text = "Setting up libc6 (2.36-9) … hunter2 HUNTER22 \\u0068";
        assert_eq!(masks.mask(text), text);
        assert!(!format!("{masks:?}").contains("hunter"));
    }
}
