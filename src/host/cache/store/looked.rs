//! Which blobs were hashed in this run, and are what they were then.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use trustnet_core::artifact::Digest;

/// How long ago a file must have changed last for its times to tell the next change: some file systems count in seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// A file as it was: whoever writes to it, or puts another in its place, changes one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// A file as it is now.
    pub fn of(facts: &Metadata) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }

    fn is_settled(&self) -> bool {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let since = since.unwrap_or_default().saturating_sub(SETTLED).as_secs();
        u64::try_from(self.changed.0).is_ok_and(|changed| changed < since)
    }
}

/// What was found to be good. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Looked(Arc<Mutex<BTreeMap<Digest, Stamp>>>);

impl Looked {
    /// Whether the file was hashed, and has not changed since.
    pub fn knows(&self, digest: &Digest, stamp: &Stamp) -> bool {
        self.all().get(digest) == Some(stamp)
    }

    /// It is good; `stamp` is from before it was hashed.
    pub fn note(&self, digest: &Digest, stamp: Stamp) {
        if stamp.is_settled() {
            self.all().insert(*digest, stamp);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Digest, Stamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::time::{Duration, SystemTime};

    use super::{Looked, Stamp};
    use trustnet_core::artifact::Digest;

    #[test]
    fn a_file_is_known_until_a_byte_of_it_changes_whatever_its_time_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("blob");
        fs::write(&path, "content").expect("a file");
        let digest = Digest::of(b"content");
        let stamp = || Stamp::of(&fs::metadata(&path).expect("it is there"));
        let looked = Looked::default();
        looked.note(&digest, stamp());
        assert!(!looked.knows(&digest, &stamp()), "it was made just now");
        let old = Stamp {
            changed: (stamp().changed.0 - 10, 0),
            ..stamp()
        };
        looked.note(&digest, old.clone());
        assert!(looked.clone().knows(&digest, &old));
        let file = File::options().write(true).open(&path).expect("a file");
        file.write_all_at(b"K", 0).expect("it is written");
        let before = SystemTime::UNIX_EPOCH
            + Duration::new(u64::try_from(old.modified.0).expect("a time"), 0);
        file.set_modified(before).expect("its time is set back");
        assert!(!looked.knows(&digest, &stamp()));
    }
}
