//! A package that was chosen, and the index of a flat repository of such.

use super::index::Entry;
use super::{control, relation, version};
use crate::artifact::Digest;

/// One package of a closure: what is needed to fetch it and to offer it to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture: the guest's, or `all`.
    pub architecture: String,
    /// Its file, relative to the archive.
    pub filename: String,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's SHA-256.
    pub sha256: Digest,
    /// Which of the indexes names it, counted from 0.
    pub origin: usize,
    /// Its stanza in the index.
    pub stanza: String,
}

/// A package whose stanza does not say what is needed to fetch it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the index gives `{package}` no good `{field}`")]
pub struct PackageError {
    /// The package.
    pub package: String,
    /// The field that is missing or cannot be used.
    pub field: &'static str,
}

impl Package {
    /// From what an index says.
    ///
    /// # Errors
    /// A field is missing, or is nothing that a file could be fetched and named by.
    pub fn new(entry: &Entry<'_>) -> Result<Self, PackageError> {
        let field = |field: &'static str| {
            control::field(entry.stanza, field).ok_or_else(|| bad(entry, field))
        };
        if !relation::is_package_name(entry.name) {
            return Err(bad(entry, "Package"));
        }
        if !version::is_version(entry.version) {
            return Err(bad(entry, "Version"));
        }
        let filename = field("Filename")?;
        if !is_relative(filename) {
            return Err(bad(entry, "Filename"));
        }
        Ok(Self {
            name: entry.name.to_owned(),
            version: entry.version.to_owned(),
            architecture: entry.architecture.to_owned(),
            filename: filename.to_owned(),
            size: field("Size")?.parse().map_err(|_| bad(entry, "Size"))?,
            sha256: Digest::parse(field("SHA256")?).map_err(|_| bad(entry, "SHA256"))?,
            origin: entry.origin,
            stanza: entry.stanza.to_owned(),
        })
    }

    /// The name of its file in a flat repository.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.deb", self.name)
    }
}

/// The `Packages` index of a flat repository, where each package lies as `./<name>.deb`. A guest's apt reads it
/// with `deb [trusted=yes] file:/path ./`, and checks each file against its digest.
#[must_use]
pub fn flat_index(packages: &[Package]) -> String {
    let mut text = String::new();
    for package in packages {
        for field in control::fields(&package.stanza) {
            if field.name.eq_ignore_ascii_case("Filename") {
                text.push_str("Filename: ./");
                text.push_str(&package.file());
            } else {
                text.push_str(field.text.trim_end());
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

fn bad(entry: &Entry<'_>, field: &'static str) -> PackageError {
    PackageError {
        package: entry.name.to_owned(),
        field,
    }
}

/// A path that stays below the archive, and is a part of a URL as it stands.
fn is_relative(path: &str) -> bool {
    path.split('/')
        .enumerate()
        .all(|(at, part)| !part.is_empty() && part != ".." && (part != "." || at == 0))
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/+-._~:=,@%".contains(&byte))
        && !path
            .split('/')
            .next()
            .is_some_and(|first| first.contains(':'))
}
