//! The lock beside the specs of a folder: one process at a time reads it, works with it and writes it.

use std::path::{Path, PathBuf};

use trustnet_core::artifact::{Arch, Digest};
use trustnet_core::lockfile::{self, Lock};
use trustnet_host::interrupt::Interrupt;
use trustnet_host::lock;
use trustnet_host::paths::Paths;

use crate::failure::{Exit, Failure};

/// How the locks of an invocation are worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use<'a> {
    /// What is locked counts, and what is not is added.
    Add,
    /// What is locked counts, and nothing is written.
    Read,
    /// What is locked of the services that are worked on does not count, and is replaced: for guests of this
    /// architecture and release.
    Renew(Arch, Option<&'a str>),
}

/// The lock of a folder.
pub struct LockFile<'a> {
    /// Folders of the user.
    pub paths: &'a Paths,
    /// The folder of the specs.
    pub folder: &'a Path,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
}

impl LockFile<'_> {
    /// Works with the lock, and writes it where it has changed: also where something failed, for what was
    /// locked before that is worth keeping. What others have locked stays.
    ///
    /// # Errors
    /// It cannot be read or written, or the work fails.
    pub fn with(
        &self,
        how: Use<'_>,
        services: &[&str],
        work: impl FnOnce(&mut Lock) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _mine = self.guard()?;
        let path = self.folder.join(lockfile::FILE_NAME);
        let before = read(&path)?;
        let mut lock = before.clone();
        if matches!(how, Use::Renew(..)) {
            services.iter().for_each(|service| lock.forget(service));
        }
        let worked = work(&mut lock);
        if let Use::Renew(arch, release) = how {
            // Half of what is new is not better than what there was.
            worked?;
            let renewed = before.clone().renewed(lock, services, arch, release);
            return write(&path, &renewed, &before);
        }
        // The folder of a VM that was made long ago may be gone; its guest needs no lock.
        if how == Use::Read || !self.folder.is_dir() {
            return worked;
        }
        worked.and(write(&path, &lock, &before))
    }

    /// Keeps other threads and processes from the lock.
    fn guard(&self) -> Result<lock::Lock, Failure> {
        let folder = std::fs::canonicalize(self.folder).unwrap_or_else(|_| self.folder.to_owned());
        let name = Digest::of(folder.as_os_str().as_encoded_bytes()).short();
        let path = self.paths.state.join("folders").join(name);
        let lock = lock::Lock::take_unless(&path, || self.interrupt.stop())?;
        lock.ok_or_else(|| Failure::new(Exit::Interrupted, "interrupted"))
    }
}

fn read(path: &Path) -> Result<Lock, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Lock::parse(&text).map_err(|why| {
            Failure::new(
                Exit::Spec,
                format!("failed to read `{}`: {why}", path.display()),
            )
            .hint("remove it to look everything up anew")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lock::default()),
        Err(error) => Err(Failure::new(
            Exit::Usage,
            format!("failed to read `{}`: {error}", path.display()),
        )),
    }
}

/// Writes a lock whole, if it is another than `before`.
fn write(path: &Path, lock: &Lock, before: &Lock) -> Result<(), Failure> {
    if lock == before {
        return Ok(());
    }
    let failed = |why: String| {
        Failure::new(
            Exit::Usage,
            format!("failed to write `{}`: {why}", path.display()),
        )
    };
    let text = lock.to_yaml().map_err(|why| failed(why.to_string()))?;
    let staging: PathBuf = path.with_extension(format!("lock.{}", std::process::id()));
    let written = std::fs::write(&staging, text).and_then(|()| std::fs::rename(&staging, path));
    written.map_err(|error| {
        // It may never have been there.
        let _ = std::fs::remove_file(&staging);
        failed(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use trustnet_core::artifact::{ArtifactId, ArtifactKind};
    use trustnet_core::lockfile::{LockKey, Locked};

    use super::*;

    fn lock_of(lock: &mut Lock, service: &str, content: &str) {
        let artifact = ArtifactId::new(service, "1", Arch::Amd64, "program").expect("an artifact");
        let release = None;
        lock.set(
            LockKey { artifact, release },
            Locked::File {
                kind: ArtifactKind::Url,
                source: "https://example.org/program".to_owned(),
                sha256: Digest::of(content.as_bytes()),
                size: 1,
            },
        );
    }

    fn with(folder: &Path, how: Use<'_>, work: impl FnOnce(&mut Lock) -> Result<(), Failure>) {
        let home = folder.parent().expect("a parent").as_os_str().to_owned();
        let paths = Paths::from_env(|name| (name == "HOME").then(|| home.clone())).expect("paths");
        let file = LockFile {
            paths: &paths,
            folder,
            interrupt: &Interrupt::default(),
        };
        // Whether it fails is the work's own decision here.
        let _ = file.with(how, &["mine"], work);
    }

    fn specs() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("specs");
        std::fs::create_dir(&folder).expect("a folder");
        (root, folder)
    }

    fn digests(folder: &Path) -> Vec<Digest> {
        let lock = read(&folder.join(lockfile::FILE_NAME)).expect("a lock");
        lock.digests().into_iter().collect()
    }

    fn sorted(contents: &[&str]) -> Vec<Digest> {
        let mut digests: Vec<Digest> = contents.iter().map(|c| Digest::of(c.as_bytes())).collect();
        digests.sort();
        digests
    }

    #[test]
    fn what_is_locked_at_the_same_time_is_all_kept() {
        let (_root, folder) = specs();
        let names = ["a", "b", "c", "d", "e", "f"];
        std::thread::scope(|scope| {
            for name in names {
                scope.spawn(|| {
                    with(&folder, Use::Add, |lock| {
                        std::thread::yield_now();
                        lock_of(lock, name, name);
                        Ok(())
                    });
                });
            }
        });
        assert_eq!(digests(&folder), sorted(&names));
    }

    #[test]
    fn what_is_renewed_leaves_the_rest_and_is_renewed_whole_or_not() {
        let (_root, folder) = specs();
        with(&folder, Use::Add, |lock| {
            lock_of(lock, "mine", "old");
            lock_of(lock, "other", "other");
            Ok(())
        });
        with(&folder, Use::Renew(Arch::Amd64, None), |lock| {
            assert_eq!(
                lock.digests().into_iter().collect::<Vec<_>>(),
                sorted(&["other"])
            );
            Err(Failure::new(Exit::Provision, "it failed"))
        });
        assert_eq!(digests(&folder), sorted(&["old", "other"]));
        with(&folder, Use::Renew(Arch::Amd64, None), |lock| {
            lock_of(lock, "mine", "new");
            Ok(())
        });
        assert_eq!(digests(&folder), sorted(&["new", "other"]));
    }

    #[test]
    fn nothing_is_written_where_nothing_may_be_or_no_folder_is_left() {
        let (_root, folder) = specs();
        let gone = folder.with_file_name("gone");
        for (folder, how) in [(&folder, Use::Read), (&gone, Use::Add)] {
            let mut worked = false;
            with(folder, how, |lock| {
                lock_of(lock, "mine", "new");
                worked = true;
                Ok(())
            });
            assert!(worked && !folder.join(lockfile::FILE_NAME).exists());
        }
    }
}
