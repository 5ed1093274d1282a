//! What was asked of VMs and their services, and how it came out.

mod junit;

use serde::Serialize;

pub use junit::junit;

/// How a question came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "lowercase")]
pub enum Verdict {
    /// As it is to be.
    Passed,
    /// Not; why.
    Failed(String),
    /// It could not be asked; why.
    Skipped(String),
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Case {
    /// What is to be.
    pub name: String,
    /// Whether it is.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The last lines that were said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
}

/// The questions to one thing: the machine, or a service of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// `machine`, or the service's name.
    pub name: String,
    /// The service's version, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The questions.
    pub tests: Vec<Case>,
}

/// All questions to a VM.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Examination {
    /// The VM's name.
    pub name: String,
    /// Whether all came out well.
    pub passed: bool,
    /// The questions.
    pub groups: Vec<Group>,
}

impl Case {
    /// A question with its answer.
    #[must_use]
    pub fn new(name: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            name: name.into(),
            verdict,
            seconds: 0.0,
            output: Vec::new(),
        }
    }

    /// The same with the time that it took.
    #[must_use]
    pub fn took(self, seconds: f64) -> Self {
        Self { seconds, ..self }
    }

    /// The same with what was said.
    #[must_use]
    pub fn said(self, output: Vec<String>) -> Self {
        Self { output, ..self }
    }

    /// Whether it is as it is to be; what could not be asked is not.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }
}

impl Group {
    /// Whether all came out well.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.tests.iter().all(Case::passed)
    }
}

impl Examination {
    /// All questions to a VM.
    #[must_use]
    pub fn new(name: impl Into<String>, groups: Vec<Group>) -> Self {
        Self {
            name: name.into(),
            passed: groups.iter().all(Group::passed),
            groups,
        }
    }
}
