//! Secrets: values that print nothing, and references that are still to be read.

use std::collections::BTreeMap;
use std::fmt;

use trustnet_api::secret::ValueFrom;

/// A secret of a VM: known already, or to be found in a [`SecretMap`].
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// The value itself.
    Known(String),
    /// Read by the host before the seed is made.
    From(ValueFrom),
    /// Shown by the program instead of an inline value: good for comparing, not for creating.
    Redacted(String),
}

/// The secrets that the host has read, by reference.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretMap(BTreeMap<ValueFrom, String>);

impl SecretMap {
    /// Adds the value of a reference.
    pub fn insert(&mut self, from: ValueFrom, value: String) {
        self.0.insert(from, value);
    }

    /// The value, where it is known or was read.
    #[must_use]
    pub fn reveal<'a>(&'a self, secret: &'a SecretValue) -> Option<&'a str> {
        match secret {
            SecretValue::Known(value) => Some(value),
            SecretValue::From(from) => self.0.get(from).map(String::as_str),
            SecretValue::Redacted(_) => None,
        }
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(_) => f.write_str("Known(***)"),
            Self::From(from) => f.debug_tuple("From").field(from).finish(),
            Self::Redacted(digest) => f.debug_tuple("Redacted").field(digest).finish(),
        }
    }
}

impl fmt::Debug for SecretMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
