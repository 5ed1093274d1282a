//! The cache against a server on loopback that misbehaves in every way we know of.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

mod download;
pub(crate) mod process;
pub(crate) mod server;
mod store;
mod transfer;
pub(crate) mod url;
mod versions;

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use trustnet_core::artifact::{Arch, ArtifactId, ArtifactKind, Digest, Verified, VerifiedBy};

use super::download::{Http, Limits};
use super::store::{Incoming, Store};

/// Bounds that a test can wait for.
pub(crate) fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        idle: Duration::from_millis(400),
        least: 64,
        tries: 3,
        pause: Duration::from_millis(1),
        redirects: 4,
        size: 8 << 20,
    }
}

fn http() -> Http {
    Http::direct(limits(), None)
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("artifacts")).expect("a store");
    (folder, store)
}

fn id(name: &str) -> ArtifactId {
    ArtifactId::new("sql", "15", Arch::Amd64, name).expect("a name")
}

fn incoming(name: &str) -> Incoming {
    Incoming {
        artifact: id(name),
        kind: ArtifactKind::Url,
        source: format!("https://example.org/{name}"),
        verified: Verified::by(VerifiedBy::Pin),
    }
}

/// Bytes that differ everywhere.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut digest = Digest::of(b"noise");
    while bytes.len() < length {
        bytes.extend_from_slice(digest.as_bytes());
        digest = Digest::of(digest.as_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The paths of all files below a folder, and how long they are; without locks, which are empty.
pub(crate) fn tree(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .parent()
                .is_none_or(|parent| !parent.ends_with("locks"))
            {
                let name = path
                    .strip_prefix(folder)
                    .expect("below")
                    .to_string_lossy()
                    .into_owned();
                found.push((name, path.metadata().expect("a file").len()));
            }
        }
    }
    found.sort();
    found
}
