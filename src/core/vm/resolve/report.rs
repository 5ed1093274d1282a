//! The problems found so far.

use crate::problem::{Problem, Severity};

/// The problems found so far, and whose file it is.
pub(super) struct Report {
    problems: Vec<Problem>,
    foundry: bool,
}

/// A problem that was just reported, for its hint.
pub(super) struct Reported<'a>(&'a mut Problem);

impl Reported<'_> {
    pub fn hint(self, hint: impl Into<String>) {
        *self.0 = self.0.clone().hint(hint);
    }
}

impl Report {
    pub fn new(foundry: bool) -> Self {
        Self {
            problems: Vec::new(),
            foundry,
        }
    }

    /// Whether the file was written for Foundry.
    pub fn foundry(&self) -> bool {
        self.foundry
    }

    pub fn error(&mut self, path: impl Into<String>, message: impl Into<String>) -> Reported<'_> {
        self.push(Problem::error(path, message))
    }

    pub fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) -> Reported<'_> {
        self.push(Problem::warning(path, message))
    }

    /// An error, but a warning in Foundry's files: Foundry itself does not check this.
    pub fn lenient(&mut self, path: impl Into<String>, message: impl Into<String>) -> Reported<'_> {
        if self.foundry {
            self.warning(path, message)
        } else {
            self.error(path, message)
        }
    }

    /// The value, or its error reported at `path`.
    pub fn take<T, E: ToString>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| {
                self.error(path, error.to_string());
            })
            .ok()
    }

    /// The warnings, or everything if there is an error.
    pub fn finish(self) -> Result<Vec<Problem>, Vec<Problem>> {
        if self.problems.iter().any(|p| p.severity == Severity::Error) {
            Err(self.problems)
        } else {
            Ok(self.problems)
        }
    }

    fn push(&mut self, problem: Problem) -> Reported<'_> {
        let last = self.problems.len();
        self.problems.push(problem);
        Reported(&mut self.problems[last])
    }
}
