//! Spec files: found, read, loaded, resolved; every problem of every file shown at once.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use trustnet_api::service_ref::ServiceRef;
use trustnet_core::dependence::{self, Dependent};
use trustnet_core::load::{self, Document};
use trustnet_core::problem::{Problem, Severity};
use trustnet_core::service::{self, Catalogue, Instance};
use trustnet_core::vm::Vm;

use crate::Program;
use crate::failure::{Exit, Failure};
use crate::places::{self, Unsaid};
use crate::problems;

/// A VM of a file.
#[derive(Debug)]
pub struct Spec {
    /// The VM.
    pub vm: Vm,
    /// The file's name, as it was given.
    pub source: String,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// Its services, each after those that it depends on.
    pub services: Vec<Instance>,
    /// Which of its pools nobody has named.
    pub unsaid: Unsaid,
}

/// Loads all VMs of all files.
///
/// # Errors
/// A file cannot be read, or something is wrong with what it holds; all problems have been shown then.
pub fn load(program: &Program, paths: &[PathBuf]) -> Result<Vec<Spec>, Failure> {
    let paths = expand(paths)?;
    let texts: Vec<Text> = paths
        .iter()
        .map(|path| read(path))
        .collect::<Result<_, _>>()?;
    load_texts(program, texts)
}

/// What a file is called, its bytes, and the folder that relative paths start from.
pub type Text = (String, Vec<u8>, PathBuf);

/// Loads all VMs of texts, as [`load`] does those of files.
///
/// # Errors
/// Something is wrong with what they hold; all problems have been shown then.
pub fn load_texts(program: &Program, texts: Vec<Text>) -> Result<Vec<Spec>, Failure> {
    let mut specs: Vec<Spec> = Vec::new();
    let mut files: Vec<SpecFile> = Vec::new();
    let mut origins = Vec::new();
    let mut empty = Vec::new();
    let mut catalogue = None;
    for (source, bytes, folder) in texts {
        let (documents, problems) = load::load(&bytes);
        let mut all = problems;
        if documents.is_empty() && all.is_empty() {
            empty.push(source.clone());
        }
        for mut document in documents {
            let unsaid = places::settle(&mut document.object, &program.settings);
            // Most VMs have no services, and need nobody's definitions.
            if !document.object.spec.services.is_empty() && catalogue.is_none() {
                catalogue = Some(program.catalogue()?);
            }
            match resolve(&document, catalogue.as_ref()) {
                Ok((vm, services, warnings)) => {
                    all.extend(warnings.into_iter().map(|problem| document.place(problem)));
                    specs.push(Spec {
                        vm,
                        source: source.clone(),
                        folder: folder.clone(),
                        services,
                        unsaid,
                    });
                    origins.push((files.len(), document));
                }
                Err(problems) => {
                    all.extend(problems.into_iter().map(|problem| document.place(problem)))
                }
            }
        }
        files.push(SpecFile {
            source,
            bytes,
            problems: all,
        });
    }
    // A document in which something is wrong may be the one that another depends on.
    if files.iter().all(SpecFile::is_good) {
        let dependents: Vec<Dependent<'_>> = specs.iter().map(dependent).collect();
        for (index, problem) in dependence::check(&dependents) {
            let (file, document) = &origins[index];
            files[*file].problems.push(document.place(problem));
        }
    }
    let errors: usize = files
        .into_iter()
        .map(|file| problems::show_all(program, &file.source, &file.bytes, file.problems))
        .sum();
    match errors {
        0 if specs.is_empty() => Err(Failure::new(Exit::Spec, "there is no VM in what was given")),
        0 => {
            refuse_twins(&specs)?;
            for source in empty {
                program.ui.warn(format!("there is no VM in {source}"));
            }
            Ok(specs)
        }
        1 => Err(Failure::new(
            Exit::Spec,
            "1 problem in the spec; nothing was done",
        )),
        count => Err(Failure::new(
            Exit::Spec,
            format!("{count} problems in the spec; nothing was done"),
        )),
    }
}

/// A file of an invocation, and what is wrong with it.
struct SpecFile {
    source: String,
    bytes: Vec<u8>,
    problems: Vec<Problem>,
}

impl SpecFile {
    fn is_good(&self) -> bool {
        let mut problems = self.problems.iter();
        problems.all(|problem| problem.severity != Severity::Error)
    }
}

fn dependent(spec: &Spec) -> Dependent<'_> {
    let member = spec.member();
    Dependent {
        name: member.name,
        depends_on: member.depends_on,
        implied: member.needed(),
    }
}

/// What is meant by a document; what is wrong with the VM and with its services is told together.
fn resolve(
    document: &Document,
    catalogue: Option<&Catalogue>,
) -> Result<(Vm, Vec<Instance>, Vec<Problem>), Vec<Problem>> {
    let vm = Vm::resolve(&document.object);
    let services = match catalogue {
        Some(catalogue) => service::select(&document.object.spec.services, catalogue),
        None => Ok(Vec::new()),
    };
    match (vm, services) {
        (Ok((vm, warnings)), Ok(services)) => Ok((vm, services, warnings)),
        (Ok((_, warnings)), Err(problems)) => Err(warnings.into_iter().chain(problems).collect()),
        (Err(problems), Ok(_)) => Err(problems),
        (Err(first), Err(then)) => Err(first.into_iter().chain(then).collect()),
    }
}

/// Refuses two VMs of one name: whatever is done with them, one would be in the other's place.
fn refuse_twins(specs: &[Spec]) -> Result<(), Failure> {
    for (index, spec) in specs.iter().enumerate() {
        if let Some(twin) = specs[..index]
            .iter()
            .find(|twin| twin.vm.name() == spec.vm.name())
        {
            return Err(Failure::new(
                Exit::Spec,
                format!(
                    "two VMs are named `{}`: in {} and in {}",
                    spec.vm.name(),
                    twin.source,
                    spec.source
                ),
            ));
        }
    }
    Ok(())
}

/// Folders become their spec files, sorted; folders in them are left out.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "yaml" || extension == "yml")
                    && !path.is_dir()
            })
            .collect();
        if found.is_empty() {
            return Err(Failure::new(
                Exit::Spec,
                format!("there is no .yaml file in `{}`", path.display()),
            ));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// The services that all documents of a folder ask for; none where one of them cannot be read.
pub fn services_beside(folder: &Path) -> Option<Vec<ServiceRef>> {
    let mut services = Vec::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        let yaml = path
            .extension()
            .is_some_and(|it| it == "yaml" || it == "yml");
        if !yaml || !path.is_file() {
            continue;
        }
        let (_, bytes, _) = read(&path).ok()?;
        let (documents, problems) = load::load(&bytes);
        // Other kinds of documents ask for no services.
        let is_vm = String::from_utf8_lossy(&bytes).contains("VirtualMachine");
        if is_vm && !problems.is_empty() {
            return None;
        }
        let all = documents.into_iter().map(|one| one.object.spec.services);
        services.extend(all.flatten());
    }
    Some(services)
}

/// Reads a file, or standard input, and no more of it than a spec may have.
pub fn read(path: &Path) -> Result<Text, Failure> {
    let limit = load::MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        let stdin = std::io::stdin().lock();
        stdin
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(path, &error))?;
        return Ok(("standard input".to_owned(), bytes, PathBuf::from(".")));
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    // The parent of a bare name is there, and is empty.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    Ok((path.display().to_string(), bytes, folder))
}

pub fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("failed to read `{}`: {error}", path.display()),
    )
}
