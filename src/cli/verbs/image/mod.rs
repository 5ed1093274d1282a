//! `image`: base images in storage pools.

/// Bringing them: `import`, `pull`.
mod bring;
/// Looking after them: `verify`.
mod care;
/// Looking at them: `list`, `info`.
mod look;
/// Removing them: `delete`, `prune`.
mod remove;

use std::path::Path;

use crate::Program;
use crate::args::ImageVerb;
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

/// Brings an image that was built here, by the recipe of this name, into a pool.
///
/// # Errors
/// The hypervisor does not answer, or the image cannot be brought.
pub(super) fn take_build(
    program: &Program,
    pool: &str,
    recipe: &str,
    file: &Path,
) -> Result<Exit, Failure> {
    let host = program.connect()?;
    bring::take_build(&Images::of(program, &host)?, pool, recipe, file)
}
