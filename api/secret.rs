//! Values that may be secret: inline, or by reference so that the file itself holds none.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A string that may be secret: a plain string, `{valueFrom: {file: …}}`, `{valueFrom: {env: …}}`,
/// or, in what the program itself prints, `{redacted: sha256:…}`.
///
/// `Debug` prints no inline value, and nothing serialises one either: an inline value leaves as its
/// digest (see [`SecretString::redact`]).
#[derive(Clone, PartialEq, Eq)]
pub enum SecretString {
    /// The value itself.
    Inline(String),
    /// To be read from somewhere when it is needed.
    ValueFrom(ValueFrom),
    /// An inline value that the program has redacted, as `sha256:` and its hexadecimal digest.
    Redacted(String),
}

/// Where a secret is read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueFrom {
    /// A file of the host, relative to the spec's folder.
    File(String),
    /// A variable of the environment.
    Env(String),
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(***)"),
            Self::ValueFrom(from) => f.debug_tuple("ValueFrom").field(from).finish(),
            Self::Redacted(digest) => f.debug_tuple("Redacted").field(digest).finish(),
        }
    }
}

impl SecretString {
    /// The form in which the value may be shown and recorded: an inline value becomes its SHA-256.
    #[must_use]
    pub fn redact(&self) -> Self {
        match self {
            Self::Inline(value) => {
                use sha2::{Digest, Sha256};
                use std::fmt::Write;
                let digest = Sha256::digest(value.as_bytes());
                let mut text = String::from("sha256:");
                for byte in digest {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{byte:02x}");
                }
                Self::Redacted(text)
            }
            other => other.clone(),
        }
    }
}

impl Serialize for SecretString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        enum From<'a> {
            File(&'a str),
            Env(&'a str),
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self.redact() {
            Self::ValueFrom(ValueFrom::File(path)) => {
                map.serialize_entry("valueFrom", &From::File(&path))?;
            }
            Self::ValueFrom(ValueFrom::Env(name)) => {
                map.serialize_entry("valueFrom", &From::Env(&name))?;
            }
            Self::Redacted(digest) | Self::Inline(digest) => {
                map.serialize_entry("redacted", &digest)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretVisitor;
        impl<'de> Visitor<'de> for SecretVisitor {
            type Value = SecretString;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or `valueFrom:` with `file:` or `env:`")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<SecretString, E> {
                Ok(SecretString::Inline(value.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretString, A::Error> {
                let Some(key) = map.next_key::<String>()? else {
                    return Err(de::Error::invalid_length(0, &self));
                };
                let secret = match key.as_str() {
                    "valueFrom" => SecretString::ValueFrom(map.next_value()?),
                    "redacted" => SecretString::Redacted(map.next_value()?),
                    other => return Err(de::Error::unknown_field(other, &["valueFrom"])),
                };
                match map.next_key::<String>()? {
                    None => Ok(secret),
                    Some(extra) => Err(de::Error::custom(format!(
                        "`{extra}` cannot stand beside `{key}`"
                    ))),
                }
            }
        }
        deserializer.deserialize_any(SecretVisitor)
    }
}

impl<'de> Deserialize<'de> for ValueFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            file: Option<String>,
            env: Option<String>,
        }
        match Wire::deserialize(deserializer)? {
            Wire {
                file: Some(path),
                env: None,
            } => Ok(Self::File(path)),
            Wire {
                file: None,
                env: Some(name),
            } => Ok(Self::Env(name)),
            _ => Err(de::Error::custom("give exactly one of `file` and `env`")),
        }
    }
}

impl JsonSchema for SecretString {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretString".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A string that may be secret: inline, or by reference.",
            "oneOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["valueFrom"],
                    "properties": { "valueFrom": {
                        "description": "Where the value is read from; give exactly one.",
                        "type": "object",
                        "additionalProperties": false,
                        "minProperties": 1,
                        "maxProperties": 1,
                        "properties": {
                            "file": { "type": "string", "description": "A file of the host, relative to the spec's folder." },
                            "env": { "type": "string", "description": "A variable of the environment." }
                        }
                    } }
                },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["redacted"],
                    "properties": { "redacted": {
                        "type": "string",
                        "description": "Stands for an inline value in what the program prints."
                    } }
                }
            ]
        })
    }
}
