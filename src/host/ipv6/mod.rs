//! IPv6 of this machine: seen in the kernel's files, switched there, and asked of the gateway.

mod change;
mod echo;
mod look;

pub use change::{SwitchError, apply, may_switch};
pub use echo::ask;
pub use look::look;
