//! `wait`: follow the guest's reports to a phase.

use trustnet_core::readiness::Phase;
use trustnet_host::ready::ReadyOptions;

use crate::args::{Wait, WaitPhase};
use crate::failure::{Exit, Failure};
use crate::outcome::Outcome;
use crate::verbs::power::{await_phase, each, ours};
use crate::{Program, make};

/// Waits until VMs have come to a phase.
///
/// # Errors
/// One of them does not come to it.
pub fn run(program: &Program, args: &Wait) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    let until = match args.phase {
        WaitPhase::Booted => Phase::Booted,
        WaitPhase::Network => Phase::Network,
        WaitPhase::CloudInit => Phase::CloudInit,
        WaitPhase::Ready => Phase::Ready,
    };
    each(program, &args.names, |name| {
        let (domain, record) = ours(&host, name)?;
        if !domain.state.is_active() {
            return Err(
                Failure::new(Exit::NotReady, format!("`{name}` does not run"))
                    .hint(format!("`trustnet-vm start {name}`")),
            );
        }
        let options = ReadyOptions {
            until,
            ..make::ready_options(program, &host)
        };
        await_phase(program, &host, &domain, &record, &options, &interrupt)?;
        Ok(Outcome::new("reached", format!("VM '{name}': {until}")))
    })
}
