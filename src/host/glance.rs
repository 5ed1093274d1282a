//! The addresses of VMs, remembered between lists, so that a list of a thousand VMs asks libvirt one
//! question and not a thousand.
//!
//! It cannot grow stale: an address is remembered under a UUID that is itself made from the digest of
//! the spec that says the address. A VM with another address has another UUID. Which VMs there are,
//! libvirt alone says. The file may be thrown away at any time.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::journal::connection_name;
use crate::paths::{Paths, private_dir, write_private};

/// Addresses by UUID.
pub type Addresses = BTreeMap<String, Vec<String>>;

/// What is remembered of one connection.
pub struct Glance {
    path: PathBuf,
    known: Addresses,
}

impl Glance {
    /// Reads it; what cannot be read is not known.
    #[must_use]
    pub fn read(paths: &Paths, uri: &str) -> Self {
        let path = paths
            .cache
            .join(connection_name(uri))
            .join("addresses.json");
        let known = fs::read(&path)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok());
        Self {
            path,
            known: known.unwrap_or_default(),
        }
    }

    /// The addresses of the VM whose domain has this UUID.
    #[must_use]
    pub fn of(&self, uuid: &str) -> Option<&Vec<String>> {
        self.known.get(uuid)
    }

    /// Remembers these, and forgets all others. Where that fails, the next list asks again.
    pub fn keep(&self, known: &Addresses) {
        if *known == self.known {
            return;
        }
        let (Some(folder), Ok(json)) = (self.path.parent(), serde_json::to_vec(known)) else {
            return;
        };
        if private_dir(folder).is_ok() {
            let _ = write_private(&self.path, &json);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a test fails where it expects")]

    use super::*;

    #[test]
    fn what_is_kept_is_known_again_on_the_same_connection_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().as_os_str().to_owned();
        let paths = Paths::from_env(|name| (name == "HOME").then(|| home.clone())).expect("a home");
        let read = |uri| Glance::read(&paths, uri);
        let addresses = vec!["192.0.2.5".to_owned()];
        read("a:///").keep(&Addresses::from([("1".to_owned(), addresses.clone())]));
        assert_eq!(read("a:///").of("1"), Some(&addresses));
        assert_eq!(read("a:///").of("2"), None);
        assert_eq!(read("b:///").of("1"), None);
        read("a:///").keep(&Addresses::new());
        assert_eq!(read("a:///").of("1"), None);
    }
}
