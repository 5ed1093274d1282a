//! The user's terminal, raw while a console is attached.

use std::io;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

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

/// A terminal whose keys come to us one by one, Ctrl-C among them, and are not echoed by it; what is printed stays as it is.
/// Dropping it puts it back.
pub struct Keys {
    before: Termios,
}

impl Keys {
    /// Takes the keys of standard input.
    ///
    /// # Errors
    /// It is not a terminal.
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut keys = before.clone();
        let line = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        keys.local_modes.remove(line);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &keys)?;
        Ok(Self { before })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // The terminal is gone: there is nothing to put back.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
