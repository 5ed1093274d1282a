//! A YAML document with the place of each of its parts.

use crate::problem::Place;

/// A value, where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub value: Value,
    pub place: Place,
    /// What it holds, as [`super::yaml`] counts it.
    pub weight: usize,
    /// The number of levels, this one included.
    pub height: usize,
}

/// What is there. Scalars are kept as text: what they mean depends on what is wanted in their place.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar {
        text: String,
        /// Without quotes: the text may mean a number, a truth value or nothing.
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key of a mapping with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Node,
}

impl Node {
    /// Whether nothing is written here: `key:`, `null` or `~`.
    pub fn is_null(&self) -> bool {
        let Value::Scalar { text, plain: true } = &self.value else {
            return false;
        };
        matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Value::Mapping(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// The text, if this is a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// Where a problem of the whole value is shown: at a scalar itself, at the first key of a mapping.
    pub fn head(&self) -> Place {
        match &self.value {
            Value::Scalar { .. } => self.place,
            Value::Sequence(items) => items.first().map_or(self.place, Self::head),
            Value::Mapping(entries) => entries.first().map_or(self.place, |e| e.key_place),
        }
    }

    /// What is there, for a message.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, plain } => {
                let kind = if *plain { "" } else { "the text " };
                format!("{kind}`{text}`")
            }
        }
    }
}
