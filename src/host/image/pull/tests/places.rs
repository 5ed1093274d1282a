//! Mirrors, and files of this machine.

use std::path::Path;
use std::sync::Mutex;

use trustnet_core::artifact::{Arch, Digest, Signature, Trust, VerifiedBy};
use trustnet_core::image::catalogue::Catalogue;
use trustnet_core::load;
use trustnet_core::service::Origin;

use super::{Wanted, folder, good, image, insecure, left, limits, pinned, pull};
use crate::cache::download::{DownloadError, Http, Watch};
use crate::cache::tests::server::{Server, answer};
use crate::image::pull::fetch;

/// Notes why it was tried elsewhere.
#[derive(Default)]
struct Reasons(Mutex<Vec<String>>);

impl Watch for Reasons {
    fn again(&self, why: &DownloadError) {
        self.0.lock().expect("a lock").push(why.to_string());
    }
}

#[test]
fn mirrors_are_tried_in_order_and_must_have_the_same_bytes() {
    let server = Server::start_tls(|hit, out| match hit.path.as_str() {
        "/gone" => answer(out, "404 Not Found", &[], b""),
        "/else" => answer(out, "200 OK", &[], b"something else"),
        _ => good(hit, out),
    });
    let folder = folder();
    let wanted = Wanted {
        mirrors: ["/else", "/mirror", "/never"]
            .map(|path| server.url(path))
            .to_vec(),
        ..pinned(server.url("/gone"), &image())
    };
    let http = Http::direct(limits(), server.authority.as_deref());
    let reasons = Reasons::default();
    let arrived = fetch(folder.path(), &http, &wanted, &reasons).expect("it comes");
    assert_eq!(arrived.source, server.url("/mirror"));
    assert_eq!(std::fs::read(&arrived.path).expect("a file"), image());
    let asked: Vec<String> = server.hits().into_iter().map(|hit| hit.path).collect();
    assert_eq!(asked, ["/gone", "/else", "/mirror"]);
    let reasons = reasons.0.into_inner().expect("a lock");
    assert!(reasons[0].ends_with("404 Not Found"), "{reasons:?}");
    assert!(reasons[1].contains("was expected"), "{reasons:?}");
}

#[test]
fn where_no_mirror_has_it_the_last_one_says_why_and_nothing_is_left() {
    let server = Server::start_tls(|_, out| answer(out, "404 Not Found", &[], b""));
    let folder = folder();
    let wanted = Wanted {
        mirrors: vec![server.url("/mirror"), "file:///nowhere/image".to_owned()],
        ..pinned(server.url("/image"), &image())
    };
    let error = pull(&server, folder.path(), &wanted).expect_err("nobody has it");
    assert_eq!(error.to_string(), "failed to read `file:///nowhere/image`");
    assert_eq!(left(folder.path()), []);
}

#[test]
fn a_folder_that_cannot_be_written_is_not_mended_by_a_mirror() {
    let server = Server::start_tls(good);
    let folder = folder();
    let wanted = Wanted {
        mirrors: vec![server.url("/mirror")],
        ..pinned(server.url("/image"), &image())
    };
    let part = format!("{}.part", Digest::of(&image()));
    std::fs::create_dir(folder.path().join(part)).expect("a folder");
    pull(&server, folder.path(), &wanted).expect_err("a folder is in the way");
    assert_eq!(server.hits().len(), 0);
}

fn url_of(path: &Path) -> String {
    format!("file://{}", path.display()).replace(' ', "%20")
}

#[test]
fn an_image_of_this_machine_is_copied_and_verified_like_any_other() {
    let server = Server::start_tls(good);
    let (here, folder) = (folder(), folder());
    let path = here.path().join("an image");
    std::fs::write(&path, image()).expect("a file");
    let wanted = pinned(url_of(&path), &image());
    let arrived = pull(&server, folder.path(), &wanted).expect("it comes");
    assert_eq!(std::fs::read(&arrived.path).expect("a file"), image());
    assert!(path.exists());
    drop(arrived);
    drop(pull(&server, folder.path(), &wanted).expect("it is there"));
    let error = pull(&server, folder.path(), &pinned(url_of(&path), b"x")).expect_err("another");
    assert!(error.to_string().contains("was expected"), "{error}");
    let part = format!("{}.part", Digest::of(b"x"));
    assert!(left(folder.path()).iter().all(|(name, _)| *name != part));
    // A list beside it counts as one over https does.
    let sums = here.path().join("SHA256SUMS");
    std::fs::write(&sums, format!("{}  an image\n", Digest::of(&image()))).expect("a file");
    let listed = Wanted {
        trust: Some(Trust::Published {
            url: url_of(&sums),
            name: Some("an image".to_owned()),
            signature: None,
        }),
        ..wanted
    };
    let arrived = pull(&server, folder.path(), &listed).expect("it comes");
    assert_eq!(arrived.verified.by, VerifiedBy::Checksums);
    drop(arrived);
    let taken = pull(&server, folder.path(), &insecure(url_of(&path))).expect("it comes");
    assert_eq!(taken.verified.by, VerifiedBy::Nobody);
    assert_eq!(server.hits().len(), 0);
}

#[test]
fn what_is_no_file_of_this_machine_is_refused() {
    let server = Server::start_tls(good);
    let folder = folder();
    for (url, why) in [
        (
            "file:///nowhere/image",
            "failed to read `file:///nowhere/image`",
        ),
        ("file:///dev/zero", "failed to read `file:///dev/zero`"),
        ("file:///", "failed to read `file:///`"),
        (
            "file://elsewhere/image",
            "failed to fetch `file://elsewhere/image`: it names no file of this machine: write `file:///path`",
        ),
        (
            "ftp://example.org/image",
            "failed to fetch `ftp://example.org/image`: only https and http are fetched",
        ),
    ] {
        let wanted = pinned(url.to_owned(), &image());
        let error = pull(&server, folder.path(), &wanted).expect_err(url);
        assert_eq!(error.to_string(), why);
        assert_eq!(left(folder.path()), [], "{url}");
    }
}

#[test]
fn an_image_of_a_users_catalogue_is_verified_by_the_keys_beside_it() {
    let here = folder();
    let text = "apiVersion: trustnet.io/v1alpha1\nkind: ImageCatalogue\nitems:\n  - name: x\n    version: \"1\"\n    arch: amd64\n    url: https://example.org/x\n    mirrors: [\"https://example.net/x\"]\n    size: 5\n    checksums: { url: \"https://example.org/SUMS\", name: y, keyring: x.gpg }\n";
    let (documents, problems) = load::load_image_catalogues(text.as_bytes());
    assert_eq!(problems, []);
    let origin = Origin::File(here.path().join("own.yaml").display().to_string());
    let mut catalogue = Catalogue::default();
    for document in documents {
        catalogue.add(document.object, &origin).expect("it is good");
    }
    let image = catalogue.find("x-1", Arch::Amd64).expect("it is there");
    Wanted::of(image).expect_err("the keys are not there");
    std::fs::write(here.path().join("x.gpg"), b"keys").expect("a file");
    let wanted = Wanted::of(image).expect("the keys are there");
    let trust = Trust::Published {
        url: "https://example.org/SUMS".to_owned(),
        name: Some("y".to_owned()),
        signature: Some(Signature::OpenPgp {
            url: None,
            keys: b"keys".to_vec(),
        }),
    };
    let expected = Wanted {
        url: "https://example.org/x".to_owned(),
        mirrors: vec!["https://example.net/x".to_owned()],
        trust: Some(trust),
        size: Some(5),
        insecure: false,
    };
    assert_eq!(wanted, expected);
}
