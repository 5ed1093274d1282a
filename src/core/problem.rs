//! What is wrong with a user's file: every problem, each with its path, and its place where known.

use std::fmt;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth saying; the file is accepted.
    Warning,
    /// The file is refused.
    Error,
}

/// One thing that is wrong with a user's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The path of the field from the document's root, such as `spec.bootDisk.image` or
    /// `spec.networkInterfaces[1].ip`; empty for the document itself.
    pub path: String,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where it stands, once that has been looked up.
    pub place: Option<Place>,
}

/// The most characters of a message or a hint: what a user wrote may be quoted in it.
const MAX_TEXT: usize = 400;

/// The fields whose line is not to be shown again: a secret may stand in it.
const SECRET_FIELDS: [&str; 5] = [
    "passwordHash",
    "rawUserData",
    "content",
    "secrets",
    "sshAuthorizedKeys",
];

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte offset from the beginning of the file.
    pub offset: usize,
    /// Length in bytes of what is wrong, at least 1.
    pub length: usize,
}

impl Problem {
    /// A problem that refuses the file.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: path.into(),
            message: one_line(&message.into()),
            hint: None,
            place: None,
        }
    }

    /// A problem that is only told.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(path, message)
        }
    }

    /// The same problem with the next action.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(one_line(&hint.into())),
            ..self
        }
    }

    /// Whether a secret may stand on the line: then the line is not to be shown.
    #[must_use]
    pub fn concerns_secret(&self) -> bool {
        let mut fields = self.path.split(['.', '[']);
        fields.any(|field| SECRET_FIELDS.contains(&field))
    }
}

/// The text without line breaks and other control characters, and not too much of it.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_TEXT {
            line.push('…');
            break;
        }
        // Direction marks could make the line read as something else.
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
