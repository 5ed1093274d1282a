//! What killed runs have left of images on this machine, beside the pools.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::HostError;
use crate::lock::Lock;

/// Files that nobody goes on with while this value lives.
#[derive(Debug, Default)]
pub struct Strays {
    /// The files, sorted.
    pub files: Vec<PathBuf>,
    locks: Vec<Lock>,
}

/// The files that are left in the folder for images on their way: parts of downloads, and what was made of them. What
/// somebody is about to go on with is not among them.
///
/// # Errors
/// A lock cannot be taken.
pub fn strays(folder: &Path) -> Result<Strays, HostError> {
    let mut strays = Strays::default();
    for folder in [folder.to_owned(), made(folder)] {
        let mut left: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let entries = fs::read_dir(&folder).into_iter().flatten();
        for entry in entries.filter_map(Result::ok) {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // What the file is of, and what it is.
            if let Some((key, kind)) = name.split_once('.')
                && KINDS.contains(&kind)
            {
                let files = left.entry(key.to_owned()).or_default();
                files.push(entry.path());
            }
        }
        for (key, files) in left {
            if let Some(lock) = Lock::try_take(&lock_of(&folder, &key))? {
                strays.locks.push(lock);
                strays.files.extend(files);
            }
        }
    }
    strays.files.sort();
    Ok(strays)
}

/// What is made on the way, and nothing else.
const KINDS: [&str; 5] = ["part", "origin", "unpacked", "converted", "converted.part"];

/// How the names of locks end.
const LOCK: &str = "lock";

/// The lock of whoever makes something of this key in a folder.
pub(super) fn lock_of(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.{LOCK}"))
}

/// Where images are unpacked and converted whose pool is no folder. Not among the downloads, which look after their own.
pub(super) fn made(folder: &Path) -> PathBuf {
    folder.join("made")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{lock_of, made, strays};
    use crate::lock::Lock;

    #[test]
    fn what_nobody_goes_on_with_is_left_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        assert_eq!(strays(&folder.join("none")).expect("none").files.len(), 0);
        let made = made(folder);
        fs::create_dir(&made).expect("a folder");
        for path in [
            folder.join("a.part"),
            folder.join("a.origin"),
            folder.join("b.part"),
            folder.join("a.lock"),
            made.join("a.converted.part"),
            made.join("c.unpacked"),
        ] {
            fs::write(path, "x").expect("a file");
        }
        let _busy = [
            Lock::try_take(&folder.join("b.lock")).expect("a lock"),
            Lock::try_take(&lock_of(&made, "c")).expect("a lock"),
        ];
        let left = strays(folder).expect("strays");
        let expected = [
            folder.join("a.origin"),
            folder.join("a.part"),
            made.join("a.converted.part"),
        ];
        assert_eq!(left.files, expected);
        // Who looks has them.
        assert_eq!(strays(folder).expect("strays").files.len(), 0);
    }
}
