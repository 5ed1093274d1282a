//! The last lines of a guest's console.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use trustnet_core::readiness::clean;

use crate::doors::{Hypervisor, Signal};
use crate::error::HostError;

/// Lines of the console that are kept.
const CONSOLE_LINES: usize = 12;
/// Pieces of the console that are read in one go: a guest that never stops talking is left in time
/// for the deadline.
const CONSOLE_PIECES: usize = 1024;
/// How long a console that says something is listened to for more.
const MORE: Duration = Duration::from_millis(300);

/// The last lines of a console, harmless for a terminal.
#[derive(Default)]
pub(super) struct Console {
    lines: VecDeque<String>,
    partial: Vec<u8>,
}

impl Console {
    /// The last lines, in their order.
    pub(super) fn last(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }

    /// Takes what has come.
    pub(super) fn drain(&mut self, output: Option<&Receiver<Signal>>) {
        let Some(output) = output else { return };
        for signal in output.try_iter().take(CONSOLE_PIECES) {
            let Signal::Bytes(bytes) = signal else { return };
            self.take(&bytes);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' || self.partial.len() >= 500 {
                self.end();
            } else {
                self.partial.push(*byte);
            }
        }
    }

    /// Ends the line.
    fn end(&mut self) {
        let line = clean(&String::from_utf8_lossy(&std::mem::take(&mut self.partial)));
        if !line.trim().is_empty() {
            self.lines.push_back(line.trim_end().to_owned());
        }
        if self.lines.len() > CONSOLE_LINES {
            self.lines.pop_front();
        }
    }
}

/// What a console says in a moment: its last lines.
///
/// # Errors
/// It cannot be opened: somebody else may have it.
pub fn last_lines(
    hypervisor: &dyn Hypervisor,
    uuid: &str,
    patience: Duration,
) -> Result<Vec<String>, HostError> {
    let opened = hypervisor.guests().console(uuid)?;
    let mut console = Console::default();
    let begun = Instant::now();
    while let Some(left) = patience.checked_sub(begun.elapsed()) {
        let Ok(Signal::Bytes(bytes)) = opened.output.recv_timeout(left.min(MORE)) else {
            break;
        };
        console.take(&bytes);
    }
    console.end();
    Ok(console.last())
}
