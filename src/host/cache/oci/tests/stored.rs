//! Images in the store.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use trustnet_core::artifact::{Arch, ArtifactId, Digest, VerifiedBy};

use super::super::{Login, Wanted, fetch};
use super::image::{Image, digest, whole};
use super::liar::{Answer, Liar};
use super::name;
use crate::cache::download::Watch;
use crate::cache::error::CacheError;
use crate::cache::store::Store;
use crate::cache::url::Fetched;

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("artifacts")).expect("a store");
    (folder, store)
}

fn get(
    store: &Store,
    image: &str,
    expected: Option<&Digest>,
    watch: &dyn Watch,
) -> Result<Fetched, CacheError> {
    let artifact = ArtifactId::new("vault", "1.0", Arch::Amd64, "image").expect("a name");
    let wanted = Wanted {
        artifact: &artifact,
        image: &name(image),
        login: &Login::Anonymous,
        expected,
    };
    fetch(store, &wanted, watch)
}

fn is_empty(store: &Store) {
    let blob = store.path(&Digest::of(b""));
    let root = blob.ancestors().nth(2).expect("the store's folder");
    let count = |name: &str| fs::read_dir(root.join(name)).expect("a folder").count();
    assert_eq!(
        (count("sha256"), count("partial"), count("index")),
        (0, 0, 0)
    );
}

#[test]
fn an_image_is_fetched_once_and_then_needs_no_registry() {
    let (_folder, store) = store();
    let image = Image::new("amd64", &["one", "two"]);
    let liar = Liar::start(whole(&image, "hello", "1.0"));
    let tagged = format!("{}/hello:1.0", liar.host);
    let first = get(&store, &tagged, None, &()).expect("it is pulled");
    let pinned = format!("{tagged}@{}", digest(&image.manifest()));
    assert!(first.fetched);
    assert_eq!(first.entry.source, pinned);
    assert_eq!(first.entry.verified.by, VerifiedBy::Manifest);
    assert_eq!(first.entry.verified.detail, Some(digest(&image.manifest())));
    let size = store.size(&first.entry.sha256).expect("it is there");
    assert_eq!(first.entry.size, size);

    let asked = liar.requests().len();
    for expected in [None, Some(&first.entry.sha256)] {
        let again = get(&store, &pinned, expected, &()).expect("it is there");
        assert!(!again.fetched);
        assert_eq!(again.entry, first.entry);
    }
    assert_eq!(liar.requests().len(), asked, "nobody was asked");
    // A tag is looked up, and nothing more.
    assert!(
        !get(&store, &tagged, None, &())
            .expect("it is there")
            .fetched
    );
    assert!(liar.requests().len() > asked);
    assert!(
        liar.requests()[asked..]
            .iter()
            .all(|request| !request.contains("/blobs/"))
    );

    // One that has changed on the disk is pulled again, and is what it was.
    fs::write(store.path(&first.entry.sha256), "changed").expect("it is written");
    let again = get(&store, &pinned, None, &()).expect("it is pulled");
    assert!(again.fetched);
    assert_eq!(again.entry.sha256, first.entry.sha256);
}

#[test]
fn of_a_pull_that_fails_nothing_is_left() {
    let image = Image::new("amd64", &["one", "two"]);
    let layer = &image.layers[1];
    let mut changed = layer.clone();
    changed[0] ^= 1;
    let answers = [
        Answer::ok(changed),
        Answer::ok(layer.clone()).cut(layer.len() / 2),
        Answer::status(404, ""),
        Answer::status(401, ""),
    ];
    for answer in answers {
        let (_folder, store) = store();
        let mut all = whole(&image, "hello", "1.0");
        all.insert(format!("/v2/hello/blobs/{}", digest(layer)), answer);
        let liar = Liar::start(all);
        match get(&store, &format!("{}/hello:1.0", liar.host), None, &()) {
            Err(CacheError::Oci(_)) => is_empty(&store),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_image_that_is_not_the_locks_is_not_kept() {
    let (_folder, store) = store();
    let liar = Liar::start(whole(&Image::new("amd64", &["one"]), "hello", "1.0"));
    let other = Digest::of(b"another");
    match get(
        &store,
        &format!("{}/hello:1.0", liar.host),
        Some(&other),
        &(),
    ) {
        Err(CacheError::Content { .. }) => is_empty(&store),
        other => panic!("{other:?}"),
    }
}

/// Says stop after so many questions.
struct Impatient(AtomicUsize);

impl Watch for Impatient {
    fn stopped(&self) -> bool {
        let left = |left: usize| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            .is_err()
    }
}

#[test]
fn a_pull_that_is_stopped_leaves_nothing() {
    let image = Image::new("amd64", &["one", "two"]);
    let liar = Liar::start(whole(&image, "hello", "1.0"));
    let tagged = format!("{}/hello:1.0", liar.host);
    for patience in [0, 1, 5, 12] {
        let (_folder, store) = store();
        match get(
            &store,
            &tagged,
            None,
            &Impatient(AtomicUsize::new(patience)),
        ) {
            Err(CacheError::Stopped) => is_empty(&store),
            other => panic!("{patience}: {other:?}"),
        }
    }
}
