//! What came of each VM of an invocation: said in words as it comes, or printed in one list for
//! machines at the end.

use serde_json::{Value, json};

use crate::Program;
use crate::args::Output;
use crate::failure::Failure;
use crate::verbs::get::serialise;

/// What came of one VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In one word, such as `started`; stable.
    pub result: &'static str,
    /// In the words for a person, whole lines.
    pub text: String,
}

impl Outcome {
    /// What came of it, in one word and in a line.
    pub fn new(result: &'static str, line: impl Into<String>) -> Self {
        let mut text = line.into();
        text.push('\n');
        Self { result, text }
    }
}

/// The entry of a VM in a list for machines.
#[must_use]
pub fn entry(name: &str, result: Result<&str, &Failure>) -> Value {
    match result {
        Ok(word) => json!({ "name": name, "result": word }),
        Err(failure) => json!({
            "name": name,
            "result": "failed",
            "exitCode": failure.exit.code(),
            "error": failure.message,
            "hint": failure.hint,
        }),
    }
}

impl Program {
    /// Whether words are wanted, and no list for machines.
    #[must_use]
    pub fn in_words(&self) -> bool {
        matches!(self.settings.output.value, Output::Table | Output::Wide)
    }

    /// Prints the list for machines, if one is wanted: all entries, or the names of those that went well.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn print_entries(&self, entries: &[Value]) -> Result<(), Failure> {
        match self.settings.output.value {
            form @ (Output::Json | Output::Yaml) => {
                let value = json!({ "kind": "ResultList", "items": entries });
                self.ui.result(serialise(form, &value)?);
            }
            Output::Name => entries
                .iter()
                .filter(|entry| entry["result"] != "failed")
                .filter_map(|entry| entry["name"].as_str())
                .for_each(|name| self.ui.result(format!("{name}\n"))),
            Output::Table | Output::Wide => {}
        }
        Ok(())
    }
}
