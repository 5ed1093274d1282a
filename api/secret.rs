//! Values that may be secret: inline, or by reference so that the file itself holds none.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A string that may be secret: a plain string, `{valueFrom: …}`, or, in what the program itself prints,
/// `{redacted: sha256:…}`.
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueFrom {
    /// A file of the host, relative to the spec's folder.
    File(String),
    /// A variable of the environment.
    Env(String),
    /// One that is made once and kept on the host.
    Generate(Generate),
    /// A file of the host that is encrypted with age.
    Age(Age),
}

/// A secret that is made of the system's randomness when it is first needed, and is kept on the host,
/// readable by the user only. It stays when the VM is destroyed, for its data may outlive it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Generate {
    /// Its name among the VM's own: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// How many characters it has: 8 to 1024, 32 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 1024))]
    pub length: Option<u32>,
    /// What it is made of: `alphanumeric` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alphabet: Option<Alphabet>,
    /// Whether all VMs of this user that ask for this name have the same one. Unless said, each VM has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
}

/// What a generated secret is made of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Alphabet {
    /// Letters of both cases, and digits.
    Alphanumeric,
    /// Hexadecimal digits, in lower case.
    Hex,
    /// Letters of both cases, digits, `-` and `_`.
    Base64url,
    /// Digits.
    Digits,
}

/// A file that is encrypted with age, and what decrypts it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Age {
    /// The encrypted file, relative to the spec's folder; armoured or not.
    pub file: String,
    /// The file with the identities, as `age-keygen` makes it: relative to the spec's folder, or below the home
    /// with `~/`. Unless said, `age.txt` beside the program's configuration, in `~/.config/trustnet-vm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

impl Generate {
    /// How many characters it has.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length.unwrap_or(32)
    }

    /// What it is made of.
    #[must_use]
    pub fn alphabet(&self) -> Alphabet {
        self.alphabet.unwrap_or(Alphabet::Alphanumeric)
    }

    /// Whether other VMs have it too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.unwrap_or(false)
    }
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
        let mut map = serializer.serialize_map(Some(1))?;
        match self.redact() {
            Self::ValueFrom(from) => map.serialize_entry("valueFrom", &from)?,
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
                f.write_str(
                    "a string, or `valueFrom:` with one of `file`, `env`, `generate`, `age`",
                )
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
            generate: Option<Generate>,
            age: Option<Age>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let mut given = [
            wire.file.map(Self::File),
            wire.env.map(Self::Env),
            wire.generate.map(Self::Generate),
            wire.age.map(Self::Age),
        ]
        .into_iter()
        .flatten();
        match (given.next(), given.next()) {
            (Some(from), None) => Ok(from),
            _ => Err(de::Error::custom(
                "give exactly one of `file`, `env`, `generate` and `age`",
            )),
        }
    }
}

impl JsonSchema for SecretString {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretString".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let from = ValueFrom::json_schema(generator);
        json_schema!({
            "description": "A string that may be secret: inline, or by reference.",
            "oneOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["valueFrom"],
                    "properties": { "valueFrom": from }
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

impl JsonSchema for ValueFrom {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ValueFrom".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let generate = generator.subschema_for::<Generate>();
        let age = generator.subschema_for::<Age>();
        json_schema!({
            "description": "Where the value is read from; give exactly one.",
            "type": "object",
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                "file": { "type": "string", "description": "A file of the host, relative to the spec's folder." },
                "env": { "type": "string", "description": "A variable of the environment." },
                "generate": generate,
                "age": age
            }
        })
    }
}
