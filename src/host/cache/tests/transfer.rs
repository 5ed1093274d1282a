//! Archives: ours, and those of strangers.

use std::collections::BTreeSet;
use std::io::Write;

use tar::{EntryType, Header};
use trustnet_core::artifact::{Digest, Entry};

use super::{incoming, noise, store, tree};
use crate::cache::error::CacheError;
use crate::cache::store::Store;
use crate::cache::transfer::{export, import};

/// A store with two artifacts of 70 000 bytes and one of 3, of which two are the same.
fn filled() -> (tempfile::TempDir, Store, BTreeSet<Digest>) {
    let (folder, store) = store();
    let large = noise(70_000);
    for (name, bytes) in [("a", large.as_slice()), ("b", b"two"), ("c", &large)] {
        store
            .insert(&mut &bytes[..], None, None, &incoming(name))
            .expect("it is put in");
    }
    let digests = store
        .blobs()
        .expect("blobs")
        .into_iter()
        .map(|(digest, _)| digest)
        .collect();
    (folder, store, digests)
}

fn exported(store: &Store, digests: &BTreeSet<Digest>) -> Vec<u8> {
    let mut archive = Vec::new();
    export(store, digests, &mut archive).expect("it is exported");
    archive
}

#[test]
fn what_is_exported_is_imported_elsewhere_as_it_was() {
    let (_from_folder, from, digests) = filled();
    assert_eq!(digests.len(), 2);
    let archive = exported(&from, &digests);
    assert_eq!(
        archive,
        exported(&from, &digests),
        "the same bytes each time"
    );
    let (folder, to) = store();
    for _ in 0..2 {
        let taken = import(&to, &mut archive.as_slice()).expect("it is imported");
        assert_eq!(taken.len(), 3);
        let told = to.entries().expect("entries");
        let original: Vec<Entry> = from
            .entries()
            .expect("entries")
            .into_iter()
            .map(|entry| Entry {
                imported: true,
                ..entry
            })
            .collect();
        assert_eq!(told, original);
        for digest in &digests {
            to.verify_one(digest).expect("it is good");
        }
        assert_eq!(tree(folder.path()).len(), 5);
    }
    // By what is in it, whatever is left out.
    let one: BTreeSet<Digest> = [Digest::of(b"two")].into();
    let (_folder, to) = store();
    assert_eq!(
        import(&to, &mut exported(&from, &one).as_slice())
            .expect("it is imported")
            .len(),
        1
    );
}

#[test]
fn what_is_missing_or_damaged_is_not_exported() {
    let (_folder, store, digests) = filled();
    let nowhere = [Digest::of(b"nowhere")].into();
    assert!(matches!(
        export(&store, &nowhere, &mut Vec::new()),
        Err(CacheError::Missing(_))
    ));
    std::fs::write(store.path(&Digest::of(b"two")), "owt").expect("a file");
    let mut out = Vec::new();
    assert!(matches!(
        export(&store, &digests, &mut out),
        Err(CacheError::Damaged { .. })
    ));
    assert_eq!(out, b"");
}

/// A member, written as it is told and not as it should be.
fn member(kind: EntryType, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// The members of an archive, and what is behind the last.
fn members(archive: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = archive;
    while rest.iter().take(512).any(|byte| *byte != 0) {
        let size = Header::from_byte_slice(&rest[..512])
            .size()
            .expect("a size");
        let length = 512 + usize::try_from(size).expect("small").next_multiple_of(512);
        found.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    found
}

#[test]
fn a_strangers_archive_is_refused_whole_and_leaves_nothing() {
    let (_from_folder, from, digests) = filled();
    let archive = exported(&from, &digests);
    let good = members(&archive);
    assert_eq!(good.len(), 3);
    let file = |name: &str, content: &[u8]| member(EntryType::Regular, name, "", content);
    let contents = String::from_utf8(good[0][512..].to_vec()).expect("text");
    let contents = contents.trim_end_matches('\0');
    let table = |from: &str, to: &str| {
        assert!(contents.contains(from), "{from}");
        file("artifacts.json", contents.replace(from, to).as_bytes())
    };
    let two = Digest::of(b"two");
    let blob = format!("sha256/{two}");
    let others = |member: &[u8]| {
        good.iter()
            .filter(|other| other.as_slice() != member)
            .cloned()
            .collect::<Vec<_>>()
    };
    let small = good
        .iter()
        .find(|member| member.starts_with(blob.as_bytes()))
        .expect("the small one");
    let with = |extra: Vec<u8>| [good.clone(), vec![extra]].concat();
    let instead = |other: Vec<u8>| [others(small), vec![other]].concat();
    let long_name = member(EntryType::GNULongName, "././@LongLink", "", blob.as_bytes());
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("an absolute path", with(file("/etc/passwd", b"x"))),
        ("a way out", with(file("../../x", b"x"))),
        ("a way out below", with(file("sha256/../../x", b"x"))),
        (
            "a symbolic link",
            with(member(EntryType::Symlink, "sha256/x", "/etc/passwd", b"")),
        ),
        (
            "a link for a blob",
            instead(member(EntryType::Symlink, &blob, "/etc/passwd", b"")),
        ),
        (
            "a hard link for a blob",
            instead(member(EntryType::Link, &blob, "artifacts.json", b"")),
        ),
        (
            "a folder",
            with(member(EntryType::Directory, "sha256/", "", b"")),
        ),
        ("a device", instead(member(EntryType::Char, &blob, "", b""))),
        ("another content", instead(file(&blob, b"owt"))),
        ("more content", instead(file(&blob, b"twoo"))),
        ("twice the same", with(small.clone())),
        (
            "one that is not announced",
            with(file(&format!("sha256/{}", Digest::of(b"x")), b"x")),
        ),
        (
            "a long name",
            [others(small), vec![long_name, file("x", b"two")]].concat(),
        ),
        ("one that is missing", others(small)),
        ("no table of contents", good[1..].to_vec()),
        ("a table that comes last", [&good[1..], &good[..1]].concat()),
        ("two tables", with(good[0].clone())),
        ("nothing", Vec::new()),
        (
            "a name that leaves its folder",
            [
                vec![table("\"name\": \"a\"", "\"name\": \"../a\"")],
                good[1..].to_vec(),
            ]
            .concat(),
        ),
        (
            "a service that leaves its folder",
            [
                vec![table("\"service\": \"sql\"", "\"service\": \"../../sql\"")],
                good[1..].to_vec(),
            ]
            .concat(),
        ),
        (
            "one name twice",
            [
                vec![table("\"name\": \"a\"", "\"name\": \"b\"")],
                good[1..].to_vec(),
            ]
            .concat(),
        ),
        (
            "another size",
            [
                vec![table("\"size\": 3", "\"size\": 4")],
                good[1..].to_vec(),
            ]
            .concat(),
        ),
        (
            "a newer form",
            [vec![table("v1alpha1", "v9")], good[1..].to_vec()].concat(),
        ),
        (
            "no JSON",
            [vec![file("artifacts.json", b"{")], good[1..].to_vec()].concat(),
        ),
    ];
    let mut archives: Vec<(String, Vec<u8>)> = cases
        .into_iter()
        .map(|(what, members)| (what.to_owned(), [members.concat(), vec![0; 1024]].concat()))
        .collect();
    let whole: usize = good.iter().map(Vec::len).sum();
    for length in (0..whole).step_by(509) {
        archives.push((format!("{length} bytes of it"), archive[..length].to_vec()));
    }
    archives.push(("a web page".to_owned(), b"<html>".repeat(500)));
    // So deep that a way out of the store still leads to somewhere that is looked at.
    let folder = tempfile::tempdir().expect("a folder");
    let to = Store::open(&folder.path().join("a/b/c/artifacts")).expect("a store");
    for (what, bytes) in archives {
        let error = import(&to, &mut bytes.as_slice()).expect_err(&what);
        assert!(matches!(error, CacheError::Import(_)), "{what}: {error}");
        assert_eq!(tree(folder.path()), [], "{what}");
    }
    import(&to, &mut archive.as_slice()).expect("the good one is taken");
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (_folder, store, digests) = filled();
    let error = export(&store, &digests, &mut Full).expect_err("it is full");
    assert_eq!(
        error.to_string(),
        "failed to export artifacts: the disk is full"
    );
}
