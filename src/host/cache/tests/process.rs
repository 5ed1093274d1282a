//! Fetching in a process of its own: killed in the middle, two at once, with authorities of its own.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use trustnet_core::artifact::{Digest, Trust, UrlSource};

use super::server::{Hit, Server, file, head};
use super::{id, limits, noise, store, tree};
use crate::cache::download::{Http, Limits};
use crate::cache::store::Store;
use crate::cache::url::fetch;

/// What the child is told: the store, the URL, the digest.
pub(crate) const VARIABLES: [&str; 3] = ["TEST_STORE", "TEST_URL", "TEST_DIGEST"];

/// The child. It goes by the environment, as the program itself does.
#[test]
#[ignore = "other tests run it, in a process of its own"]
fn child() {
    let [root, url, digest] = VARIABLES.map(|name| std::env::var(name).expect(name));
    let store = Store::open(Path::new(&root)).expect("a store");
    let http = Http::new(Limits {
        idle: Duration::from_secs(20),
        ..limits()
    })
    .expect("a client");
    let digest = Digest::parse(&digest).expect("a digest");
    let source = UrlSource {
        url,
        size: None,
        trust: Some(Trust::Pinned(digest.into())),
    };
    fetch(&store, &http, &id("app"), &source, &()).expect("it comes");
}

pub(crate) fn body() -> Vec<u8> {
    noise(700_000)
}

fn spawn(folder: &Path, url: &str, environment: &[(&str, &str)]) -> Child {
    let child = "cache::tests::process::child";
    spawn_as(child, &folder.join("artifacts"), url, environment)
}

/// Runs another test of this program in a process of its own.
pub(crate) fn spawn_as(
    test: &str,
    folder: &Path,
    url: &str,
    environment: &[(&str, &str)],
) -> Child {
    let values = [
        folder.to_string_lossy().into_owned(),
        url.to_owned(),
        Digest::of(&body()).to_string(),
    ];
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--ignored"])
        .envs(VARIABLES.into_iter().zip(values))
        .env("NO_PROXY", "localhost,127.0.0.1")
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no {what} in 20 s");
}

/// The first answer stops in the middle and holds on.
pub(crate) fn holds_on(hit: &Hit, out: &mut dyn Write) -> std::io::Result<()> {
    if hit.nth > 0 {
        return file(out, hit, "\"1\"", &body());
    }
    head(out, "200 OK", &["ETag: \"1\""], Some(700_000))?;
    out.write_all(&body()[..400_000])?;
    out.flush()?;
    std::thread::sleep(Duration::from_secs(15));
    Ok(())
}

#[test]
fn a_fetch_that_is_killed_in_the_middle_leaves_nothing_whole_and_the_next_one_goes_on() {
    let server = Server::start(holds_on);
    let (folder, store) = store();
    let digest = Digest::of(&body());
    let mut child = spawn(folder.path(), &server.url("/app"), &[]);
    let partial = store.partial(&digest);
    wait_for("first half", || {
        partial.metadata().is_ok_and(|facts| facts.len() == 400_000)
    });
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert!(!store.have(&digest));
    assert_eq!(store.entries().expect("entries"), []);
    let mut next = spawn(folder.path(), &server.url("/app"), &[]);
    assert!(next.wait().expect("it ends").success());
    assert_eq!(server.hits()[1].headers["range"], "bytes=400000-");
    store.verify_one(&digest).expect("it is good");
    assert_eq!(tree(folder.path()).len(), 2, "{:?}", tree(folder.path()));
}

#[cfg(feature = "fake")]
#[test]
fn a_fetch_that_is_killed_after_the_last_byte_is_finished_without_another() {
    use std::os::unix::process::ExitStatusExt;
    for moment in ["whole", "named", "recorded"] {
        let server = Server::start(|hit, out| file(out, hit, "\"1\"", &body()));
        let (folder, store) = store();
        let killed = spawn(
            folder.path(),
            &server.url("/app"),
            &[(crate::fake::KILL_VARIABLE, moment)],
        )
        .wait();
        assert_eq!(killed.expect("it ends").signal(), Some(9), "{moment}");
        let next = spawn(folder.path(), &server.url("/app"), &[]).wait();
        assert!(next.expect("it ends").success(), "{moment}");
        assert_eq!(server.hits().len(), 1, "{moment}");
        store.verify_one(&Digest::of(&body())).expect("it is good");
        assert_eq!(store.entries().expect("entries").len(), 1);
        assert_eq!(
            tree(folder.path()).len(),
            2,
            "{moment}: {:?}",
            tree(folder.path())
        );
    }
}

#[test]
fn of_two_processes_one_downloads_and_the_other_waits_and_uses_it() {
    let server = Server::start(|hit, out| {
        std::thread::sleep(Duration::from_millis(300));
        file(out, hit, "\"1\"", &body())
    });
    let (folder, store) = store();
    let children = [(); 2].map(|()| spawn(folder.path(), &server.url("/app"), &[]));
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(server.hits().len(), 1);
    store.verify_one(&Digest::of(&body())).expect("it is good");
}

#[test]
fn an_authority_in_ssl_cert_file_is_believed_and_without_it_the_server_is_not() {
    let server = Server::start_tls(|hit, out| file(out, hit, "\"1\"", &body()));
    let (folder, store) = store();
    let pem = folder.path().join("ca.pem");
    std::fs::write(&pem, server.authority.as_deref().expect("an authority")).expect("a file");
    let nowhere = folder.path().join("no-folder");
    let nowhere = nowhere.to_str().expect("UTF-8");
    let run = |file: &str| {
        let environment = [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", nowhere)];
        spawn(folder.path(), &server.url("/app"), &environment)
            .wait()
            .expect("it ends")
            .success()
    };
    let other = Server::start_tls(|_, _| Ok(()));
    let other_pem = folder.path().join("other.pem");
    std::fs::write(
        &other_pem,
        other.authority.as_deref().expect("an authority"),
    )
    .expect("a file");
    assert!(!run(other_pem.to_str().expect("UTF-8")));
    assert_eq!(server.hits().len(), 0);
    assert!(run(pem.to_str().expect("UTF-8")));
    store.verify_one(&Digest::of(&body())).expect("it is good");
}
