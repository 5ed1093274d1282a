//! `validate`: load and resolve.

use crate::Program;
use crate::args::Files;
use crate::failure::{Exit, Failure};
use crate::specs;

/// Checks spec files.
///
/// # Errors
/// Something is wrong with them.
pub fn run(program: &Program, files: &Files) -> Result<Exit, Failure> {
    let specs = specs::load(program, &files.all())?;
    for spec in &specs {
        program
            .ui
            .result(format!("{}: {} is valid\n", spec.source, spec.vm.name()));
    }
    Ok(Exit::Done)
}
