//! From names to everything they need, on a system that has no more than its release always has.
//!
//! `Pre-Depends` and `Depends` are followed, `Recommends` is not. Of alternatives the first that can be had is
//! taken, unless one is chosen already. Packages that are essential or of priority `required` are left out,
//! because every system of the release has them, unless a relation needs a newer one than the release may have
//! begun with: how old a guest is nobody knows here.

use std::collections::BTreeSet;

use self::search::Search;
use super::index::Index;
use super::package::{Package, PackageError};
use super::relation::{Relation, RelationError};
use crate::suggest;

mod order;
mod search;

/// Why there is no closure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClosureError {
    /// What was asked for is no package's name.
    #[error("there is no package `{name}`{}", suggestion.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },
    /// The package is there, the version is not.
    #[error("there is no version `{version}` of `{name}`: the archive has {}", available.join(", "))]
    NoVersion {
        /// The package.
        name: String,
        /// What was asked for.
        version: String,
        /// What there is, the newest first.
        available: Vec<String>,
    },
    /// Several packages provide what was asked for.
    #[error("`{name}` is provided by several packages, of which one must be named: {}", providers.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Those that provide it.
        providers: Vec<String>,
    },
    /// Something that is needed cannot be had.
    #[error("`{relation}`, which {} needs, cannot be had: {why}", wanted_by(chain))]
    Unsatisfiable {
        /// What is needed.
        relation: String,
        /// Who needs it, who needs that one, and so on to the name that was asked for.
        chain: Vec<String>,
        /// Why not.
        why: String,
    },
    /// A field cannot be read.
    #[error("failed to read `{field}` of `{package}`")]
    Relation {
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// Why.
        source: RelationError,
    },
    /// A package of the closure could not be fetched by what the index says.
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// How many choices are taken back before the search is given up.
const PATIENCE: usize = 1000;

/// Everything that these names need, dependencies first, then by name. A name is a package's, or
/// `name=version`, or what exactly one package provides.
///
/// # Errors
/// A name is unknown, or something needed cannot be had.
pub fn closure(index: &Index<'_>, names: &[&str]) -> Result<Vec<Package>, ClosureError> {
    let mut asked = Vec::new();
    for name in names {
        asked.push(ask(index, name)?);
    }
    let mut banned = BTreeSet::new();
    let mut first = None;
    for _ in 0..PATIENCE {
        let failure = match Search::run(index, &asked, &banned) {
            Ok(search) => return search.finish(),
            Err(failure) => *failure,
        };
        let take_back = failure.take_back;
        let error = first.get_or_insert(failure.error).clone();
        match take_back {
            Some(place) => banned.insert(place),
            None => return Err(error),
        };
    }
    Err(first.unwrap_or(ClosureError::Unsatisfiable {
        relation: names.join(", "),
        chain: Vec::new(),
        why: "too many choices had to be taken back".to_owned(),
    }))
}

/// The place of what is asked for by name.
fn ask(index: &Index<'_>, text: &str) -> Result<usize, ClosureError> {
    let (name, version) = match text.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let versions = index.versions(name);
    let Some(newest) = versions.first() else {
        return ask_provided(index, name);
    };
    let Some(version) = version else {
        return Ok(*newest);
    };
    let of = |place: &usize| index.entry(*place).version;
    versions
        .iter()
        .find(|place| of(place) == version)
        .copied()
        .ok_or_else(|| ClosureError::NoVersion {
            name: name.to_owned(),
            version: version.to_owned(),
            available: versions.iter().map(|place| of(place).to_owned()).collect(),
        })
}

fn ask_provided(index: &Index<'_>, name: &str) -> Result<usize, ClosureError> {
    let plain = Relation {
        name,
        qualifier: None,
        version: None,
        architectures: None,
    };
    let providers: Vec<usize> = index.providers(&plain).collect();
    let names: BTreeSet<&str> = providers
        .iter()
        .map(|place| index.entry(*place).name)
        .collect();
    let unknown = || ClosureError::Unknown {
        name: name.to_owned(),
        suggestion: suggest::nearest(name, index.package_names()).map(str::to_owned),
    };
    match names.first() {
        None => Err(unknown()),
        Some(only) if names.len() == 1 => index.versions(only).first().copied().ok_or_else(unknown),
        Some(_) => Err(ClosureError::Ambiguous {
            name: name.to_owned(),
            providers: names.into_iter().map(str::to_owned).collect(),
        }),
    }
}

fn wanted_by(chain: &[String]) -> String {
    if chain.is_empty() {
        return "the request".to_owned();
    }
    let names: Vec<String> = chain.iter().map(|name| format!("`{name}`")).collect();
    names.join(", needed by ")
}
