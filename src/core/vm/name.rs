//! The name of a VM.

use std::fmt;

/// The longest name: the longest volume name made from it stays a valid file name, and a host
/// name label has at most 63 characters.
const MAX_LEN: usize = 63;

/// A valid VM name: lower-case letters, digits, `-` and `_`; first and last a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmName(String);

/// Why a name is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("the name is empty")]
    Empty,
    /// Too long.
    #[error("the name has more than {MAX_LEN} characters")]
    TooLong,
    /// A character that is not allowed.
    #[error("the name has `{0}` in it")]
    Character(char),
    /// Begins or ends with `-` or `_`.
    #[error("the name begins or ends with `{0}`")]
    Edge(char),
}

impl VmName {
    /// Lower-cases and checks a name.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = text.to_ascii_lowercase();
        let (Some(first), Some(last)) = (name.chars().next(), name.chars().last()) else {
            return Err(NameError::Empty);
        };
        if let Some(bad) = name
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
        {
            return Err(NameError::Character(bad));
        }
        if let Some(edge) = [first, last].into_iter().find(|c| matches!(c, '-' | '_')) {
            return Err(NameError::Edge(edge));
        }
        if name.len() > MAX_LEN {
            return Err(NameError::TooLong);
        }
        Ok(Self(name))
    }

    /// Stands in for a name that is not valid while the other problems are collected.
    pub(super) fn placeholder() -> Self {
        Self("invalid".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
