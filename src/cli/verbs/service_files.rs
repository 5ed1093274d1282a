//! `service add`, `service remove`: the user's own definitions.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use trustnet_core::service::{Definition, Origin, builtin_text};

use super::service::unknown;
use crate::Program;
use crate::args::ServiceAdd;
use crate::failure::{Exit, Failure};

/// Adds a definition to the user's own.
///
/// # Errors
/// Something is wrong with it, one of its name is there, or it cannot be written.
pub fn add(program: &Program, args: &ServiceAdd) -> Result<Exit, Failure> {
    let folder = own_folder(program)?;
    let file = program.read_definitions(&args.file)?;
    if file.errors > 0 {
        let message = format!("`{}` was not added", args.file.display());
        return Err(Failure::new(Exit::Spec, message));
    }
    let [definition] = file.definitions.as_slice() else {
        let message = format!("`{}` holds more than one service", args.file.display());
        return Err(Failure::new(Exit::Spec, message).hint("write each into a file of its own"));
    };
    let name = definition.name();
    let place = folder.join(format!("{name}.yaml"));
    let there = file_of(program, name)?.or_else(|| place.exists().then(|| place.clone()));
    if let Some(there) = &there
        && !args.force
    {
        let message = format!(
            "your service `{name}` is there already, in {}",
            there.display()
        );
        return Err(
            Failure::new(Exit::Usage, message).hint("give `--force` to put this one in its place")
        );
    }
    let place = there.unwrap_or(place);
    write_whole(&place, &file.bytes).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("failed to write `{}`: {error}", place.display()),
        )
    })?;
    if builtin_text(name).is_some() {
        program
            .ui
            .say(format!("it stands in the place of the built-in `{name}`"));
    }
    relative_files(program, definition, &args.file, &folder);
    program.ui.result(format!("service `{name}` added\n"));
    Ok(Exit::Done)
}

/// Removes one of the user's own definitions.
///
/// # Errors
/// There is none of that name, or it is the program's.
pub fn remove(program: &Program, name: &str) -> Result<Exit, Failure> {
    if let Some(file) = file_of(program, name)? {
        fs::remove_file(&file).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("failed to remove `{}`: {error}", file.display()),
            )
        })?;
        let again = builtin_text(name).map_or("", |_| "; the built-in one counts again");
        program
            .ui
            .result(format!("service `{name}` removed{again}\n"));
        return Ok(Exit::Done);
    }
    let catalogue = program.catalogue()?;
    let definition = catalogue.find(name).map_err(|hint| unknown(name, hint))?;
    Err(match definition.origin() {
        Origin::BuiltIn => Failure::new(
            Exit::Usage,
            format!("failed to remove `{name}`: the program brings that service"),
        )
        .hint(
            "a service that no VM asks for does nothing; `service add` puts another in its place",
        ),
        Origin::File(_) => unknown(
            name,
            format!("it is another name of `{}`", definition.name()),
        ),
    })
}

fn own_folder(program: &Program) -> Result<PathBuf, Failure> {
    program.env.paths()?;
    Ok(program.service_folder().unwrap_or_default())
}

/// The user's file that holds nothing but the definition of that name.
fn file_of(program: &Program, name: &str) -> Result<Option<PathBuf>, Failure> {
    for path in program.service_files()? {
        let (_, bytes, _) = crate::specs::read(&path)?;
        // What is wrong with other files is not asked here.
        let (documents, _) = trustnet_core::load::load_services(&bytes);
        let named = documents.iter().any(|one| one.object.metadata.name == name);
        // One that cannot be read is known by its file's name.
        let stem = documents.is_empty() && path.file_stem().is_some_and(|stem| stem == name);
        if !(named || stem) {
            continue;
        }
        if documents.len() > 1 {
            let message = format!("`{}` holds other services too", path.display());
            return Err(Failure::new(Exit::Usage, message).hint("edit the file"));
        }
        return Ok(Some(path));
    }
    Ok(None)
}

/// A local build is looked for beside the definition, and that has just moved.
fn relative_files(program: &Program, definition: &Definition, from: &Path, to: &Path) {
    let artifacts = definition.spec().artifacts.iter();
    let beside = from.parent() == Some(to);
    for file in artifacts.filter_map(|artifact| artifact.file.as_ref()) {
        if !beside && !file.starts_with('/') {
            let place = to.join(file);
            program
                .ui
                .say(format!("its artifact is looked for at {}", place.display()));
        }
    }
}

/// Writes a file that all may read: made beside its place and put there whole.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let staging = path.with_extension(format!("{}.new", std::process::id()));
    let write = |mut file: File| {
        file.write_all(bytes)?;
        // Whatever the umask says.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.sync_all()
    };
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&staging)
        .and_then(write)
        .and_then(|()| fs::rename(&staging, path));
    if written.is_err() {
        // The first error counts; nothing may be there at all.
        let _ = fs::remove_file(&staging);
    }
    written
}
