//! `validate`: load and resolve.

use crate::Program;
use crate::args::Files;
use crate::failure::{Exit, Failure};
use crate::outcome::entry;
use crate::specs;

/// Checks spec files.
///
/// # Errors
/// Something is wrong with them.
pub fn run(program: &Program, files: &Files) -> Result<Exit, Failure> {
    let specs = specs::load(program, &files.all())?;
    if program.in_words() {
        for spec in &specs {
            let services: Vec<&str> = spec.services.iter().map(|one| one.name()).collect();
            let services = match services.as_slice() {
                [] => String::new(),
                names => format!(", with {}", names.join(", ")),
            };
            let line = format!("{}: {} is valid{services}\n", spec.source, spec.vm.name());
            program.ui.result(line);
        }
    }
    let entries: Vec<_> = specs
        .iter()
        .map(|spec| entry(spec.vm.name().as_str(), Ok("valid")))
        .collect();
    program.print_entries(&entries)?;
    Ok(Exit::Done)
}
