//! `ssh`: find, pin the host key, hand over to the user's ssh.

use std::os::unix::process::CommandExt;

use trustnet_host::shell::quote;
use trustnet_host::ssh;

use crate::Program;
use crate::args::Ssh;
use crate::failure::{Exit, Failure};
use crate::guest::Guest;

/// Logs in, or runs a command. The program becomes ssh(1), whose exit code is then its own.
///
/// # Errors
/// The VM is not there or does not run, or ssh cannot be started.
pub fn run(program: &Program, args: &Ssh) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let guest = Guest::find(&host, &args.name)?;
    let mut command = ssh::command(&guest.session(&host), &guest.endpoint, &[])?;
    // ssh joins its arguments with blanks and the guest's shell reads them again: quote each.
    command.args(args.command.iter().map(|word| quote(word)));
    let error = command.exec();
    Err(
        Failure::new(Exit::Usage, format!("failed to start `ssh`: {error}"))
            .hint("install `openssh-client`"),
    )
}
