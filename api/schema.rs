//! The JSON Schema of spec files.

/// The schema of a virtual machine, as text.
#[must_use]
pub fn virtual_machine_text() -> String {
    String::new()
}
