//! What the guest's script says: a line a fact.

use std::collections::{BTreeMap, BTreeSet};

use crate::artifact::Digest;

/// What a guest is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Distribution and version, such as `debian-12`.
    pub os: String,
    /// The kernel's name of the architecture.
    pub machine: String,
    /// `systemd`, `openrc` or `none`.
    pub init: String,
    /// `apt`, `dnf`, `apk` or `none`.
    pub packages: String,
    /// Seconds since it started.
    pub uptime_s: u64,
}

/// How a step stands in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As it is to be.
    Good,
    /// Not; why.
    Stale(String),
}

/// What the guest reports of a program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What it is.
    pub facts: Facts,
    /// How each step stands, by its number.
    pub steps: BTreeMap<usize, Standing>,
    /// Artifacts that it has.
    pub artifacts: BTreeSet<Digest>,
    /// Services that were brought, with their versions, those included that nobody asks for any more.
    pub services: BTreeMap<String, String>,
    /// Whether an earlier run still works there.
    pub busy: bool,
    /// Whether the report came to its end.
    pub complete: bool,
}

/// Something that is said while steps are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A step begins.
    Begun(usize),
    /// A step is done.
    Done(usize),
    /// A step failed; why.
    Failed(usize, String),
    /// A line of a command's output.
    Output(String),
    /// The end.
    End,
}

impl Report {
    /// Takes a line of `check`. Lines that are not understood are left out: a login may print what it likes.
    pub fn push(&mut self, line: &str) {
        let mut fields = line.split('\t');
        let word = fields.next().unwrap_or_default();
        let fields: Vec<&str> = fields.collect();
        match (word, fields.as_slice()) {
            ("tvm-fact", ["os", value]) => self.facts.os = (*value).to_owned(),
            ("tvm-fact", ["machine", value]) => self.facts.machine = (*value).to_owned(),
            ("tvm-fact", ["init", value]) => self.facts.init = (*value).to_owned(),
            ("tvm-fact", ["packages", value]) => self.facts.packages = (*value).to_owned(),
            ("tvm-fact", ["uptime", value]) => {
                self.facts.uptime_s = value.parse().unwrap_or_default();
            }
            ("tvm-step", [number, "good"]) => {
                if let Ok(number) = number.parse() {
                    self.steps.insert(number, Standing::Good);
                }
            }
            ("tvm-step", [number, "stale", why]) => {
                if let Ok(number) = number.parse() {
                    self.steps
                        .insert(number, Standing::Stale((*why).to_owned()));
                }
            }
            ("tvm-have", [digest]) => self.artifacts.extend(Digest::parse(digest).ok()),
            ("tvm-service", [name, version]) => {
                self.services
                    .insert((*name).to_owned(), (*version).to_owned());
            }
            ("tvm-busy", _) => self.busy = true,
            ("tvm-end", _) => self.complete = true,
            _ => {}
        }
    }
}

impl Said {
    /// Reads a line of `run`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        if let Some(text) = line.strip_prefix("| ") {
            return Some(Self::Output(text.to_owned()));
        }
        let mut fields = line.splitn(3, '\t');
        let word = fields.next()?;
        let number = |fields: &mut dyn Iterator<Item = &str>| fields.next()?.parse().ok();
        match word {
            "tvm-begun" => number(&mut fields).map(Self::Begun),
            "tvm-done" => number(&mut fields).map(Self::Done),
            "tvm-failed" => {
                let step = number(&mut fields)?;
                Some(Self::Failed(
                    step,
                    fields.next().unwrap_or_default().to_owned(),
                ))
            }
            "tvm-end" => Some(Self::End),
            _ => None,
        }
    }
}
