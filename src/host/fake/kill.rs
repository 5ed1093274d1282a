//! Ends of the process that no program expects: `kill -9` at a chosen moment.

use rustix::process::{Signal, getpid, kill_process};

/// The variable that names the moment, such as `begun:3` or `done:0`; see [`at`].
pub const VARIABLE: &str = "TRUSTNET_VM_TEST_KILL";

/// A moment between the marks of a journal: `staged`, `written`, `begun:N`, `done:N`, `undone:N`,
/// `finished`, `closing`. If the environment names it, the process ends here.
pub fn at(moment: &str) {
    if std::env::var_os(VARIABLE).is_some_and(|wanted| wanted == moment) {
        die();
    }
}

/// Ends the process as `kill -9` does.
pub(super) fn die() -> ! {
    // The signal cannot be caught; until it arrives there is nothing to do.
    let _ = kill_process(getpid(), Signal::KILL);
    loop {
        std::thread::park();
    }
}
