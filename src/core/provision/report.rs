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
    /// There is more to come: the folder of the run, and from which byte on.
    More(String, u64),
    /// How a unit is: `runs`, `starts` or `failed`.
    Unit(String),
    /// The end.
    End,
}

impl Report {
    /// Takes a line of `check`, by its fields. Lines that are not understood are left out.
    pub fn push(&mut self, fields: &[&str]) {
        let Some((word, fields)) = fields.split_first() else {
            return;
        };
        match (*word, fields) {
            ("fact", ["os", value]) => self.facts.os = (*value).to_owned(),
            ("fact", ["machine", value]) => self.facts.machine = (*value).to_owned(),
            ("fact", ["init", value]) => self.facts.init = (*value).to_owned(),
            ("fact", ["packages", value]) => self.facts.packages = (*value).to_owned(),
            ("fact", ["uptime", value]) => {
                self.facts.uptime_s = value.parse().unwrap_or_default();
            }
            ("step", [number, "good"]) => {
                if let Ok(number) = number.parse() {
                    self.steps.insert(number, Standing::Good);
                }
            }
            ("step", [number, "stale", why]) => {
                if let Ok(number) = number.parse() {
                    self.steps
                        .insert(number, Standing::Stale((*why).to_owned()));
                }
            }
            ("have", [digest]) => self.artifacts.extend(Digest::parse(digest).ok()),
            ("service", [name, version]) => {
                self.services
                    .insert((*name).to_owned(), (*version).to_owned());
            }
            ("busy", _) => self.busy = true,
            ("end", _) => self.complete = true,
            _ => {}
        }
    }
}

impl Said {
    /// Reads a line of `run` or `follow`, by its fields.
    #[must_use]
    pub fn parse(fields: &[&str]) -> Option<Self> {
        match fields {
            ["begun", step] => step.parse().ok().map(Self::Begun),
            ["done", step] => step.parse().ok().map(Self::Done),
            ["failed", step, why] => {
                let step = step.parse().ok()?;
                Some(Self::Failed(step, (*why).to_owned()))
            }
            ["more", folder, from] => {
                let good = folder.starts_with("run.")
                    && folder[4..].chars().all(|c| c.is_ascii_alphanumeric());
                let from = from.parse().ok()?;
                good.then(|| Self::More((*folder).to_owned(), from))
            }
            ["unit", _, state] => Some(Self::Unit((*state).to_owned())),
            ["end"] => Some(Self::End),
            _ => None,
        }
    }
}
