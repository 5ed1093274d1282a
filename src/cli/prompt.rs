//! Questions on the terminal: the one place that knows the crate that asks them.

use std::io;

use dialoguer::console::Term;
use dialoguer::theme::SimpleTheme;
use dialoguer::{Error, Input};
use trustnet_host::terminal::Keys;

use crate::failure::{Exit, Failure};

/// What somebody typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An answer.
    Text(String),
    /// To go back.
    Back,
    /// To be helped.
    Help,
}

/// Asks until an answer is good. While it asks, every key comes here, Ctrl-C among them; afterwards the terminal is as it
/// was.
///
/// # Errors
/// The user interrupts, or the terminal is gone.
pub fn ask(
    question: &str,
    default: Option<&str>,
    good: impl Fn(&str) -> Result<(), String>,
) -> Result<Said, Failure> {
    let _keys = Keys::enter().map_err(|error| lost(&error))?;
    let mut input = Input::<String>::with_theme(&SimpleTheme)
        .with_prompt(question)
        .allow_empty(true)
        .validate_with(|text: &String| match meta(text) {
            Some(_) => Ok(()),
            None => good(text.trim()),
        });
    if let Some(default) = default {
        input = input.default(default.to_owned());
    }
    let text = input
        .interact_text_on(&Term::stderr())
        .map_err(|Error::IO(error)| lost(&error))?;
    Ok(meta(&text).unwrap_or_else(|| Said::Text(text.trim().to_owned())))
}

fn meta(text: &str) -> Option<Said> {
    match text.trim() {
        "back" | "<" => Some(Said::Back),
        "?" | "help" => Some(Said::Help),
        _ => None,
    }
}

fn lost(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::Interrupted {
        return Failure::new(Exit::Interrupted, "interrupted; nothing was made");
    }
    Failure::new(
        Exit::Usage,
        format!("failed to ask on the terminal: {error}"),
    )
    .hint("give the answers by flags or `--answers FILE`, and `--yes`")
}
