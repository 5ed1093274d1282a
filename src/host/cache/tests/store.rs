//! The store itself.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;

use trustnet_core::artifact::Digest;

use super::{id, incoming, noise, store, tree};
use crate::cache::error::CacheError;

#[test]
fn what_is_put_in_is_there_under_its_digest_and_under_its_name() {
    let (folder, store) = store();
    let bytes = noise(600_000);
    let digest = Digest::of(&bytes);
    assert!(!store.have(&digest));
    let entry = store
        .insert(
            &mut bytes.as_slice(),
            Some(&digest),
            Some(600_000),
            &incoming("app"),
        )
        .expect("it is put in");
    assert_eq!((entry.sha256, entry.size), (digest, 600_000));
    assert!(store.have(&digest));
    assert_eq!(store.entry(&id("app")), Some(entry.clone()));
    assert_eq!(
        store.entries().expect("entries"),
        std::slice::from_ref(&entry)
    );
    let path = store.verify_one(&digest).expect("it is good");
    assert_eq!(fs::read(&path).expect("a file"), bytes);
    assert_eq!(
        path.metadata().expect("a file").permissions().mode() & 0o777,
        0o644
    );
    let index = folder.path().join("artifacts/index/amd64/sql/15/app.json");
    assert!(index.is_file(), "{:?}", tree(folder.path()));
    assert_eq!(tree(folder.path()).len(), 2, "{:?}", tree(folder.path()));
    for prefix in ["", &digest.to_string()[..7], &format!("sha256:{digest}")] {
        assert_eq!(
            store.why(prefix).expect("entries"),
            std::slice::from_ref(&entry),
            "{prefix}"
        );
    }
    assert_eq!(store.why("zz").expect("entries"), []);
}

/// A stream that breaks.
struct Breaks<'a>(&'a [u8]);

impl Read for Breaks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::other("it broke"));
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_stream_that_breaks_or_is_something_else_leaves_nothing() {
    let (folder, store) = store();
    let bytes = noise(300_000);
    let digest = Digest::of(&bytes);
    let put = |stream: &mut dyn Read, digest: &Digest, size: u64| {
        store
            .insert(stream, Some(digest), Some(size), &incoming("app"))
            .expect_err("refused")
            .to_string()
    };
    assert!(put(&mut Breaks(&bytes), &digest, 300_000).contains("failed to write"));
    let text = put(&mut bytes.as_slice(), &Digest::of(b"else"), 300_000);
    assert!(text.contains("its digest is"), "{text}");
    let text = put(&mut bytes.as_slice(), &digest, 299_999);
    assert!(text.contains("more than 299999 bytes"), "{text}");
    let text = put(&mut bytes.as_slice(), &digest, 300_001);
    assert!(text.contains("300000 bytes, not 300001"), "{text}");
    assert_eq!(tree(folder.path()), []);
}

#[test]
fn a_blob_whose_bytes_have_changed_is_never_handed_out_and_is_got_again() {
    let (_folder, store) = store();
    let bytes = noise(1000);
    let digest = Digest::of(&bytes);
    let put = || store.insert(&mut bytes.as_slice(), Some(&digest), None, &incoming("app"));
    put().expect("it is put in");
    let mut changed = bytes.clone();
    changed[500] ^= 1;
    fs::write(store.path(&digest), &changed).expect("a file");
    let error = store.verify_one(&digest).expect_err("it has changed");
    let CacheError::Damaged { found, moved, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*found, Digest::of(&changed));
    assert_eq!(fs::read(moved).expect("it is kept aside"), changed);
    assert!(!store.have(&digest));
    assert!(matches!(
        store.verify_one(&digest),
        Err(CacheError::Missing(_))
    ));
    put().expect("it is put in again");
    store.verify_one(&digest).expect("it is good again");
}

#[test]
fn a_check_of_all_tells_what_is_damaged_missing_or_named_by_nothing() {
    let (folder, store) = store();
    let put = |name: &str| {
        store
            .insert(&mut name.as_bytes(), None, None, &incoming(name))
            .expect("it is put in")
            .sha256
    };
    let (_good, damaged, missing, orphan) =
        (put("good"), put("damaged"), put("missing"), put("orphan"));
    fs::write(store.path(&damaged), "changed").expect("a file");
    fs::remove_file(store.path(&missing)).expect("a file");
    let index = folder.path().join("artifacts/index/amd64/sql/15");
    fs::remove_file(index.join("orphan.json")).expect("a file");
    fs::write(index.join("strange.json"), "{}").expect("a file");
    fs::copy(index.join("good.json"), index.join("moved.json")).expect("a file");
    let report = store.verify(&mut |_| {}).expect("a report");
    assert_eq!((report.good, report.bytes), (2, 10));
    assert_eq!(report.damaged, [damaged]);
    let named = store
        .blobs()
        .expect("blobs")
        .into_iter()
        .map(|(digest, _)| digest);
    let pruned = store.prune(&named.collect(), false).expect("it is pruned");
    assert_eq!(
        (
            pruned.entries.len(),
            pruned.blobs.len(),
            pruned.leftovers.len()
        ),
        (2, 0, 3)
    );
    assert_eq!(report.orphans, [orphan]);
    assert_eq!(report.missing.len(), 1);
    assert_eq!(report.missing[0].sha256, missing);
    assert_eq!(
        report.unreadable,
        [index.join("moved.json"), index.join("strange.json")]
    );
}

#[test]
fn pruning_keeps_what_is_to_be_kept_and_tells_before_it_removes() {
    let (folder, store) = store();
    let put = |name: &str| {
        store
            .insert(&mut name.as_bytes(), None, None, &incoming(name))
            .expect("it is put in")
            .sha256
    };
    let (kept, gone) = (put("kept"), put("gone"));
    let partial = store.partial(&gone);
    fs::write(&partial, "half").expect("a file");
    let busy = store.partial(&kept).with_extension("insert");
    fs::write(&busy, "somebody is at work on it").expect("a file");
    let lock = store.lock(&kept, &()).expect("a lock").expect("it is free");
    let before = tree(folder.path());
    // Somebody has just put it there, and has not said yet what it is for.
    let (fresh, unnamed) = (
        put("fresh"),
        folder
            .path()
            .join("artifacts/index/amd64/sql/15/fresh.json"),
    );
    fs::remove_file(&unnamed).expect("a file");
    let at_work = store
        .lock(&fresh, &())
        .expect("a lock")
        .expect("it is free");
    let before = [before, vec![(format!("artifacts/sha256/{fresh}"), 5)]].concat();
    let keep = BTreeSet::from([kept]);
    let told = store.prune(&keep, true).expect("it can be told");
    assert_eq!(tree(folder.path()).len(), before.len());
    let done = store.prune(&keep, false).expect("it can be done");
    assert_eq!(told, done);
    assert_eq!(done.blobs, [(gone, 4)]);
    assert_eq!(done.entries.len(), 1);
    assert_eq!(done.leftovers, [(partial, 4)]);
    assert_eq!(done.bytes(), 8);
    assert!(store.have(&kept) && !store.have(&gone) && busy.is_file());
    assert_eq!(store.entries().expect("entries").len(), 1);
    assert!(store.have(&fresh));
    drop((lock, at_work));
    store
        .prune(&BTreeSet::new(), false)
        .expect("it can be done");
    assert_eq!(tree(folder.path()), []);
    assert_eq!(
        fs::read_dir(folder.path().join("artifacts/index"))
            .expect("a folder")
            .count(),
        0
    );
}
