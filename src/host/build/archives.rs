//! What the archives hold of a recipe's suites.

use std::fs;
use std::path::Path;

use trustnet_core::recipe::{Archive, Suite};

use super::BuildError;
use crate::cache::download::{Fetch, Request, Watch, WithLocal};
use crate::error::HostError;

/// The most bytes that a suite's list may have.
const MOST: u64 = 16 << 20;

/// Asks the archives.
pub(super) fn ask(
    from: &dyn Fetch,
    suites: &[Suite],
    architecture: &str,
    watch: &dyn Watch,
) -> Result<Vec<Archive>, BuildError> {
    let from = WithLocal(from);
    let one = |suite: &Suite| {
        let list = |file: &str| {
            let url = format!("{}/dists/{}/{file}", suite.mirror, suite.name);
            from.document(&Request::new(url), MOST, watch)
        };
        // Small archives have the list and its signature apart.
        let bytes = list("InRelease").or_else(|error| list("Release").map_err(|_| error));
        let bytes = bytes.map_err(|source| BuildError::Archive {
            suite: suite.name.clone(),
            mirror: suite.mirror.clone(),
            source,
        })?;
        answer(&bytes, suite, architecture)
    };
    suites.iter().map(one).collect()
}

/// Reads the lists that apt kept in a folder while it built: their names end in those of the suites.
pub(super) fn read(
    folder: &[(String, Vec<u8>)],
    suites: &[Suite],
    architecture: &str,
) -> Result<Vec<Archive>, BuildError> {
    let one = |suite: &Suite| {
        let is_its = |name: &str| {
            ["InRelease", "Release"]
                .iter()
                .any(|file| name.ends_with(&format!("_dists_{}_{file}", suite.name)))
        };
        let (_, bytes) = folder
            .iter()
            .find(|(name, _)| is_its(name))
            .ok_or_else(|| BuildError::Moved(suite.name.clone()))?;
        answer(bytes, suite, architecture)
    };
    suites.iter().map(one).collect()
}

fn answer(bytes: &[u8], suite: &Suite, architecture: &str) -> Result<Archive, BuildError> {
    let text = String::from_utf8_lossy(bytes);
    Archive::read(&text, suite, architecture).map_err(|source| BuildError::Answer {
        suite: suite.name.clone(),
        mirror: suite.mirror.clone(),
        source,
    })
}

/// The files of a folder, by name.
pub(super) fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, HostError> {
    let read = || {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, fs::read(entry.path())?));
        }
        Ok(files)
    };
    read().map_err(HostError::file("read", folder))
}
