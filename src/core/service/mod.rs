//! Services: from a definition and what a VM says of it to what is to be in the guest.

mod builtin;
mod check;
mod definition;
mod folder;
mod instance;
mod names;
mod order;
mod parameters;
mod probe;
mod template;
mod wanted;

pub use builtin::builtin_text;
pub(crate) use check::{is_name, is_version, signed};
pub use definition::{Catalogue, Definition, Origin};
pub(crate) use folder::is_shared;
pub use instance::{DependencyAt, Instance, select};
pub(crate) use names::refuse_filled;
pub(crate) use parameters::is_path;
pub use probe::{Ask, Named, Symptom, Test};
pub use template::{At, Escape, Scope, TemplateError, render};
pub(crate) use template::{shell as shell_word, systemd as systemd_word};
pub use wanted::{ArtifactSource, Wanted};

/// Reads `90`, `90s`, `10m` or `1h` as seconds; a day at most.
pub(crate) fn seconds(text: &str) -> Option<u32> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u32 = text[..digits].parse().ok()?;
    let seconds = match &text[digits..] {
        "" | "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    seconds.filter(|seconds| (1..=86_400).contains(seconds))
}

/// Reads a mode such as `0644`.
pub(crate) fn mode(text: &str) -> Option<u32> {
    let octal = (3..=5).contains(&text.len()) && text.chars().all(|c| ('0'..='7').contains(&c));
    octal
        .then(|| u32::from_str_radix(text, 8).ok())
        .flatten()
        .filter(|mode| *mode <= 0o7777)
}
