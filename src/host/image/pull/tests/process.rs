//! Pulling in a process of its own: killed in the middle, two at once, through a proxy.

use std::path::Path;
use std::process::Child;

use trustnet_core::artifact::{Digest, Trust};

use super::{Wanted, fetch, limits};
use crate::cache::download::{Http, Limits};
use crate::cache::tests::process::{VARIABLES, body, holds_on, spawn_as, wait_for};
use crate::cache::tests::server::{Server, file};
use crate::cache::tests::tree;

/// The child. It goes by the environment, as the program itself does, and takes the image away into `pool`.
#[test]
#[ignore = "other tests run it, in a process of its own"]
fn child() {
    let [folder, url, digest] = VARIABLES.map(|name| std::env::var(name).expect(name));
    let folder = Path::new(&folder);
    let http = Http::new(Limits {
        idle: std::time::Duration::from_secs(20),
        ..limits()
    })
    .expect("a client");
    let digest = Digest::parse(&digest).expect("a digest");
    let wanted = Wanted {
        url,
        mirrors: Vec::new(),
        trust: Some(Trust::Pinned(digest.into())),
        size: None,
        insecure: false,
    };
    let arrived = fetch(folder, &http, &wanted, &()).expect("it comes");
    if std::env::var_os("TEST_STAYS").is_none() {
        std::fs::rename(&arrived.path, folder.join("image")).expect("it is put into its place");
    }
}

fn spawn(folder: &Path, url: &str, environment: &[(&str, &str)]) -> Child {
    let child = "image::pull::tests::process::child";
    spawn_as(child, folder, url, environment)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Only the image and the lock are there.
fn is_all(folder: &Path) {
    assert_eq!(
        std::fs::read(folder.join("image")).expect("an image"),
        body()
    );
    let lock = format!("{}.lock", Digest::of(&body()));
    assert_eq!(
        tree(folder),
        [(lock, 0), ("image".to_owned(), 700_000)],
        "nothing else is left"
    );
}

#[test]
fn a_pull_that_is_killed_in_the_middle_leaves_no_image_and_the_next_one_goes_on() {
    let server = Server::start(holds_on);
    let folder = folder();
    let mut child = spawn(folder.path(), &server.url("/image"), &[]);
    let partial = folder.path().join(format!("{}.part", Digest::of(&body())));
    wait_for("first half", || {
        partial.metadata().is_ok_and(|facts| facts.len() == 400_000)
    });
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert!(!folder.path().join("image").exists());
    let next = spawn(folder.path(), &server.url("/image"), &[]).wait();
    assert!(next.expect("it ends").success());
    assert_eq!(server.hits()[1].headers["range"], "bytes=400000-");
    is_all(folder.path());
}

#[cfg(feature = "fake")]
#[test]
fn a_pull_that_is_killed_after_the_last_byte_is_finished_without_another() {
    use std::os::unix::process::ExitStatusExt;
    let server = Server::start(|hit, out| file(out, hit, "\"1\"", &body()));
    let folder = folder();
    let killed = spawn(
        folder.path(),
        &server.url("/image"),
        &[(crate::fake::KILL_VARIABLE, "whole")],
    )
    .wait();
    assert_eq!(killed.expect("it ends").signal(), Some(9));
    let next = spawn(folder.path(), &server.url("/image"), &[]).wait();
    assert!(next.expect("it ends").success());
    assert_eq!(server.hits().len(), 1);
    is_all(folder.path());
}

#[test]
fn of_two_processes_one_downloads_and_the_other_waits_and_finds_it() {
    let server = Server::start(|hit, out| {
        std::thread::sleep(std::time::Duration::from_millis(300));
        file(out, hit, "\"1\"", &body())
    });
    let folder = folder();
    let stays = [("TEST_STAYS", "1")];
    let children = [(); 2].map(|()| spawn(folder.path(), &server.url("/image"), &stays));
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(server.hits().len(), 1);
}

#[test]
fn a_proxy_is_gone_through_and_past_where_the_environment_says_so() {
    let server = Server::start_tls(|hit, out| file(out, hit, "\"1\"", &body()));
    let proxy = Server::proxy_to(&server);
    let folder = folder();
    let pem = folder.path().join("ca.pem");
    std::fs::write(&pem, server.authority.as_deref().expect("an authority")).expect("a file");
    // Nobody listens there: only the proxy leads to the server.
    let url = "https://localhost:1/image";
    let (proxy_url, pem) = (proxy.url(""), pem.to_string_lossy().into_owned());
    let run = |past: &str| {
        let environment = [
            ("HTTPS_PROXY", proxy_url.as_str()),
            ("NO_PROXY", past),
            ("SSL_CERT_FILE", pem.as_str()),
        ];
        let ended = spawn(folder.path(), url, &environment).wait();
        ended.expect("it ends").success()
    };
    assert!(!run("localhost"));
    assert_eq!((proxy.hits().len(), server.hits().len()), (0, 0));
    assert!(run("example.org"));
    assert_eq!(proxy.hits()[0].path, "localhost:1");
    assert_eq!(server.hits().len(), 1);
}
