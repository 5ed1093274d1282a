//! `console`: the serial console, both ways, with the terminal raw.

use std::io::{Read, Write};
use std::sync::mpsc::channel;

use trustnet_host::doors::Signal;
use trustnet_host::terminal::RawTerminal;

use crate::Program;
use crate::failure::{Exit, Failure};
use crate::verbs::power::ours;

/// Ctrl-], as with virsh and telnet.
const ESCAPE: u8 = 0x1d;

/// Attaches to the serial console.
///
/// # Errors
/// The VM is not there or does not run, or its console is taken.
pub fn run(program: &Program, name: &str) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let (domain, _) = ours(&host, name)?;
    if !domain.state.is_active() {
        return Err(
            Failure::new(Exit::Vm, format!("`{}` does not run", domain.xml.name))
                .hint(format!("`trustnet-vm start {}`", domain.xml.name)),
        );
    }
    let console = host.hypervisor.guests().console(&domain.xml.uuid)?;
    program.ui.say(format!(
        "connected to the console of `{}`; Ctrl-] leaves",
        domain.xml.name
    ));
    let raw = program
        .env
        .stdin_terminal
        .then(RawTerminal::enter)
        .transpose();
    let _raw = raw.map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("failed to set up the terminal: {error}"),
        )
    })?;
    let (leave, left) = channel();
    let input = console.input;
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 256];
        while let Ok(count @ 1..) = stdin.read(&mut buffer) {
            let typed = &buffer[..count];
            let end = typed.iter().position(|byte| *byte == ESCAPE);
            if input.send(&typed[..end.unwrap_or(count)]).is_err() || end.is_some() {
                break;
            }
        }
        // Whoever waits for this may be gone already.
        let _ = leave.send(());
    });
    let mut out = std::io::stdout().lock();
    loop {
        match console
            .output
            .recv_timeout(std::time::Duration::from_millis(100))
        {
            Ok(Signal::Bytes(bytes)) => {
                // Nobody reads: nobody to tell.
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
            }
            Ok(Signal::Closed(_)) | Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                // Input that ended (a pipe) leaves the output on until the guest goes.
                if program.env.stdin_terminal && left.try_recv().is_ok() {
                    break;
                }
            }
        }
    }
    Ok(Exit::Done)
}
