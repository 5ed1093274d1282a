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
    let mut empty = Vec::new();
    for path in expand(paths)? {
        let (source, bytes, folder) = read(&path)?;
        let (documents, problems) = load::load(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let mut all = problems;
        if documents.is_empty() && all.is_empty() {
            empty.push(source.clone());
        }
        for document in documents {
            match Vm::resolve(&document.object) {
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
        // A tab was made one blank, so that the caret stands below its character.
        let line = trustnet_core::readiness::clean(line);
        let (line, room, width) = excerpt(&line, place.column.saturating_sub(1), place.length);
        let room = " ".repeat(room);
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

/// The most characters of a line that are shown.
const WIDEST: usize = 160;

/// What is shown of a line, and where below it the caret begins and how wide it is: all of the line, or
/// what is around the place where it is too long for any terminal.
fn excerpt(line: &str, start: usize, length: usize) -> (String, usize, usize) {
    let count = line.chars().count();
    let width = |end: usize| length.min(end.saturating_sub(start)).max(1);
    if count <= WIDEST {
        return (line.to_owned(), start, width(count));
    }
    let from = start.saturating_sub(WIDEST / 2).min(count - WIDEST);
    let shown: String = line.chars().skip(from).take(WIDEST).collect();
    let cut = |there: bool| if there { "…" } else { "" };
    let end = from + WIDEST;
    (
        format!("{}{shown}{}", cut(from > 0), cut(end < count)),
        start - from + usize::from(from > 0),
        width(end),
    )
}

#[cfg(test)]
mod tests {
    use super::{WIDEST, excerpt};

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let all = |line: &str| (line.to_owned(), 2, 3);
        assert_eq!(excerpt("a bcd e", 2, 3), all("a bcd e"));
        assert_eq!(excerpt("a é", 2, 9), ("a é".to_owned(), 2, 1));
        for start in [0, 1, 79, 80, 81, 500, 900, 999] {
            let line: String = (0..1000)
                .map(|at| if at == start { 'X' } else { 'é' })
                .collect();
            let (text, room, width) = excerpt(&line, start, 2000);
            assert_eq!(text.chars().nth(room), Some('X'), "{start}: {text}");
            assert!(text.chars().count() <= WIDEST + 2, "{start}: {text}");
            assert!(room + width <= WIDEST + 1, "{start}: {room} {width}");
        }
    }
}
