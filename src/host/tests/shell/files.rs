//! Files, both ways.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, symlink};

use sha2::{Digest, Sha256};
use trustnet_host::shell::{Fetched, ShellError};

use crate::sshd::Sshd;

/// Bytes that do not repeat soon.
struct Bytes(u64);

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *buffer {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (self.0 >> 56) as u8;
        }
        Ok(buffer.len())
    }
}

/// What becomes of a path's `.part`.
fn is_whole(path: &std::path::Path) -> bool {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    !std::path::Path::new(&part).exists()
}

#[test]
fn a_hundred_megabytes_arrive_as_they_were_sent_and_come_back_so() {
    const SIZE: u64 = 100_000_000;
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let path = guest.shared("big");
    let name = path.to_str().expect("UTF-8");
    let mut heard = Vec::new();
    shell
        .put(&mut Bytes(1), SIZE, name, 0o640, &mut |bytes| {
            heard.push(bytes)
        })
        .expect("it is written");
    assert!(
        heard.is_sorted() && heard.last() == Some(&SIZE),
        "{:?}",
        heard.last()
    );
    let mut sent = Sha256::new();
    io::copy(&mut Bytes(1).take(SIZE), &mut sent).expect("a digest");
    let sent = sent.finalize();
    let mut there = Sha256::new();
    io::copy(&mut fs::File::open(&path).expect("it is there"), &mut there).expect("a digest");
    assert_eq!(sent, there.finalize());
    let mut back = Sha256::new();
    let fetched = shell.get(name, &mut back, &mut |_| {}).expect("it is read");
    assert_eq!(
        fetched,
        Fetched {
            size: SIZE,
            mode: 0o640
        }
    );
    assert_eq!(sent, back.finalize());
}

#[test]
fn hostile_names_are_names() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    fs::create_dir(guest.shared("files")).expect("a folder");
    for name in [
        "plain",
        "two words",
        "'; touch pwned; '",
        "$(touch pwned)",
        "`touch pwned`",
        "-rf",
        "new\nline",
        "ends with a newline\n",
        "back\\slash \\0101 %s",
        "ü🦀",
        "*",
    ] {
        let path = guest.shared("files").join(name);
        let text = path.to_str().expect("UTF-8");
        let content = name.as_bytes();
        shell
            .put(
                &mut &*content,
                content.len() as u64,
                text,
                0o600,
                &mut |_| {},
            )
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(fs::read(&path).expect("it is there"), content, "{name:?}");
        let mut back = Vec::new();
        shell.get(text, &mut back, &mut |_| {}).expect("it is read");
        assert_eq!(back, content, "{name:?}");
    }
    let there = fs::read_dir(guest.shared("files"))
        .expect("a folder")
        .count();
    assert_eq!(there, 11);
    assert!(!guest.shared("pwned").exists() && !guest.path("/root/pwned").exists());
}

#[test]
fn a_file_has_its_mode_and_an_old_one_is_replaced_and_no_link_is_written_through() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let path = guest.shared("secret");
    let name = path.to_str().expect("UTF-8").to_owned();
    fs::write(&path, "old and longer").expect("a file");
    fs::write(guest.shared("theirs"), "theirs").expect("a file");
    symlink(guest.shared("theirs"), format!("{name}.part")).expect("a link");
    for mode in [0o600, 0o755, 0o4755] {
        shell
            .put(&mut &b"new"[..], 3, &name, mode, &mut |_| {})
            .expect("it is written");
        let facts = fs::symlink_metadata(&path).expect("it is there");
        assert_eq!(facts.mode() & 0o7777, mode);
        assert_eq!(fs::read(&path).expect("it is there"), b"new");
    }
    assert_eq!(
        fs::read(guest.shared("theirs")).expect("it is there"),
        b"theirs"
    );
    assert!(is_whole(&path));
}

#[test]
fn what_the_guest_cannot_write_or_read_is_told_in_its_words() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let mut tell = |put: bool, name: &str| {
        let path = guest.shared(name);
        let path = path.to_str().expect("UTF-8");
        let result = if put {
            shell.put(&mut &b"new"[..], 3, path, 0o600, &mut |_| {})
        } else {
            shell.get(path, &mut io::sink(), &mut |_| {}).map(|_| ())
        };
        let error = result.expect_err("it cannot");
        assert!(matches!(error, ShellError::Guest { .. }), "{error:?}");
        error
            .to_string()
            .replace(guest.shared("").to_str().expect("UTF-8"), "…/")
    };
    let said = [
        tell(true, "no-folder/file"),
        tell(true, ""),
        tell(false, "none"),
        tell(false, ""),
    ];
    for (said, what) in said.iter().zip([
        "failed to write `…/no-folder/file` in the guest:",
        "failed to write `…/` in the guest: it is a folder (exit code 1)",
        "failed to read `…/none` in the guest:",
        "failed to read `…/` in the guest: it is a folder (exit code 1)",
    ]) {
        assert!(said.starts_with(what), "{said}");
    }
    assert!(
        said[0].contains("No such file or directory") || said[0].contains("nonexistent"),
        "{}",
        said[0]
    );
}

#[test]
fn a_source_that_ends_early_leaves_the_old_file() {
    let guest = Sshd::start();
    let mut shell = guest.connect();
    let path = guest.shared("file");
    fs::write(&path, "old").expect("a file");
    let name = path.to_str().expect("UTF-8");
    let error = shell
        .put(&mut &b"short"[..], 6, name, 0o600, &mut |_| {})
        .expect_err("a byte is missing");
    assert!(matches!(error, ShellError::Local { .. }), "{error:?}");
    // The guest's script ends after us: the next one has it to itself.
    shell
        .put(
            &mut &b"other"[..],
            5,
            &format!("{name}2"),
            0o600,
            &mut |_| {},
        )
        .expect("it is written");
    assert_eq!(fs::read(&path).expect("it is there"), b"old");
}

#[test]
fn a_guest_that_goes_down_in_the_middle_keeps_the_old_file() {
    let mut guest = Sshd::start();
    let mut shell = guest.connect();
    let path = guest.shared("file");
    fs::write(&path, "old").expect("a file");
    let name = path.to_str().expect("UTF-8").to_owned();
    let mut cut = false;
    let error = shell
        .put(&mut Bytes(1), 200_000_000, &name, 0o600, &mut |bytes| {
            if bytes > 20_000_000 && !cut {
                cut = true;
                guest.stop();
            }
        })
        .expect_err("it was cut");
    assert!(error.is_lost(), "{error:?}");
    assert_eq!(fs::read(&path).expect("it is there"), b"old");
    guest.boot();
    guest
        .connect()
        .put(&mut &b"new"[..], 3, &name, 0o600, &mut |_| {})
        .expect("it is written");
    assert_eq!(fs::read(&path).expect("it is there"), b"new");
    assert!(is_whole(&path));
}
