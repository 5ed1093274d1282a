//! Tests of what an archive says.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod closures;
mod indexes;
mod texts;
mod versions;
