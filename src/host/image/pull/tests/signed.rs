//! Publishers' lists of checksums, and their signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use trustnet_core::artifact::{Digest, Signature, Trust, VerifiedBy};

use super::{CacheError, Wanted, folder, good, image, left, pull, unvouched};
use crate::cache::tests::server::{Server, answer};
use crate::cache::tests::url::Signer;

/// A publisher of an image, a list, and what else there is.
fn publisher(list: Vec<u8>, more: Vec<(&'static str, Vec<u8>)>) -> Server {
    Server::start_tls(move |hit, out| match hit.path.as_str() {
        "/image.qcow2" => good(hit, out),
        "/SHA256SUMS" => answer(out, "200 OK", &[], &list),
        path => match more.iter().find(|(name, _)| *name == path) {
            Some((_, bytes)) => answer(out, "200 OK", &[], bytes),
            None => answer(out, "404 Not Found", &[], b""),
        },
    })
}

fn list() -> String {
    format!("{}  image.qcow2\n", Digest::of(&image()))
}

fn published(server: &Server, signature: Option<Signature>) -> Wanted {
    Wanted {
        trust: Some(Trust::Published {
            url: server.url("/SHA256SUMS"),
            name: None,
            signature,
        }),
        ..unvouched(server.url("/image.qcow2"))
    }
}

fn openpgp(server: &Server, signature: Option<&str>, keys: &[u8]) -> Wanted {
    let signature = Signature::OpenPgp {
        url: signature.map(|path| server.url(path)),
        keys: keys.to_owned(),
    };
    published(server, Some(signature))
}

/// The image is not even asked for.
fn is_refused(server: &Server, wanted: &Wanted, what: &str) -> CacheError {
    let folder = folder();
    let error = pull(server, folder.path(), wanted).expect_err(what);
    assert_eq!(left(folder.path()), [], "{what}");
    let asked = server.hits();
    assert!(asked.iter().all(|hit| hit.path != "/image.qcow2"), "{what}");
    error
}

#[test]
fn an_openpgp_signature_counts_and_a_bad_or_missing_one_refuses_the_image() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let keys = signer.gpg(&["--armor", "--export"], b"");
    let by = |signer: &Signer, text: &str| signer.gpg(&["--detach-sign"], text.as_bytes());
    let evil = list().replace("image", "other");
    for (what, list, signature, counts) in [
        ("signed", list(), Some(by(&signer, &list())), true),
        ("a stranger's", list(), Some(by(&stranger, &list())), false),
        ("of another list", list(), Some(by(&signer, &evil)), false),
        ("a web page", list(), Some(b"<html>".to_vec()), false),
        ("missing", list(), None, false),
    ] {
        let more = signature.map(|bytes| ("/SHA256SUMS.gpg", bytes));
        let server = publisher(list.into_bytes(), more.into_iter().collect());
        let wanted = openpgp(&server, Some("/SHA256SUMS.gpg"), &keys);
        if !counts {
            is_refused(&server, &wanted, what);
            continue;
        }
        let folder = folder();
        let arrived = pull(&server, folder.path(), &wanted).expect(what);
        assert_eq!(arrived.verified.by, VerifiedBy::SignedChecksums);
        let detail = arrived.verified.detail.as_deref().unwrap_or_default();
        assert!(detail.starts_with(&server.url("/SHA256SUMS")), "{detail}");
    }
}

#[test]
fn a_clearsigned_list_counts_and_one_that_was_changed_or_never_signed_does_not() {
    let signer = Signer::new();
    let keys = signer.gpg(&["--export"], b"");
    let fedora = format!("SHA256 (image.qcow2) = {}\n", Digest::of(&image()));
    let signed = signer.gpg(&["--clearsign"], fedora.as_bytes());
    let text = String::from_utf8(signed.clone()).expect("text");
    let other = Digest::of(b"evil").to_string();
    let changed = text.replace(&Digest::of(&image()).to_string(), &other);
    for (what, list) in [("changed", changed), ("unsigned", fedora)] {
        let server = publisher(list.into_bytes(), Vec::new());
        is_refused(&server, &openpgp(&server, None, &keys), what);
    }
    let server = publisher(signed, Vec::new());
    let folder = folder();
    pull(&server, folder.path(), &openpgp(&server, None, &keys)).expect("it comes");
}

/// A key, and its signature over a text, in minisign's older form.
fn minisigned(text: &str) -> (String, Vec<u8>) {
    const ID: [u8; 8] = *b"12345678";
    let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let sign = |bytes: &[u8]| pair.sign(bytes).expect("a signature");
    let framed = |bytes: &[u8]| STANDARD.encode([&b"Ed"[..], &ID, bytes].concat());
    let comment = "timestamp:1";
    let signature = sign(text.as_bytes());
    let global = sign(&[&signature, comment.as_bytes()].concat());
    let file = format!(
        "untrusted comment: x\n{}\ntrusted comment: {comment}\n{}\n",
        framed(&signature),
        STANDARD.encode(global)
    );
    (framed(pair.der_bytes()), file.into_bytes())
}

#[test]
fn a_minisign_signature_counts_and_a_bad_or_missing_one_refuses_the_image() {
    let (key, signature) = minisigned(&list());
    let (other, _) = minisigned(&list());
    for (what, key, signature, counts) in [
        ("signed", &key, Some(signature.clone()), true),
        ("another's", &other, Some(signature), false),
        ("missing", &key, None, false),
    ] {
        let more = signature.map(|bytes| ("/SHA256SUMS.minisig", bytes));
        let server = publisher(list().into_bytes(), more.into_iter().collect());
        let minisign = Signature::Minisign {
            url: server.url("/SHA256SUMS.minisig"),
            key: key.clone(),
        };
        let wanted = published(&server, Some(minisign));
        if counts {
            let folder = folder();
            let arrived = pull(&server, folder.path(), &wanted).expect(what);
            assert_eq!(arrived.verified.by, VerifiedBy::SignedChecksums);
        } else {
            is_refused(&server, &wanted, what);
        }
    }
}

#[test]
fn a_list_over_https_counts_unsigned_and_one_without_the_image_does_not() {
    let server = publisher(list().into_bytes(), Vec::new());
    let folder = folder();
    let arrived = pull(&server, folder.path(), &published(&server, None)).expect("it comes");
    assert_eq!(arrived.verified.by, VerifiedBy::Checksums);
    for other in ["<html>".to_owned(), list().replace("image", "other")] {
        let server = publisher(other.clone().into_bytes(), Vec::new());
        let error = is_refused(&server, &published(&server, None), &other);
        assert!(matches!(error, CacheError::Checksums { .. }), "{error}");
    }
}
