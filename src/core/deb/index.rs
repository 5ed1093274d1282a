//! `Packages` indexes, several at once, and what they say together. Everything is borrowed: an archive has
//! tens of thousands of packages, and a closure needs a few hundred.

use std::cmp::Ordering;

use super::control;
use super::relation::{self, Relation};
use super::version;

/// What several `Packages` indexes of one release and architecture say.
#[derive(Debug)]
pub struct Index<'a> {
    architecture: String,
    entries: Vec<Entry<'a>>,
    /// Places in `entries`, by name, the newest version first.
    names: Vec<usize>,
    /// By the name that is provided.
    provided: Vec<Provided<'a>>,
}

/// One version of one package.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its architecture: the one of the index, or `all`.
    pub architecture: &'a str,
    /// Its stanza.
    pub stanza: &'a str,
    /// Which of the indexes it is from.
    pub origin: usize,
    /// Whether every system of the release has it: it is essential, or of priority `required`.
    pub base: bool,
}

/// What a package provides.
#[derive(Debug)]
pub(super) struct Provided<'a> {
    name: &'a str,
    version: Option<&'a str>,
    entry: usize,
}

/// An index that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// A stanza lacks a field.
    #[error("package {number} of the index has no `{field}`")]
    Missing {
        /// Which stanza, counted from 1.
        number: usize,
        /// What it lacks.
        field: &'static str,
    },
}

impl<'a> Index<'a> {
    /// Reads indexes; packages of other architectures are left out.
    ///
    /// # Errors
    /// A package has no name or no version.
    pub fn new(architecture: &str, texts: &[&'a str]) -> Result<Self, IndexError> {
        let mut index = Self {
            architecture: architecture.to_owned(),
            entries: Vec::new(),
            names: Vec::new(),
            provided: Vec::new(),
        };
        for (origin, text) in texts.iter().enumerate() {
            for (place, stanza) in control::stanzas(text).enumerate() {
                index.add(origin, place + 1, stanza)?;
            }
        }
        let entries = &index.entries;
        let by_name = |a: &usize, b: &usize| {
            let (x, y) = (&entries[*a], &entries[*b]);
            x.name
                .cmp(y.name)
                .then_with(|| version::compare(y.version, x.version))
        };
        index.names = (0..entries.len()).collect();
        index.names.sort_by(by_name);
        index.provided.sort_by_key(|provided| provided.name);
        Ok(index)
    }

    fn add(&mut self, origin: usize, number: usize, stanza: &'a str) -> Result<(), IndexError> {
        let (mut name, mut version, mut provides) = (None, None, None);
        let mut architecture = None;
        let mut base = false;
        // Of a field that stands there twice the first counts, here as elsewhere.
        for field in control::fields(stanza) {
            match field.name {
                "Package" => name = name.or(Some(field.value)),
                "Version" => version = version.or(Some(field.value)),
                "Architecture" => architecture = architecture.or(Some(field.value)),
                "Provides" => provides = provides.or(Some(field.value)),
                "Essential" => base |= field.value == "yes",
                "Priority" => base |= field.value == "required",
                _ => {}
            }
        }
        let architecture = architecture.unwrap_or("all");
        let missing = |field| IndexError::Missing { number, field };
        let name = name.ok_or(missing("Package"))?;
        let version = version.ok_or(missing("Version"))?;
        if architecture != "all" && architecture != self.architecture {
            return Ok(());
        }
        let entry = self.entries.len();
        self.entries.push(Entry {
            name,
            version,
            architecture,
            stanza,
            origin,
            base,
        });
        // What cannot be read is not provided: who needs it says so.
        let provided = provides.and_then(|provides| relation::list(provides).ok());
        for relation in provided.into_iter().flatten() {
            self.provided.push(Provided {
                name: relation.name,
                version: relation.version.map(|(_, version)| version),
                entry,
            });
        }
        Ok(())
    }

    /// The architecture that it is of.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// How many versions of packages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The version of a package at a place that another function has named.
    #[must_use]
    pub fn entry(&self, place: usize) -> &Entry<'a> {
        &self.entries[place]
    }

    /// The places of all versions of a package, the newest first; of one that is in several indexes, the
    /// first of these first.
    #[must_use]
    pub fn versions(&self, name: &str) -> &[usize] {
        let name_of = |place: &usize| self.entries[*place].name;
        range(&self.names, |place| name_of(place).cmp(name))
    }

    /// The names of all packages, in order.
    pub fn package_names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.names.iter().map(|place| self.entries[*place].name)
    }

    /// The packages that provide what a relation names, in the version that it wants.
    pub fn providers<'i>(&'i self, relation: &Relation<'i>) -> impl Iterator<Item = usize> + 'i {
        let relation = *relation;
        range(&self.provided, |provided| provided.name.cmp(relation.name))
            .iter()
            .filter(move |provided| relation.admits_provided(provided.version))
            .map(|provided| provided.entry)
    }

    /// Whether every system of the release meets this, however old: one of the packages that it always
    /// has, in the first version that the release can have had, does.
    #[must_use]
    pub fn is_met_by_base(&self, relation: &Relation<'_>) -> bool {
        let admits_first = |version: &str| {
            relation.version.is_none()
                || version::first_of_release(version).is_some_and(|first| relation.admits(first))
        };
        let of_name = self.versions(relation.name);
        // The newest and the oldest both: an operator may bound either side.
        let ends = of_name.first().into_iter().chain(of_name.last());
        let mut real = ends.map(|place| &self.entries[*place]).peekable();
        if real.peek().is_some_and(|entry| entry.base)
            && real.all(|entry| admits_first(entry.version))
        {
            return true;
        }
        range(&self.provided, |provided| provided.name.cmp(relation.name))
            .iter()
            .filter(|provided| self.entries[provided.entry].base)
            .any(|provided| match provided.version {
                Some(version) => admits_first(version),
                None => relation.version.is_none(),
            })
    }

    /// Whether this version of a package is what a relation names, itself or by what it provides.
    #[must_use]
    pub fn meets(&self, place: usize, relation: &Relation<'_>) -> bool {
        let entry = &self.entries[place];
        (entry.name == relation.name && relation.admits(entry.version))
            || range(&self.provided, |provided| provided.name.cmp(relation.name))
                .iter()
                .any(|provided| {
                    provided.entry == place && relation.admits_provided(provided.version)
                })
    }
}

/// The stretch of a sorted slice that compares equal.
fn range<T>(sorted: &[T], compare: impl Fn(&T) -> Ordering) -> &[T] {
    let start = sorted.partition_point(|item| compare(item).is_lt());
    let length = sorted[start..].partition_point(|item| compare(item).is_eq());
    &sorted[start..start + length]
}
