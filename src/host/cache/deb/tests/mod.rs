//! A small archive made by the test, over loopback and from a folder, with everything that can be wrong with it.

mod archive;
mod flat;
mod mirrors;
mod server;
mod trust;
mod ubuntu;

use std::fs;

use tempfile::TempDir;
use trustnet_core::artifact::Arch;
use trustnet_core::deb::{Package, Release};

use self::archive::{Archive, Key, NOW};
use self::server::Server;
use super::{DebArchive, DebError, Mirror, Mirrors};
use crate::error::chain;

/// An archive, a server of it, and a host that has kept nothing yet.
struct Stage {
    key: Key,
    archive: Archive,
    server: Server,
    release: Release,
    mirror: Mirror,
    cache: TempDir,
}

impl Stage {
    fn new() -> Self {
        let key = Key::new();
        let archive = Archive::new(&key);
        Self {
            server: Server::start(archive.folder.path()),
            release: archive.release(key.public()),
            mirror: Mirror::new().expect("a client"),
            cache: tempfile::tempdir().expect("a folder"),
            key,
            archive,
        }
    }

    fn at(&self, url: &str) -> DebArchive<'_> {
        let mirrors = Mirrors {
            archive: Some(url.to_owned()),
            security: Some(format!("{url}/")),
        };
        let cache = self.cache.path().join("cache");
        DebArchive::new(&self.release, Arch::Amd64, mirrors, cache, &self.mirror)
    }

    fn served(&self) -> DebArchive<'_> {
        self.at(&self.server.url)
    }

    /// The closure of `app`, or why there is none.
    fn app(&self, archive: &DebArchive<'_>) -> Result<Vec<Package>, String> {
        archive
            .closure(&["app"], NOW)
            .map_err(|error| self.said(&error))
    }

    /// An error in one line, without the port.
    fn said(&self, error: &DebError) -> String {
        chain(error).replace(&self.server.url, "URL")
    }

    /// What lies where packages are put.
    fn files(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.cache.path().join("pool")) else {
            return Vec::new();
        };
        let name = |file: fs::DirEntry| file.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = files.flatten().map(name).collect();
        names.sort();
        names
    }
}

fn words(packages: &[Package]) -> Vec<String> {
    let word = |package: &Package| format!("{}={}", package.name, package.version);
    packages.iter().map(word).collect()
}

/// What `app` comes to.
const APP: [&str; 3] = ["data=0~1", "lib=1:2.0-1+deb99u1", "app=1.0-1"];
