//! The bodies of requests.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::Refusal;

/// Reads JSON, strictly: an object, no unknown field, none twice.
///
/// # Errors
/// It is none, or a field is not what it must be: the first that is wrong is named.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // A list of the fields' values would be taken too.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{')
        && let Ok(value) = serde_json::from_slice(body)
    {
        return Ok(value);
    }
    Err(wrong::<T>(body, first))
}

/// Says what is wrong; slower.
fn wrong<T: DeserializeOwned>(body: &[u8], first: Option<&u8>) -> Refusal {
    let malformed = |error: &dyn std::fmt::Display| Refusal::Malformed(error.to_string());
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        return malformed(&error);
    }
    if first != Some(&b'{') {
        return Refusal::invalid("", "the body is to be a JSON object");
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => malformed(&"something stands after it"),
        Err(error) if error.inner().classify() != Category::Data => malformed(error.inner()),
        Err(error) => {
            let text = error.inner().to_string();
            let path = error.path().to_string();
            let field = named(&text).unwrap_or(if path == "." { "" } else { &path });
            Refusal::invalid(field, strip_place(&text))
        }
    }
}

/// The field that serde names in its message, where it has no path: an unknown, missing or repeated one.
fn named(text: &str) -> Option<&str> {
    let rest = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| text.strip_prefix(start))?;
    rest.split_once('`').map(|(field, _)| field)
}

/// The message without its line and column: bodies are no files.
fn strip_place(text: &str) -> &str {
    text.rfind(" at line ").map_or(text, |end| &text[..end])
}
