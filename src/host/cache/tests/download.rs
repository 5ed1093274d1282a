//! Downloads from a server that misbehaves.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use trustnet_core::artifact::{Checksum, Digest};

use super::server::{Hit, Server, answer, file, head};
use super::{http, limits, noise, tree};
use crate::cache::download::{
    DownloadError, Expected, Fetch, Http, Limits, Progress, Received, Request, Watch,
};

/// A place for a file.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("file")
    }

    fn get(&self, url: &str, bytes: &[u8]) -> Result<Received, DownloadError> {
        self.get_as(url, Expected::digest(Digest::of(bytes)))
    }

    fn get_as(&self, url: &str, expected: Expected) -> Result<Received, DownloadError> {
        http().file(&Request::new(url), &self.path(), &expected, &())
    }

    fn holds(&self, bytes: &[u8]) {
        assert_eq!(std::fs::read(self.path()).expect("a file"), bytes);
        assert_eq!(tree(self.0.path()).len(), 1, "{:?}", tree(self.0.path()));
    }

    fn is_empty(&self) {
        assert_eq!(tree(self.0.path()), []);
    }
}

fn body() -> Vec<u8> {
    noise(700_000)
}

/// Who wants no more once the server has been asked.
struct Asked<'a>(&'a Server);

impl Watch for Asked<'_> {
    fn stopped(&self) -> bool {
        !self.0.hits().is_empty()
    }
}

#[test]
fn who_waits_for_a_server_that_says_nothing_or_no_more_can_stop_it() {
    for begins in [false, true] {
        let held = Arc::new(Mutex::new(()));
        let ours = Arc::clone(&held);
        let server = Server::start(move |_, out| {
            if begins {
                head(out, "200 OK", &[], Some(700_000))?;
                out.write_all(&body()[..1000])?;
                out.flush()?;
            }
            drop(ours.lock());
            Ok(())
        });
        let place = Place::new();
        let limits = Limits {
            idle: Duration::from_secs(60),
            ..limits()
        };
        let expected = Expected::digest(Digest::of(b"x"));
        let http = Http::direct(limits.clone(), None);
        let (begun, silent) = (Instant::now(), held.lock().expect("a lock"));
        let request = Request::new(server.url("/image"));
        let stopped = http.file(&request, &place.path(), &expected, &Asked(&server));
        drop(silent);
        assert!(
            matches!(stopped, Err(DownloadError::Stopped { .. })),
            "{stopped:?}"
        );
        assert!(begun.elapsed() < limits.idle, "it was waited for");
    }
}

#[test]
fn a_file_comes_whole_and_tells_how_far_it_is() {
    #[derive(Default)]
    struct Seen(Mutex<Vec<Progress>>);
    impl Watch for Seen {
        fn progress(&self, progress: Progress) {
            self.0.lock().expect("a lock").push(progress);
        }
    }
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", &body()));
    let place = Place::new();
    let seen = Seen::default();
    let expected = Expected::digest(Digest::of(&body()));
    let request = Request::new(server.url("/app")).header("Accept", "application/octet-stream");
    let received = http()
        .file(&request, &place.path(), &expected, &seen)
        .expect("it comes");
    assert_eq!(received.size, 700_000);
    place.holds(&body());
    let seen = seen.0.into_inner().expect("a lock");
    assert!(seen.len() > 1 && seen.iter().all(|progress| progress.total == Some(700_000)));
    assert!(seen.is_sorted_by_key(|progress| progress.received));
    let hits = server.hits();
    assert_eq!(hits.len(), 1);
    assert!(hits[0].headers["user-agent"].starts_with("trustnet-vm/"));
    assert_eq!(hits[0].headers["accept"], "application/octet-stream");
}

#[test]
fn sha512_decides_as_well_as_sha256() {
    use sha2::{Digest as _, Sha512};
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", b"hello"));
    let place = Place::new();
    let mut expected = Expected {
        checksum: Checksum::Sha512(Sha512::digest(b"hello").into()),
        size: Some(5),
    };
    let received = place.get_as(&server.url("/"), expected).expect("it comes");
    assert_eq!(received.digest, Digest::of(b"hello"));
    expected.checksum = Checksum::Sha512([7; 64]);
    std::fs::remove_file(place.path()).expect("a file");
    assert!(matches!(
        place.get_as(&server.url("/"), expected),
        Err(DownloadError::Checksum { .. })
    ));
    place.is_empty();
}

#[test]
fn an_error_of_the_server_is_an_error_and_is_asked_again_only_where_that_may_help() {
    for (status, times) in [
        ("404 Not Found", 1),
        ("403 Forbidden", 1),
        ("204 No Content", 1),
        ("206 Partial Content", 1),
        ("500 Internal Server Error", 3),
        ("503 Service Unavailable", 3),
        ("429 Too Many Requests", 3),
    ] {
        let server = Server::start(move |_, out| {
            answer(out, status, &["Retry-After: 0"], b"<html>sorry</html>")
        });
        let place = Place::new();
        let error = place
            .get(&server.url("/app"), b"<html>sorry</html>")
            .expect_err(status);
        assert!(matches!(error, DownloadError::Status { .. }), "{error}");
        assert!(
            error
                .to_string()
                .ends_with(&format!("the server says {status}")),
            "{error}"
        );
        assert_eq!(server.hits().len(), times, "{status}");
        place.is_empty();
        let document = http().document(&Request::new(server.url("/list")), 1000, &());
        assert!(document.is_err(), "{status}");
    }
}

#[test]
fn a_server_that_comes_to_itself_is_asked_again() {
    let server = Server::start(|hit, out| match hit.nth {
        0 => answer(out, "502 Bad Gateway", &[], b""),
        1 => Ok(()),
        _ => file(out, hit, "\"1\"", &body()),
    });
    let place = Place::new();
    place.get(&server.url("/app"), &body()).expect("it comes");
    place.holds(&body());
    assert_eq!(server.hits().len(), 3);
}

#[test]
fn a_web_page_instead_of_the_file_is_refused_and_called_one() {
    let page = b"<!DOCTYPE html><html>log in</html>";
    let server = Server::start(|_, out| answer(out, "200 OK", &["Content-Type: text/html"], page));
    let place = Place::new();
    let error = place
        .get(&server.url("/app"), &body())
        .expect_err("refused");
    assert!(error.to_string().ends_with("it is a web page"), "{error}");
    place.is_empty();
}

#[test]
fn a_server_that_sends_us_round_in_circles_is_left() {
    let server = Server::start(|hit, out| {
        let to = format!("Location: /{}", hit.nth);
        answer(out, "302 Found", &[&to], b"")
    });
    let place = Place::new();
    let error = place
        .get(&server.url("/app"), &body())
        .expect_err("refused");
    assert!(
        error
            .to_string()
            .ends_with("it sends us on again and again"),
        "{error}"
    );
    assert_eq!(server.hits().len(), 1 + limits().redirects);
    place.is_empty();
}

#[test]
fn https_is_never_left_for_http() {
    let plain = Arc::new(Server::start(|hit, out| file(out, hit, "\"1\"", &body())));
    let target = Arc::clone(&plain);
    let server = Server::start_tls(move |_, out| {
        let to = format!("Location: {}", target.url("/app"));
        answer(out, "302 Found", &[&to], b"")
    });
    let place = Place::new();
    let http = Http::direct(limits(), server.authority.as_deref());
    let expected = Expected::digest(Digest::of(&body()));
    let error = http
        .file(
            &Request::new(server.url("/app")),
            &place.path(),
            &expected,
            &(),
        )
        .expect_err("refused");
    assert!(
        error
            .to_string()
            .ends_with("it sends us from https to http"),
        "{error}"
    );
    assert_eq!(plain.hits().len(), 0);
    place.is_empty();
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_at_once() {
    let server = Server::start_tls(|hit, out| file(out, hit, "\"1\"", &body()));
    let place = Place::new();
    let error = place
        .get(&server.url("/app"), &body())
        .expect_err("refused");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("SSL_CERT_FILE")),
        "{error:?}"
    );
    assert!(!error.may_pass());
    assert_eq!(server.hits().len(), 0);
    place.is_empty();
    let known = Http::direct(limits(), server.authority.as_deref());
    let expected = Expected::digest(Digest::of(&body()));
    known
        .file(
            &Request::new(server.url("/app")),
            &place.path(),
            &expected,
            &(),
        )
        .expect("it comes");
}

/// Breaks off in the middle the first time.
fn breaks_once(
    hit: &Hit,
    out: &mut dyn Write,
    then: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    if hit.nth > 0 {
        return then(out);
    }
    head(out, "200 OK", &["ETag: \"1\""], Some(700_000))?;
    out.write_all(&body()[..400_000])
}

#[test]
fn a_body_that_breaks_off_is_gone_on_with() {
    let server =
        Server::start(|hit, out| breaks_once(hit, out, |out| file(out, hit, "\"1\"", &body())));
    let place = Place::new();
    place.get(&server.url("/app"), &body()).expect("it comes");
    place.holds(&body());
    let hits = server.hits();
    assert_eq!(hits.len(), 2);
    assert_eq!(hits[1].headers["range"], "bytes=400000-");
    assert_eq!(hits[1].headers["if-range"], "\"1\"");
}

#[test]
fn content_that_changes_between_two_ranges_is_fetched_from_the_beginning() {
    let new = || noise(500_000).into_iter().rev().collect::<Vec<_>>();
    // One server tells, by its ETag; the other goes on with other bytes as if nothing were.
    let honest =
        Server::start(move |hit, out| breaks_once(hit, out, |out| file(out, hit, "\"2\"", &new())));
    let place = Place::new();
    place.get(&honest.url("/app"), &new()).expect("it comes");
    place.holds(&new());
    assert_eq!(honest.hits().len(), 2);
    let liar = Server::start(|hit, out| {
        breaks_once(hit, out, |out| match hit.nth {
            1 => {
                let range = "Content-Range: bytes 400000-699999/700000";
                answer(out, "206 Partial Content", &[range], &[0; 300_000])
            }
            _ => file(out, hit, "\"1\"", &body()),
        })
    });
    let place = Place::new();
    place.get(&liar.url("/app"), &body()).expect("it comes");
    place.holds(&body());
    assert_eq!(liar.hits().len(), 3);
    assert!(!liar.hits()[2].headers.contains_key("range"));
}

#[test]
fn a_range_that_nobody_asked_for_is_not_taken_for_the_rest() {
    let server = Server::start(|hit, out| {
        breaks_once(hit, out, |out| match hit.nth {
            1 => answer(
                out,
                "206 Partial Content",
                &["Content-Range: bytes 5-9/700000"],
                b"12345",
            ),
            _ => file(out, hit, "\"1\"", &body()),
        })
    });
    let place = Place::new();
    place.get(&server.url("/app"), &body()).expect("it comes");
    place.holds(&body());
}

#[test]
fn a_truncated_body_leaves_nothing_under_the_final_name_and_the_next_run_goes_on() {
    let server = Server::start(|hit, out| {
        if hit.nth < 3 {
            // It never sends more than the first half.
            head(out, "200 OK", &["ETag: \"1\""], Some(700_000))?;
            return out.write_all(&body()[..400_000]);
        }
        file(out, hit, "\"1\"", &body())
    });
    let place = Place::new();
    let error = place
        .get(&server.url("/app"), &body())
        .expect_err("it breaks off");
    assert!(matches!(error, DownloadError::Broken { .. }), "{error}");
    place.get(&server.url("/app"), &body()).expect("it comes");
    place.holds(&body());
    assert_eq!(server.hits()[3].headers["range"], "bytes=400000-");
}

#[test]
fn a_body_without_a_length_that_ends_early_is_not_taken_for_whole() {
    let server = Server::start(|hit, out| {
        if hit.nth == 0 {
            head(out, "200 OK", &["ETag: \"1\""], None)?;
            return out.write_all(&body()[..400_000]);
        }
        file(out, hit, "\"1\"", &body())
    });
    let place = Place::new();
    let expected = Expected {
        size: Some(700_000),
        ..Expected::digest(Digest::of(&body()))
    };
    place
        .get_as(&server.url("/app"), expected)
        .expect("it comes");
    place.holds(&body());
}

#[test]
fn a_connection_that_stalls_or_trickles_is_given_up() {
    let silent = Server::start(|_, out| {
        head(out, "200 OK", &[], Some(700_000))?;
        std::thread::sleep(Duration::from_secs(3));
        Ok(())
    });
    let trickle = Server::start(|_, out| {
        head(out, "200 OK", &[], Some(700_000))?;
        for _ in 0..60 {
            out.write_all(b".")?;
            out.flush()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    });
    for server in [silent, trickle] {
        let place = Place::new();
        let error = place
            .get(&server.url("/app"), &body())
            .expect_err("given up");
        assert!(matches!(error, DownloadError::Stalled { .. }), "{error:?}");
        assert_eq!(server.hits().len(), 3);
    }
}

#[test]
fn what_is_larger_or_smaller_than_it_should_be_is_refused_before_it_comes() {
    let server = Server::start(|hit, out| match hit.path.as_str() {
        "/endless" => {
            head(out, "200 OK", &[], None)?;
            loop {
                out.write_all(&[0; 65536])?;
            }
        }
        _ => head(out, "200 OK", &[], Some(9 << 20)),
    });
    let place = Place::new();
    let size = |size| Expected {
        size,
        ..Expected::digest(Digest::of(b"x"))
    };
    for (path, expected, what) in [
        ("/app", size(None), "it is larger than 8388608 bytes"),
        ("/endless", size(None), "it is larger than 8388608 bytes"),
        (
            "/app",
            size(Some(5)),
            "it has 9437184 bytes, and 5 were expected",
        ),
        ("/endless", size(Some(100)), "and 100 were expected"),
    ] {
        let error = place.get_as(&server.url(path), expected).expect_err(path);
        assert!(error.to_string().ends_with(what), "{path}: {error}");
        place.is_empty();
    }
    for path in ["/app", "/endless"] {
        let error = http()
            .document(&Request::new(server.url(path)), 100, &())
            .expect_err(path);
        assert!(matches!(error, DownloadError::TooLarge { .. }), "{error}");
    }
    assert_eq!(server.hits().len(), 6);
}

#[test]
fn a_wrong_digest_leaves_nothing() {
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", &body()));
    let place = Place::new();
    let error = place
        .get(&server.url("/app"), b"else")
        .expect_err("refused");
    assert!(
        matches!(error, DownloadError::Checksum { html: false, .. }),
        "{error}"
    );
    assert_eq!(server.hits().len(), 1);
    place.is_empty();
}

#[test]
fn a_download_stops_when_its_watcher_says_so_and_can_go_on_later() {
    struct Impatient;
    impl Watch for Impatient {
        fn stopped(&self) -> bool {
            true
        }
    }
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", &body()));
    let place = Place::new();
    let expected = Expected::digest(Digest::of(&body()));
    let stopped = http().file(
        &Request::new(server.url("/app")),
        &place.path(),
        &expected,
        &Impatient,
    );
    assert!(
        matches!(stopped, Err(DownloadError::Stopped { .. })),
        "{stopped:?}"
    );
    place.get(&server.url("/app"), &body()).expect("it comes");
}

#[test]
fn what_is_no_url_of_ours_is_refused_and_a_password_is_not_repeated() {
    let place = Place::new();
    for url in ["", "app", "ftp://example.org/x", "file:///etc/passwd"] {
        let error = place.get(url, b"").expect_err(url);
        assert!(matches!(error, DownloadError::Url { .. }), "{error}");
    }
    let error = place
        .get("https://ada:hunter2@example.org/x", b"")
        .expect_err("refused");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
