//! The fields of spec files, explained.

/// Explains a field.
///
/// # Errors
/// There is no such field.
pub fn explain(path: &str) -> Result<String, String> {
    Err(format!("there is no field `{path}`"))
}
