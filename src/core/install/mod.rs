//! What `install` decides: which questions there are, what follows from the answers, and the spec that they make.

/// The answers, by their keys: taken, shown, merged.
mod answers;
/// What was found out before anything is decided.
mod found;
/// The questions, as data.
mod question;
/// From the answers to what is installed.
mod resolve;
/// What is said before the last question and at the end.
mod summary;
/// What happens after the last question.
mod timeline;
/// The files that are written: the spec, and the answers.
mod written;

pub use answers::{address, merged, put, shown};
pub use found::{Found, Own, Tnr};
pub use question::{Choice, Form, Key, Suggestion};
pub use resolve::{Installation, Lack, check, complete, resolve};
pub use summary::{
    Aftermath, Look, Row, Verdict, json, next_steps, overview, role_words, sections,
};
pub use timeline::Stage;
pub use written::{answers_text, documents, spec_text};
