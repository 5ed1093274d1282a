//! The user's terminal, raw while a console is attached.

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// A terminal in raw mode; dropping it puts it back.
pub struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Puts standard input into raw mode.
    ///
    /// # Errors
    /// It is not a terminal.
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // The terminal is gone: there is nothing to put back.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
