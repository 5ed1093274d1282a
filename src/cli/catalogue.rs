//! The services that a VM can ask for: those that the program brings, and the user's own.

use std::path::{Path, PathBuf};

use trustnet_core::load;
use trustnet_core::problem::Problem;
use trustnet_core::service::{Catalogue, Definition, Origin};

use crate::Program;
use crate::failure::{Exit, Failure};
use crate::{problems, specs};

/// The definitions of a file, and how many things are wrong with the file.
pub struct DefinitionFile {
    /// Those that keep the rules.
    pub definitions: Vec<Definition>,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// How many errors were shown.
    pub errors: usize,
}

impl Program {
    /// The catalogue; a definition of the user's comes before the program's of the same name.
    ///
    /// # Errors
    /// Something is wrong with a definition of the user's; all problems have been shown then.
    pub fn catalogue(&self) -> Result<Catalogue, Failure> {
        let mut catalogue = Catalogue::builtin();
        let mut own: Vec<Definition> = Vec::new();
        let mut errors = 0;
        for path in self.service_files()? {
            let file = self.read_definitions(&path)?;
            errors += file.errors;
            own.extend(file.definitions);
        }
        if errors > 0 {
            let message = format!("{errors} problems in your own services; nothing was done");
            let message = message.replacen("1 problems", "1 problem", usize::from(errors == 1));
            return Err(Failure::new(Exit::Spec, message).hint(
                "mend the file, or remove it: `trustnet-vm service add --force`, `service remove`",
            ));
        }
        for definition in own {
            refuse_twin(&catalogue, &definition)?;
            catalogue.add(definition);
        }
        Ok(catalogue)
    }

    /// The folder of the user's own definitions; none without a home.
    pub fn service_folder(&self) -> Option<PathBuf> {
        let paths = self.env.paths.as_ref()?;
        Some(paths.config.join("services"))
    }

    /// The files of the user's own definitions, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn service_files(&self) -> Result<Vec<PathBuf>, Failure> {
        match self.service_folder() {
            Some(folder) => yaml_files(&folder),
            None => Ok(Vec::new()),
        }
    }

    /// Reads the definitions of a file, and shows what is wrong with it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_definitions(&self, path: &Path) -> Result<DefinitionFile, Failure> {
        let (source, bytes, _) = specs::read(path)?;
        let (documents, mut all) = load::load_services(&bytes);
        let mut definitions = Vec::new();
        if documents.is_empty() && all.is_empty() {
            all.push(Problem::error("", "there is no service in it"));
        }
        for document in documents {
            match Definition::new(document.object.clone(), Origin::File(source.clone())) {
                Ok((definition, warnings)) => {
                    all.extend(warnings.into_iter().map(|problem| document.place(problem)));
                    definitions.push(definition);
                }
                Err(problems) => {
                    all.extend(problems.into_iter().map(|problem| document.place(problem)));
                }
            }
        }
        let errors = problems::show_all(self, &source, &bytes, all);
        Ok(DefinitionFile {
            definitions,
            bytes,
            errors,
        })
    }
}

/// The YAML files of a folder, sorted; none where it is not there.
///
/// # Errors
/// The folder cannot be read.
pub fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(specs::unreadable(folder, &error)),
    };
    let yaml = |path: &PathBuf| {
        let extension = path.extension();
        extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
    };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| yaml(path) && may_be_read(path))
        .collect();
    files.sort();
    Ok(files)
}

/// Whether a path can lead to a document: a folder holds none, and a named pipe would wait for somebody who writes. What
/// cannot be looked at is told by who reads it.
fn may_be_read(path: &Path) -> bool {
    path.metadata().map_or(true, |facts| facts.is_file())
}

/// Refuses two of the user's own definitions of one name: which of them counts would be chance.
fn refuse_twin(catalogue: &Catalogue, definition: &Definition) -> Result<(), Failure> {
    let twin = catalogue.iter().find(|other| {
        other.name() == definition.name() && matches!(other.origin(), Origin::File(_))
    });
    let (Some(Origin::File(one)), Origin::File(other)) =
        (twin.map(|twin| twin.origin()), definition.origin())
    else {
        return Ok(());
    };
    let name = definition.name();
    let message = if one == other {
        format!("two services are named `{name}` in {one}")
    } else {
        format!("two services are named `{name}`: in {one} and in {other}")
    };
    Err(Failure::new(Exit::Spec, message).hint("keep one of them"))
}
