//! `schema`, `explain`, `completions`, `man`: the program explains itself.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Program;
use crate::args::{Cli, Kind};
use crate::failure::{Exit, Failure};

/// Prints the JSON Schema of a kind of file.
///
/// # Errors
/// None beside a failure to print.
pub fn schema(program: &Program, kind: Kind) -> Result<Exit, Failure> {
    program.ui.result(match kind {
        Kind::VirtualMachine => trustnet_api::schema::virtual_machine_text(),
        Kind::Service => trustnet_api::schema::service_text(),
        Kind::ImageCatalogue => trustnet_api::schema::image_catalogue_text(),
        Kind::Registry => trustnet_api::schema::registry_text(),
        Kind::Image => trustnet_api::schema::image_text(),
        Kind::Node => trustnet_api::schema::node_text(),
        Kind::Install => trustnet_api::schema::install_text(),
    });
    Ok(Exit::Done)
}

/// Explains a field.
///
/// # Errors
/// There is no such field.
pub fn explain(program: &Program, path: &str) -> Result<Exit, Failure> {
    match trustnet_core::explain::explain(path) {
        Ok(text) => program.ui.result(text),
        Err(why) => return Err(Failure::new(Exit::Usage, why)),
    }
    Ok(Exit::Done)
}

/// Prints a completion script.
///
/// # Errors
/// None beside a failure to print.
pub fn completions(program: &Program, shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "trustnet-vm", &mut script);
    program.ui.result(String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

/// Prints the manual page, or writes one a verb.
///
/// # Errors
/// A page cannot be written.
pub fn man(program: &Program, out: Option<&Path>) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("failed to write the manual: {error}"))
    };
    match out {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(failed)?;
            program.ui.result(String::from_utf8_lossy(&page));
        }
    }
    Ok(Exit::Done)
}
