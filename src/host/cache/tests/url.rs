//! What vouches for a file behind a URL, and what does not.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use trustnet_core::artifact::{Checksum, Digest, Signature, Trust, UrlSource, VerifiedBy};

use super::server::{Server, answer, file};
use super::{http, id, limits, noise, store, tree};
use crate::cache::download::Http;
use crate::cache::error::CacheError;
use crate::cache::store::Store;
use crate::cache::url::{Fetched, fetch};

fn pinned(url: String, bytes: &[u8]) -> UrlSource {
    UrlSource {
        url,
        size: None,
        trust: Some(Trust::Pinned(Digest::of(bytes).into())),
    }
}

fn get(store: &Store, source: &UrlSource) -> Result<Fetched, CacheError> {
    fetch(store, &http(), &id("app"), source, &())
}

#[test]
fn a_pinned_file_is_fetched_once() {
    let body = noise(400_000);
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", &noise(400_000)));
    let (_folder, store) = store();
    let source = pinned(server.url("/app"), &body);
    let first = get(&store, &source).expect("it comes");
    assert!(first.fetched);
    assert_eq!(first.entry.verified.by, VerifiedBy::Pin);
    assert_eq!(first.entry.source, server.url("/app"));
    let second = get(&store, &source).expect("it is there");
    assert_eq!((second.fetched, &second.entry), (false, &first.entry));
    // The same bytes for another service: nothing is fetched, and both are named.
    let other = fetch(&store, &http(), &id("other"), &source, &()).expect("it is there");
    assert!(!other.fetched);
    assert_eq!(server.hits().len(), 1);
    assert_eq!(
        store
            .why(&Digest::of(&body).short())
            .expect("entries")
            .len(),
        2
    );
}

/// FactoryVM's cache: a defect.
#[test]
fn an_existing_file_does_not_count_as_valid() {
    let body = noise(1000);
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", &noise(1000)));
    let (folder, store) = store();
    let source = pinned(server.url("/app"), &body);
    get(&store, &source).expect("it comes");
    for changed in [&b""[..], b"something else", &body[..999]] {
        std::fs::write(store.path(&Digest::of(&body)), changed).expect("a file");
        let again = get(&store, &source).expect("it comes again");
        assert!(again.fetched);
        store.verify_one(&Digest::of(&body)).expect("it is good");
    }
    assert_eq!(server.hits().len(), 4);
    assert!(
        folder
            .path()
            .join("artifacts/damaged")
            .read_dir()
            .expect("a folder")
            .count()
            > 0
    );
}

/// FactoryVM's cache: a defect.
#[test]
fn an_http_error_page_is_not_cached_as_a_binary() {
    let page = b"<html><h1>404 Not Found</h1></html>";
    let server = Server::start(|hit, out| match hit.path.as_str() {
        "/honest" => answer(out, "404 Not Found", &[], page),
        _ => answer(out, "200 OK", &["Content-Type: text/html"], page),
    });
    let (folder, store) = store();
    for path in ["/honest", "/soft"] {
        get(&store, &pinned(server.url(path), b"a binary")).expect_err(path);
        assert_eq!(tree(folder.path()), [], "{path}");
    }
}

/// FactoryVM's cache: a defect.
#[test]
fn nothing_is_cached_without_a_checksum() {
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", b"x"));
    let (folder, store) = store();
    let source = UrlSource {
        trust: None,
        ..pinned(server.url("/app"), b"x")
    };
    let error = get(&store, &source).expect_err("refused");
    assert!(
        error.to_string().ends_with("nothing says what it must be"),
        "{error}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("sha256")));
    // A list that comes by http and that nobody signed says nothing either.
    let source = UrlSource {
        trust: Some(Trust::Published {
            url: server.url("/sums"),
            name: None,
            signature: None,
        }),
        ..source
    };
    assert!(matches!(
        get(&store, &source),
        Err(CacheError::Unverifiable { .. })
    ));
    assert_eq!(server.hits().len(), 0);
    assert_eq!(tree(folder.path()), []);
}

/// FactoryVM's cache: a defect.
#[test]
fn amd64_and_arm64_stand_side_by_side() {
    use trustnet_core::artifact::{Arch, ArtifactId};
    let server = Server::start(|hit, out| answer(out, "200 OK", &[], hit.path.as_bytes()));
    let (folder, store) = store();
    for arch in Arch::ALL {
        let path = format!("/{arch}/app");
        let id = ArtifactId::new("sql", "15", arch, "app").expect("a name");
        let source = pinned(server.url(&path), path.as_bytes());
        fetch(&store, &http(), &id, &source, &()).expect("it comes");
    }
    let entries = store.entries().expect("entries");
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.artifact.arch())
            .collect::<Vec<_>>(),
        Arch::ALL
    );
    for arch in Arch::ALL {
        assert!(
            folder
                .path()
                .join(format!("artifacts/index/{arch}/sql/15/app.json"))
                .is_file()
        );
    }
}

#[test]
fn a_pinned_sha512_is_as_good_and_is_fetched_once() {
    use sha2::{Digest as _, Sha512};
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", b"hello"));
    let (_folder, store) = store();
    let source = UrlSource {
        trust: Some(Trust::Pinned(Checksum::Sha512(
            Sha512::digest(b"hello").into(),
        ))),
        ..pinned(server.url("/app"), b"")
    };
    assert!(get(&store, &source).expect("it comes").fetched);
    assert!(!get(&store, &source).expect("it is there").fetched);
    assert_eq!(server.hits().len(), 1);
}

/// A publisher: a file, its list, and signatures over the list.
fn publisher(list: String, signatures: Vec<(&'static str, Vec<u8>)>) -> Server {
    Server::start_tls(move |hit, out| match hit.path.as_str() {
        "/v1/app.tar.gz?download=1" => file(out, hit, "\"1\"", b"the file"),
        "/v1/SHA256SUMS" => answer(out, "200 OK", &[], list.as_bytes()),
        path => match signatures.iter().find(|(name, _)| path.ends_with(name)) {
            Some((_, bytes)) => answer(out, "200 OK", &[], bytes),
            None => answer(out, "404 Not Found", &[], b""),
        },
    })
}

fn published(server: &Server, signature: Option<Signature>) -> UrlSource {
    UrlSource {
        url: server.url("/v1/app.tar.gz?download=1"),
        size: None,
        trust: Some(Trust::Published {
            url: server.url("/v1/SHA256SUMS"),
            name: None,
            signature,
        }),
    }
}

fn list_of(bytes: &[u8]) -> String {
    format!(
        "{}  app.tar.gz\n{}  other\n",
        Digest::of(bytes),
        Digest::of(b"other")
    )
}

fn get_from(server: &Server, store: &Store, source: &UrlSource) -> Result<Fetched, CacheError> {
    let http = Http::direct(limits(), server.authority.as_deref());
    fetch(store, &http, &id("app"), source, &())
}

#[test]
fn a_publishers_list_over_https_vouches_for_a_file() {
    let server = publisher(list_of(b"the file"), Vec::new());
    let (_folder, store) = store();
    let source = published(&server, None);
    let fetched = get_from(&server, &store, &source).expect("it comes");
    assert_eq!(fetched.entry.verified.by, VerifiedBy::Checksums);
    assert_eq!(
        fetched.entry.verified.detail,
        Some(server.url("/v1/SHA256SUMS"))
    );
    assert!(
        !get_from(&server, &store, &source)
            .expect("it is there")
            .fetched
    );
    assert_eq!(server.hits().len(), 2, "neither is asked for twice");
}

#[test]
fn a_list_that_names_another_file_or_none_vouches_for_nothing() {
    for list in [
        list_of(b"another file"),
        "<html>log in</html>".to_owned(),
        format!("{}  other\n", Digest::of(b"the file")),
    ] {
        let server = publisher(list.clone(), Vec::new());
        let (folder, store) = store();
        get_from(&server, &store, &published(&server, None)).expect_err(&list);
        assert_eq!(tree(folder.path()), [], "{list}");
    }
}

/// Runs a program with this on its standard input, and gives what it prints.
fn run(program: &str, args: &[&str], home: &Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .env("GNUPGHOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("gpg is installed");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input)
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program} {args:?}");
    output.stdout
}

/// Somebody with an OpenPGP key.
pub(crate) struct Signer(tempfile::TempDir);

impl Signer {
    pub(crate) fn new() -> Self {
        let home = tempfile::Builder::new()
            .prefix("gpg")
            .tempdir_in("/tmp")
            .expect("a folder");
        let signer = Self(home);
        signer.gpg(
            &[
                "--quick-generate-key",
                "--batch",
                "--passphrase",
                "",
                "Publisher <p@example.org>",
                "ed25519",
                "sign",
                "never",
            ],
            b"",
        );
        signer
    }

    pub(crate) fn gpg(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let all: Vec<&str> = ["--batch", "--quiet"].iter().chain(args).copied().collect();
        run("gpg", &all, self.0.path(), input)
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // The agent that gpg has started ends with its folder; told so, it ends at once.
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.0.path())
            .status();
    }
}

#[test]
fn a_list_that_is_signed_by_openpgp_counts_and_by_another_or_changed_does_not() {
    let (publisher_key, stranger) = (Signer::new(), Signer::new());
    let list = list_of(b"the file");
    let keys = publisher_key.gpg(&["--armor", "--export"], b"");
    let detached = |signer: &Signer, text: &str| signer.gpg(&["--detach-sign"], text.as_bytes());
    let openpgp = |server: &Server, keys: &[u8]| Signature::OpenPgp {
        url: Some(server.url("/v1/SHA256SUMS.sig")),
        keys: keys.to_owned(),
    };
    let good = detached(&publisher_key, &list);
    for keys in [keys.clone(), publisher_key.gpg(&["--export"], b"")] {
        let server = publisher(list.clone(), vec![(".sig", good.clone())]);
        let (_folder, store) = store();
        let fetched = get_from(
            &server,
            &store,
            &published(&server, Some(openpgp(&server, &keys))),
        )
        .expect("it comes");
        assert_eq!(fetched.entry.verified.by, VerifiedBy::SignedChecksums);
    }
    for (signature, list, why) in [
        (
            detached(&stranger, &list),
            list.clone(),
            "is not one of those that count",
        ),
        (
            good.clone(),
            list_of(b"another file"),
            "its signature is bad: it was changed after it was signed",
        ),
        (b"<html>".to_vec(), list.clone(), "there is none"),
        (Vec::new(), list.clone(), "there is none"),
    ] {
        let server = publisher(list, vec![(".sig", signature)]);
        let (folder, store) = store();
        let error = get_from(
            &server,
            &store,
            &published(&server, Some(openpgp(&server, &keys))),
        )
        .expect_err(why);
        assert!(error.to_string().ends_with(why), "{error}");
        assert_eq!(tree(folder.path()), []);
    }
    let server = publisher(list.clone(), Vec::new());
    let (_folder, store) = store();
    get_from(
        &server,
        &store,
        &published(&server, Some(openpgp(&server, &keys))),
    )
    .expect_err("the signature is not there");
}

#[test]
fn of_a_clearsigned_list_only_what_is_signed_counts() {
    let signer = Signer::new();
    let keys = signer.gpg(&["--export"], b"");
    let clearsigned =
        String::from_utf8(signer.gpg(&["--clearsign"], list_of(b"the file").as_bytes()))
            .expect("text");
    let signature = || {
        Some(Signature::OpenPgp {
            url: None,
            keys: keys.clone(),
        })
    };
    let server = publisher(clearsigned.clone(), Vec::new());
    let (_folder, good) = store();
    get_from(&server, &good, &published(&server, signature())).expect("it comes");
    let (folder, store) = store();
    for list in [
        format!(
            "{}  app.tar.gz\n\n{}",
            Digest::of(b"evil"),
            clearsigned.replace("app.tar.gz", "app.tgz")
        ),
        clearsigned.replace(
            &Digest::of(b"the file").to_string(),
            &Digest::of(b"evil").to_string(),
        ),
        list_of(b"the file"),
    ] {
        let server = publisher(list.clone(), Vec::new());
        get_from(&server, &store, &published(&server, signature())).expect_err(&list);
    }
    assert_eq!(tree(folder.path()), []);
}

#[test]
fn minisign_counts_where_it_is_the_publishers() {
    // A signature over "test", of the older kind, which signs the text itself.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\nRUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\ntrusted comment: timestamp:1556193335\tfile:test\ny/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n";
    use crate::cache::signature::minisign;
    minisign("test", b"test", SIGNATURE.as_bytes(), KEY).expect("it is good");
    let other = KEY.replace("mlYec", "mlYed");
    for (text, signature, key) in [
        (&b"tesu"[..], SIGNATURE, KEY),
        (b"test", SIGNATURE, other.as_str()),
        (b"test", &SIGNATURE.replace("1556193335", "1556193336"), KEY),
        (b"test", "<html>", KEY),
        (b"test", SIGNATURE, "no key"),
    ] {
        minisign("test", text, signature.as_bytes(), key).expect_err("it is not");
    }
}

#[test]
fn two_at_once_ask_the_server_once() {
    let body = noise(300_000);
    let server = Server::start(|hit, out| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        file(out, hit, "\"1\"", &noise(300_000))
    });
    let (_folder, store) = store();
    let source = Arc::new(pinned(server.url("/app"), &body));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (store, source) = (store.clone(), Arc::clone(&source));
            std::thread::spawn(move || get(&store, &source).expect("it comes").fetched)
        })
        .collect();
    let fetched = threads
        .into_iter()
        .map(|thread| thread.join().expect("it ends"));
    assert_eq!(fetched.filter(|fetched| *fetched).count(), 1);
    assert_eq!(server.hits().len(), 1);
}

#[test]
fn a_local_build_is_taken_as_it_is_now() {
    let (folder, store) = store();
    let build = folder.path().join("build");
    std::fs::write(&build, "first").expect("a file");
    let take = || crate::cache::file::take(&store, &id("app"), &build);
    let first = take().expect("it is taken");
    assert_eq!(first.sha256, Digest::of(b"first"));
    assert_eq!(first.verified.by, VerifiedBy::LocalBuild);
    std::fs::write(&build, "second").expect("a file");
    store
        .verify_one(&first.sha256)
        .expect("what was taken does not change");
    assert_eq!(take().expect("it is taken").sha256, Digest::of(b"second"));
    assert_eq!(store.entries().expect("entries").len(), 1);
    let error = crate::cache::file::take(&store, &id("app"), folder.path()).expect_err("a folder");
    assert!(error.to_string().ends_with("is no file"), "{error}");
    assert!(crate::cache::file::take(&store, &id("app"), Path::new("/nowhere")).is_err());
}
