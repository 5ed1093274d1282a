//! Imports that somebody disturbs, on the fake host.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use trustnet_core::artifact::{Checksum, Digest};
use trustnet_core::vm::IMAGE_POOL;

use super::{Ask, BringError, Bringer, Brought, Vouch};
use crate::cache::download::{Progress, Watch};
use crate::fake::{Fake, State};
use crate::image::records::Records;
use crate::paths::Paths;

/// Does something to a file as soon as anything of it was read, or has enough then.
struct Disturbing<'a> {
    file: &'a Path,
    by: Option<fn(&Path)>,
    begun: AtomicBool,
}

impl Watch for Disturbing<'_> {
    fn progress(&self, _: Progress) {
        if !self.begun.swap(true, Ordering::SeqCst)
            && let Some(by) = self.by
        {
            by(self.file);
        }
    }
    fn stopped(&self) -> bool {
        self.by.is_none() && self.begun.load(Ordering::SeqCst)
    }
}

struct Place {
    folder: TempDir,
    host: Fake,
    records: Records,
    file: PathBuf,
}

/// A host, and a file of so many bytes that is a disk.
fn place(length: usize) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("host.json");
    State::with_everything().save(&state).expect("a state");
    let home = folder.path().as_os_str().to_owned();
    let paths = Paths::from_env(|name| (name == "HOME").then(|| home.clone())).expect("a home");
    let file = folder.path().join("disk.raw");
    let mut bytes = vec![1; length];
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&file, bytes).expect("a file");
    Place {
        host: Fake::open(&state).expect("a host"),
        records: Records::of(&paths, "fake:///"),
        file,
        folder,
    }
}

impl Place {
    fn import(&self, vouched: bool, by: Option<fn(&Path)>) -> Result<Brought, BringError> {
        let digest = Digest::of(&fs::read(&self.file).expect("a file"));
        let ask = Ask {
            pool: IMAGE_POOL,
            volume: "disk.raw",
            default_user: None,
            convert: None,
        };
        let watch = Disturbing {
            file: &self.file,
            by,
            begun: AtomicBool::new(false),
        };
        let bringer = Bringer {
            hypervisor: &self.host,
            records: &self.records,
            local: true,
            folder: &self.folder.path().join("downloads"),
            watch: &watch,
        };
        let vouch = match vouched {
            true => Vouch::Checksum(Checksum::Sha256(digest)),
            false => Vouch::Nobody,
        };
        bringer.import(ask, &self.file, vouch)
    }

    /// Whether nothing came of it.
    fn is_as_it_was(&self) -> bool {
        let there = |state: &mut State| state.pools[IMAGE_POOL].volumes.contains_key("disk.raw");
        !self.host.edit(there).expect("a state") && self.records.all(IMAGE_POOL).is_empty()
    }
}

fn grow(file: &Path) {
    let mut file = fs::File::options().append(true).open(file).expect("a file");
    file.write_all(b"more").expect("written");
}

fn replace(file: &Path) {
    let other = file.with_extension("other");
    let mut bytes = fs::read(file).expect("a file");
    bytes[4096] = 2;
    fs::write(&other, bytes).expect("a file");
    fs::rename(other, file).expect("renamed");
}

#[test]
fn a_file_that_changes_while_it_is_imported_is_refused_be_it_vouched_for_or_not() {
    for by in [grow, replace] {
        for vouched in [true, false] {
            let place = place(128 << 10);
            let refused = place.import(vouched, Some(by)).expect_err("a refusal");
            assert!(matches!(refused, BringError::Changing { .. }), "{refused}");
            assert!(place.is_as_it_was());
            // Now nobody disturbs it.
            let brought = place.import(vouched, Some(|_| ())).expect("brought");
            assert!(matches!(brought, Brought::New(_)), "{brought:?}");
        }
    }
}

#[test]
fn who_has_enough_while_a_file_is_held_against_its_checksum_is_told_so() {
    let place = place(4 << 20);
    let refused = place.import(true, None).expect_err("an interruption");
    assert!(matches!(refused, BringError::Unread { .. }), "{refused}");
    assert!(place.is_as_it_was());
}
