//! From what was written to what is meant.

use trustnet_api::vm::VirtualMachine;

use super::Vm;
use crate::problem::Problem;

impl Vm {
    /// Fills in every default and checks every rule, and reports all problems at once.
    ///
    /// # Errors
    /// All problems of the VM, warnings among them, if at least one is an error.
    pub fn resolve(_wire: &VirtualMachine) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        Err(vec![Problem::error("", "not built yet")])
    }
}
