//! A guest's end: it is asked first.

use std::time::{Duration, Instant};

use crate::doors::{Hypervisor, Power};
use crate::error::HostError;
use crate::interrupt::Interrupt;

/// How often the state of a domain that shuts down is asked for.
const SHUTDOWN_POLL: Duration = Duration::from_millis(200);

/// How a guest's shutdown ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutDown {
    /// The guest went by itself, or was down already.
    Graceful,
    /// The deadline passed, and its power was cut.
    Cut,
    /// The user interrupted; the guest may still go by itself.
    Interrupted,
}

/// Presses the power button, waits until the deadline, then cuts the power. An interruption ends the
/// waiting, and never cuts the power.
///
/// # Errors
/// The hypervisor refuses.
pub fn shut_down(
    hypervisor: &dyn Hypervisor,
    uuid: &str,
    deadline: Duration,
    interrupt: &Interrupt,
) -> Result<ShutDown, HostError> {
    let domains = hypervisor.domains();
    let active = || {
        domains
            .state(uuid)
            .map(|state| state.is_some_and(|state| state.is_active()))
    };
    if !active()? {
        return Ok(ShutDown::Graceful);
    }
    let begun = Instant::now();
    if !deadline.is_zero() {
        match domains.power(uuid, Power::Button) {
            // It went by itself between the look and the button.
            Err(_) if !active()? => return Ok(ShutDown::Graceful),
            other => other?,
        }
        while begun.elapsed() < deadline {
            std::thread::sleep(SHUTDOWN_POLL.min(deadline));
            if !active()? {
                return Ok(ShutDown::Graceful);
            }
            if interrupt.stop() {
                return Ok(ShutDown::Interrupted);
            }
        }
    }
    match domains.power(uuid, Power::Cut) {
        // It went by itself between the look and the cut.
        Err(_) if !active()? => Ok(ShutDown::Graceful),
        other => other.map(|()| ShutDown::Cut),
    }
}
