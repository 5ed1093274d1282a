//! Pulling from servers that behave, and from servers that do not.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

mod places;
mod process;
mod signed;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use trustnet_core::artifact::{Checksum, Digest, Trust, VerifiedBy};

use super::{Arrived, Wanted, fetch};
use crate::cache::download::{DownloadError, Http, Limits};
use crate::cache::error::CacheError;
use crate::cache::tests::server::{Hit, Server, answer, file, head};
use crate::cache::tests::{limits, noise, tree};
use crate::lock::Lock;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn image() -> Vec<u8> {
    static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| noise(300_000));
    IMAGE.clone()
}

fn unvouched(url: String) -> Wanted {
    Wanted {
        url,
        mirrors: Vec::new(),
        trust: None,
        size: None,
        insecure: false,
    }
}

fn pinned(url: String, bytes: &[u8]) -> Wanted {
    Wanted {
        trust: Some(Trust::Pinned(Digest::of(bytes).into())),
        ..unvouched(url)
    }
}

fn insecure(url: String) -> Wanted {
    Wanted {
        insecure: true,
        ..unvouched(url)
    }
}

/// Pulls from a server, which is tried but once.
fn pull(server: &Server, folder: &Path, wanted: &Wanted) -> Result<Arrived, CacheError> {
    let limits = Limits {
        tries: 1,
        ..limits()
    };
    let http = Http::direct(limits, server.authority.as_deref());
    fetch(folder, &http, wanted, &())
}

/// What is in the folder, beside the lock.
fn left(folder: &Path) -> Vec<(String, u64)> {
    let mut left = tree(folder);
    left.retain(|(name, _)| !name.ends_with(".lock"));
    left
}

fn good(hit: &Hit, out: &mut dyn Write) -> io::Result<()> {
    file(out, hit, "\"1\"", &image())
}

#[test]
fn an_image_comes_whole_and_what_is_there_is_not_fetched_again() {
    let server = Server::start_tls(good);
    let folder = folder();
    let url = server.url("/image");
    let wanted = pinned(url.clone(), &image());
    let arrived = pull(&server, folder.path(), &wanted).expect("it comes");
    assert_eq!(std::fs::read(&arrived.path).expect("a file"), image());
    assert_eq!(
        (arrived.sha256, arrived.size),
        (Digest::of(&image()), 300_000)
    );
    assert_eq!(arrived.verified.by, VerifiedBy::Pin);
    assert_eq!(arrived.source, url);
    drop(arrived);
    drop(pull(&server, folder.path(), &wanted).expect("it is there"));
    assert_eq!(server.hits().len(), 1);
    // What was changed there since is not taken for it.
    let path = folder.path().join(&left(folder.path())[0].0);
    std::fs::write(&path, b"else").expect("a file");
    let arrived = pull(&server, folder.path(), &wanted).expect("it comes again");
    assert_eq!(std::fs::read(&arrived.path).expect("a file"), image());
}

/// A server that goes wrong, what it says then, and how many bytes stay to go on with.
type Wrong = (
    &'static str,
    fn(&Hit, &mut dyn Write) -> io::Result<()>,
    &'static str,
    u64,
);

const WRONG: [Wrong; 9] = [
    (
        "not found",
        |_, out| answer(out, "404 Not Found", &[], b"<html>"),
        "the server says 404 Not Found",
        0,
    ),
    (
        "out of order",
        |_, out| answer(out, "500 Internal Server Error", &[], b"<html>"),
        "the server says 500 Internal Server Error",
        0,
    ),
    (
        "a web page",
        |_, out| answer(out, "200 OK", &[], b"<html>log in</html>"),
        "it is a web page",
        0,
    ),
    (
        "another image",
        |_, out| answer(out, "200 OK", &[], &[7; 300_000]),
        "was expected",
        0,
    ),
    (
        "a short body",
        |_, out| {
            head(out, "200 OK", &["ETag: \"1\""], Some(300_000))?;
            out.write_all(&image()[..200_000])
        },
        "the connection ended after",
        200_000,
    ),
    (
        "a shorter image",
        |_, out| answer(out, "200 OK", &[], &image()[..200_000]),
        "was expected",
        0,
    ),
    (
        "a range that nobody asked for",
        |_, out| {
            let range = "Content-Range: bytes 0-9/300000";
            answer(out, "206 Partial Content", &[range], &image()[..10])
        },
        "the server says 206 Partial Content",
        0,
    ),
    (
        "round in circles",
        |hit, out| {
            let to = format!("Location: /{}", hit.nth);
            answer(out, "302 Found", &[&to], b"")
        },
        "it sends us on again and again",
        0,
    ),
    (
        "a trickle",
        |_, out| {
            head(out, "200 OK", &["ETag: \"1\""], Some(300_000))?;
            for byte in image().chunks(1).take(15) {
                out.write_all(byte)?;
                out.flush()?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        },
        "bytes came in 0.4 s",
        1,
    ),
];

#[test]
fn a_server_that_misbehaves_leaves_nothing_but_what_the_next_run_can_go_on_with() {
    for (what, wrong, why, stays) in WRONG {
        let server = Server::start_tls(move |hit, out| match hit.path.as_str() {
            "/good" => good(hit, out),
            _ => wrong(hit, out),
        });
        let folder = folder();
        let wanted = pinned(server.url("/image"), &image());
        let error = pull(&server, folder.path(), &wanted).expect_err(what);
        assert!(error.to_string().contains(why), "{what}: {error}");
        let left = left(folder.path());
        if stays == 0 {
            assert_eq!(left, [], "{what}");
        } else {
            // The bytes, and where they come from.
            assert_eq!(left.len(), 2, "{what}: {left:?}");
            let kept = &left.iter().find(|(name, _)| name.ends_with(".part"));
            assert!(kept.is_some_and(|(_, size)| *size >= stays), "{left:?}");
        }
        let again = pinned(server.url("/good"), &image());
        let arrived = pull(&server, folder.path(), &again).expect(what);
        assert_eq!(std::fs::read(&arrived.path).expect("a file"), image());
    }
}

#[test]
fn content_that_changes_between_two_runs_is_fetched_from_the_beginning() {
    let old = || image().into_iter().rev().collect::<Vec<_>>();
    let server = Server::start_tls(move |hit, out| {
        if hit.nth > 0 {
            return file(out, hit, "\"2\"", &image());
        }
        head(out, "200 OK", &["ETag: \"1\""], Some(300_000))?;
        out.write_all(&old()[..200_000])
    });
    let folder = folder();
    let wanted = pinned(server.url("/image"), &image());
    pull(&server, folder.path(), &wanted).expect_err("it breaks off");
    let arrived = pull(&server, folder.path(), &wanted).expect("it comes");
    assert_eq!(std::fs::read(&arrived.path).expect("a file"), image());
    assert_eq!(server.hits()[1].headers["if-range"], "\"1\"");
}

#[test]
fn https_is_not_left_for_http_on_the_way_to_an_image() {
    let plain = Arc::new(Server::start(good));
    let target = Arc::clone(&plain);
    let server = Server::start_tls(move |_, out| {
        let to = format!("Location: {}", target.url("/image"));
        answer(out, "302 Found", &[&to], b"")
    });
    let folder = folder();
    for wanted in [
        pinned(server.url("/image"), &image()),
        insecure(server.url("/image")),
    ] {
        let error = pull(&server, folder.path(), &wanted).expect_err("refused");
        let why = "it sends us from https to http";
        assert!(error.to_string().ends_with(why), "{error}");
        assert_eq!(left(folder.path()), []);
    }
    assert_eq!(plain.hits().len(), 0);
}

#[test]
fn an_image_that_nobody_vouches_for_is_refused_unless_that_is_asked_for_and_then_recorded() {
    let server = Server::start_tls(good);
    let folder = folder();
    let url = server.url("/image");
    let error = pull(&server, folder.path(), &unvouched(url.clone())).expect_err("refused");
    assert!(matches!(error, CacheError::Unverifiable { .. }), "{error}");
    assert_eq!(server.hits().len(), 0);
    let arrived = pull(&server, folder.path(), &insecure(url.clone())).expect("it comes");
    assert_eq!(std::fs::read(&arrived.path).expect("a file"), image());
    assert_eq!(arrived.verified.by, VerifiedBy::Nobody);
    assert_eq!(arrived.sha256, Digest::of(&image()));
    drop(arrived);
    // What does vouch for it counts all the same.
    let wrong = Wanted {
        insecure: true,
        ..pinned(url, b"else")
    };
    let error = pull(&server, folder.path(), &wrong).expect_err("refused");
    let download = matches!(error, CacheError::Download(DownloadError::Checksum { .. }));
    assert!(download, "{error}");
}

#[test]
fn without_a_checksum_what_may_not_be_whole_or_not_be_the_servers_is_refused() {
    let plain = Server::start(good);
    let folder = folder();
    let error = pull(&plain, folder.path(), &insecure(plain.url("/"))).expect_err("refused");
    let why = "without a checksum it must be https";
    assert!(error.to_string().ends_with(why), "{error}");
    assert_eq!(plain.hits().len(), 0);
    let server = Server::start_tls(|hit, out| match hit.path.as_str() {
        "/page" => answer(out, "200 OK", &[], b"<!doctype html>"),
        "/endless" => {
            head(out, "200 OK", &[], None)?;
            out.write_all(&image())
        }
        "/breaks" => {
            head(out, "200 OK", &["ETag: \"1\""], Some(300_000))?;
            out.write_all(&image()[..200_000])
        }
        "/chunks" => {
            head(out, "200 OK", &["Transfer-Encoding: chunked"], None)?;
            write!(out, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        }
        "/half-a-chunk" => {
            head(out, "200 OK", &["Transfer-Encoding: chunked"], None)?;
            write!(out, "3\r\nabc\r\n")
        }
        _ => good(hit, out),
    });
    for (path, why) in [
        ("/page", "what came is a web page"),
        ("/endless", "the server does not say how long it is"),
        ("/breaks", "the connection ended after"),
        ("/half-a-chunk", "the connection ended after"),
    ] {
        let error = pull(&server, folder.path(), &insecure(server.url(path))).expect_err(path);
        assert!(error.to_string().contains(why), "{path}: {error}");
        assert_eq!(left(folder.path()), [], "{path}");
    }
    let sized = Wanted {
        size: Some(5),
        ..insecure(server.url("/image"))
    };
    pull(&server, folder.path(), &sized).expect_err("another size");
    let arrived = pull(&server, folder.path(), &insecure(server.url("/chunks")));
    assert_eq!(
        arrived.expect("it comes").sha256,
        Digest::of(b"abcde"),
        "chunks say where they end"
    );
}

#[test]
fn sha512_and_a_size_that_was_said_before_count() {
    use sha2::{Digest as _, Sha512};
    let server = Server::start_tls(good);
    let folder = folder();
    let sha512 = Checksum::Sha512(Sha512::digest(image()).into());
    let mut wanted = Wanted {
        size: Some(299_999),
        trust: Some(Trust::Pinned(sha512)),
        ..unvouched(server.url("/image"))
    };
    let error = pull(&server, folder.path(), &wanted).expect_err("refused");
    assert!(
        error.to_string().contains("299999 were expected"),
        "{error}"
    );
    assert_eq!(left(folder.path()), []);
    wanted.size = Some(300_000);
    let arrived = pull(&server, folder.path(), &wanted).expect("it comes");
    assert_eq!(arrived.sha256, Digest::of(&image()));
}

#[test]
fn of_two_at_once_one_downloads_and_both_have_it_one_after_the_other() {
    let server = Server::start_tls(|hit, out| {
        std::thread::sleep(Duration::from_millis(100));
        good(hit, out)
    });
    let folder = folder();
    let wanted = pinned(server.url("/image"), &image());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let arrived = pull(&server, folder.path(), &wanted).expect("it comes");
                assert_eq!(std::fs::read(&arrived.path).expect("a file"), image());
            });
        }
    });
    assert_eq!(server.hits().len(), 1);
}

#[test]
fn a_part_that_nobody_has_gone_on_with_for_long_is_removed_and_no_other() {
    let server = Server::start_tls(good);
    let folder = folder();
    let put = |name: &str, days: u64| {
        let path = folder.path().join(name);
        std::fs::write(&path, "part").expect("a file");
        let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        let file = File::options().write(true).open(&path);
        file.and_then(|file| file.set_modified(then))
            .expect("its time is set");
        path
    };
    let (old, origin) = (put("a.part", 20), put("a.origin", 20));
    let (new, other) = (put("b.part", 1), put("image", 20));
    let taken = put("c.part", 20);
    let lock = Lock::try_take(&taken.with_extension("lock")).expect("a lock");
    assert!(lock.is_some());
    let wanted = pinned(server.url("/image"), &image());
    pull(&server, folder.path(), &wanted).expect("it comes");
    assert!(!old.exists() && !origin.exists());
    assert!(new.exists() && other.exists() && taken.exists());
}
