//! Values on their way through a shell. They come out as they went in, whatever is in them.

use std::fmt::Write;

/// A word as POSIX shell reads it back: as it is where it is plain, else in single quotes.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A value in one line of plain characters, as `printf %b` reads it back.
pub fn octal(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "\\0{byte:03o}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{octal, quote};

    const WORDS: [&str; 12] = [
        "plain",
        "two words",
        "it's",
        "$HOME",
        "",
        "a;b",
        "tab\there",
        "new\nline",
        "new line at the end\n",
        "-n",
        "\\0101 %b \"`id`\"",
        "ü🦀",
    ];

    #[test]
    fn a_word_comes_out_of_the_guest_s_shell_as_it_went_in() {
        for word in WORDS {
            let script = format!("printf %s {}", quote(word));
            let echoed = Command::new("sh").args(["-c", &script]).output();
            assert_eq!(echoed.expect("sh runs").stdout, word.as_bytes(), "{word:?}");
        }
    }

    #[test]
    fn a_value_in_octal_comes_out_of_printf_as_it_went_in() {
        for word in WORDS {
            let echoed = Command::new("sh")
                .args(["-c", "printf %b \"$1\"", "sh", &octal(word)])
                .output();
            assert_eq!(echoed.expect("sh runs").stdout, word.as_bytes(), "{word:?}");
        }
    }
}
