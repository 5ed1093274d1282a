//! Spec files: found, read, loaded, resolved; every problem of every file shown at once.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use trustnet_core::load;
use trustnet_core::problem::{Problem, Severity};
use trustnet_core::vm::Vm;

use crate::Program;
use crate::failure::{Exit, Failure};

/// A VM of a file.
#[derive(Debug)]
pub struct Spec {
    /// The VM.
    pub vm: Vm,
    /// The file's name, as it was given.
    pub source: String,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
}

/// Loads all VMs of all files.
///
/// # Errors
/// A file cannot be read, or something is wrong with what it holds; all problems have been shown then.
pub fn load(program: &Program, paths: &[PathBuf]) -> Result<Vec<Spec>, Failure> {
    let mut specs = Vec::new();
    let mut errors = 0;
    for path in expand(paths)? {
        let (source, bytes, folder) = read(&path)?;
        let (documents, problems) = load::load(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let mut all = problems;
        for document in documents {
            match Vm::resolve(&document.vm) {
                Ok((vm, warnings)) => {
                    all.extend(warnings.into_iter().map(|problem| document.place(problem)));
                    specs.push(Spec {
                        vm,
                        source: source.clone(),
                        folder: folder.clone(),
                    });
                }
                Err(problems) => {
                    all.extend(problems.into_iter().map(|problem| document.place(problem)))
                }
            }
        }
        all.sort_by_key(|problem| problem.place.map_or(0, |place| place.offset));
        errors += all
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .count();
        all.iter()
            .for_each(|problem| show(program, &source, &text, problem));
    }
    match errors {
        0 if specs.is_empty() => Err(Failure::new(Exit::Spec, "there is no VM in what was given")),
        0 => Ok(specs),
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

/// Refuses two VMs of one name.
///
/// # Errors
/// There are two.
pub fn refuse_twins(specs: &[Spec]) -> Result<(), Failure> {
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

/// Folders become their spec files, sorted.
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

/// Reads a file, or standard input, and no more of it than a spec may have.
fn read(path: &Path) -> Result<(String, Vec<u8>, PathBuf), Failure> {
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
    let folder = path
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_owned);
    Ok((path.display().to_string(), bytes, folder))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("failed to read `{}`: {error}", path.display()),
    )
}

/// Shows a problem: what, where, the line with a caret, the hint.
fn show(program: &Program, source: &str, text: &str, problem: &Problem) {
    let (code, word) = match problem.severity {
        Severity::Error => ("31;1", "error"),
        Severity::Warning => ("33;1", "warning"),
    };
    let mut out = match problem.place {
        Some(place) => format!("{source}:{}:{}: ", place.line, place.column),
        None => format!("{source}: "),
    };
    out.push_str(&program.ui.paint_err(code, word));
    out.push_str(&format!(
        ": {}",
        trustnet_core::readiness::clean(&problem.to_string())
    ));
    // A line that holds a secret is not repeated.
    if let Some(place) = problem.place.filter(|_| !problem.concerns_secret())
        && let Some(line) = text.lines().nth(place.line - 1)
    {
        let number = place.line.to_string();
        let line = trustnet_core::readiness::clean(line);
        // A tab was made one blank, so that the caret stands below its character.
        let room = " ".repeat(place.column.saturating_sub(1));
        let width = place
            .length
            .min(line.chars().count().saturating_sub(place.column - 1))
            .max(1);
        let caret = program.ui.paint_err(code, &"^".repeat(width));
        out.push_str(&format!(
            "\n {number} | {line}\n {} | {room}{caret}",
            " ".repeat(number.len())
        ));
    }
    if let Some(hint) = &problem.hint {
        out.push_str(&format!("\n  hint: {hint}"));
    }
    program.ui.always(out);
}
