//! What a node remembers from run to run, in a file of its data folder.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use trustnet_registry::file;

use crate::bans::BanList;
use crate::peers::Remembered;

/// The file's name.
const FILE: &str = "memory.json";

/// What a node remembers from run to run. To lose it does no harm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The edition of the node's last card.
    pub edition: u64,
    /// Registries that took the node, the best first.
    pub registries: Vec<String>,
    /// The peers that it knew.
    pub peers: Vec<Remembered>,
    /// Whom the administrator keeps out.
    pub bans: BanList,
}

impl Memory {
    /// What is remembered in a folder: nothing, if there is no file, or none that can be read.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what was remembered cannot be read");
                return Self::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "what was remembered is damaged; it is made anew");
            Self::default()
        })
    }

    /// Writes it whole, or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        file::replace(&folder.join(FILE), &text)
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;
    use crate::bans::BanList;

    #[test]
    fn what_is_written_is_read_again_and_damage_is_no_obstacle() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Memory::load(folder.path()), Memory::default());
        let memory = Memory {
            edition: 7,
            registries: vec!["[2001:db8::1]:8000".to_owned()],
            peers: Vec::new(),
            bans: BanList {
                version: 3,
                nodes: vec!["0x0102030405060708".to_owned()],
            },
        };
        memory.save(folder.path()).expect("written");
        assert_eq!(Memory::load(folder.path()), memory);
        let names = std::fs::read_dir(folder.path()).expect("a folder");
        assert_eq!(names.count(), 1);
        std::fs::write(folder.path().join("memory.json"), "{\"edi").expect("written");
        assert_eq!(Memory::load(folder.path()), Memory::default());
    }
}
