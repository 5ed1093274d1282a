//! Programs that do not outlive us.

#![expect(
    unsafe_code,
    reason = "only between fork and exec can a process ask to go with its parent"
)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Makes the program end when the thread that starts it does, however that ends: whoever starts it waits for it. The
/// terminal's signals do not reach it: what they mean for it is ours to say.
pub(crate) fn goes_with_us(command: &mut Command) -> &mut Command {
    let us = getpid();
    let ask = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have ended before it asked.
        if getppid() == Some(us) {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }
    };
    // SAFETY: between fork and exec only two system calls are made, and no memory is taken.
    unsafe { command.process_group(0).pre_exec(ask) }
}
