//! `image`: base images in storage pools.

/// Bringing them: `import`, `pull`.
mod bring;
/// Looking after them: `verify`.
mod care;
/// Looking at them: `list`, `info`.
mod look;
/// Removing them: `delete`, `prune`.
mod remove;

use crate::Program;
use crate::args::{ImageImport, ImageVerb};
use crate::failure::{Exit, Failure};
use crate::images::Images;
use crate::verbs::image_build;

/// Does it.
///
/// # Errors
/// The hypervisor does not answer, or what was asked for cannot be done.
pub fn run(program: &Program, verb: &ImageVerb) -> Result<Exit, Failure> {
    // It needs no hypervisor.
    if let ImageVerb::Build(args) = verb {
        return image_build::run(program, args);
    }
    let host = program.connect()?;
    let images = Images::of(program, &host)?;
    match verb {
        ImageVerb::Build(args) => image_build::run(program, args),
        ImageVerb::List(args) => look::list(&images, args),
        ImageVerb::Info(args) => look::info(&images, args),
        ImageVerb::Import(args) => bring::import(&images, args),
        ImageVerb::Pull(args) => bring::pull(&images, args),
        ImageVerb::Verify(args) => care::verify(&images, args),
        ImageVerb::Delete(args) => remove::delete(&images, args),
        ImageVerb::Prune(args) => remove::prune(&images, args),
    }
}

/// Brings a file of this machine into a pool, as `import` does.
///
/// # Errors
/// The hypervisor does not answer, or the file cannot be brought.
pub(super) fn import(program: &Program, args: &ImageImport) -> Result<Exit, Failure> {
    let host = program.connect()?;
    bring::import(&Images::of(program, &host)?, args)
}
