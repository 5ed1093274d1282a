//! The one file that prints: results to stdout, everything else to stderr.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where the tasks speak"
)]

use std::io::{self, BufRead, IsTerminal, Write};

/// The result that was asked for.
pub fn result(line: &str) {
    println!("{line}");
}

/// What is being done, or was found.
pub fn note(line: &str) {
    eprintln!("{line}");
}

/// A failure with its causes, in one line, and hints below it.
pub fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Whether somebody is there to answer a question.
pub fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question; only an explicit yes is one.
pub fn agreed(question: &str) -> io::Result<bool> {
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
