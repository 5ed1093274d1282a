use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;
use trustnet_core::image::qcow2::Compression;
use trustnet_core::image::{Bootable, ImageContent, check};

use super::{ConvertError, by, to_qcow2};
use crate::cache::download::{Progress, Watch};
use crate::cache::tests::process::wait_for;
use crate::image::look::Look;

const MIB: usize = 1 << 20;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A raw disk of 8 MiB with a boot record, something in it, and a hole.
fn raw(folder: &Path) -> PathBuf {
    let path = folder.join("disk");
    let file = fs::File::create(&path).expect("a file");
    file.set_len(8 * MIB as u64).expect("room");
    let mut sector = [7; 512];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    file.write_all_at(&sector, 0).expect("room");
    let bytes: Vec<u8> = (0..MIB).map(|at| (at * at / 7) as u8).collect();
    file.write_all_at(&bytes, 5 * MIB as u64).expect("room");
    path
}

/// What real qemu-img says; it must go well.
pub(crate) fn qemu_img<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let output = Command::new("qemu-img").args(arguments).output();
    let output = output.expect("qemu-img is there: install qemu-utils");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn words<'a>(line: &'a str, files: [&'a Path; 2]) -> impl Iterator<Item = &'a OsStr> {
    line.split(' ')
        .map(OsStr::new)
        .chain(files.map(Path::as_os_str))
}

fn compare(folder: &Path, raw: &Path, qcow2: &Path) {
    qemu_img(words("compare -f raw -F qcow2", [raw, qcow2]));
    qemu_img(["check".as_ref(), "-f".as_ref(), "qcow2".as_ref(), qcow2]);
    let mut left = fs::read_dir(folder).expect("a folder").flatten();
    assert!(left.all(|entry| !entry.file_name().to_string_lossy().ends_with(".part")));
}

#[test]
fn every_format_that_is_recognised_becomes_qcow2_with_the_same_disk() {
    let folder = folder();
    let raw = raw(folder.path());
    let to = folder.path().join("to");
    assert_eq!(to_qcow2(&raw, &to, None, &()).expect("raw"), 8 * MIB as u64);
    compare(folder.path(), &raw, &to);
    let facts = fs::metadata(&to).expect("facts");
    assert!(facts.blocks() * 512 < 3 * MIB as u64, "{facts:?}");

    for options in [
        "-O qcow2 -o compat=0.10",
        "-O qcow2 -o extended_l2=on,cluster_size=128k",
        "-O qcow2 -c -o compression_type=zstd",
        "-O vmdk",
        "-O vmdk -o subformat=streamOptimized",
        "-O vdi",
        "-O vpc -o force_size=on",
        "-O vpc -o subformat=fixed,force_size=on",
        "-O vhdx",
    ] {
        let from = folder.path().join("from");
        let line = format!("convert -f raw {options}");
        qemu_img(words(&line, [&raw, &from]));
        to_qcow2(&from, &to, None, &()).unwrap_or_else(|error| panic!("{options}: {error}"));
        compare(folder.path(), &raw, &to);
    }
}

#[test]
fn it_is_compressed_where_that_is_asked_for() {
    let folder = folder();
    let raw = raw(folder.path());
    let to = folder.path().join("to");
    for compression in [Compression::Zlib, Compression::Zstd] {
        to_qcow2(&raw, &to, Some(compression), &()).expect("converted");
        compare(folder.path(), &raw, &to);
        let ImageContent::Qcow2(header) = ImageContent::of(Look::at(&to).expect("a file").sample())
        else {
            panic!("it is not qcow2");
        };
        assert_eq!(header.compression, compression);
        assert!(fs::metadata(&to).expect("facts").len() < MIB as u64);
    }
}

#[test]
fn a_name_is_a_name_whatever_is_in_it() {
    let folder = folder();
    let raw = raw(folder.path());
    for name in [
        "nbd:localhost:1",
        "json:{}",
        "-n",
        "a,size=1",
        "two\nlines %s",
    ] {
        let (from, to) = (
            folder.path().join(name),
            folder.path().join(format!("{name}.out")),
        );
        fs::copy(&raw, &from).expect("room");
        to_qcow2(&from, &to, None, &()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let looked = Look::at(&to).expect("a file");
        assert!(matches!(
            check(looked.sample(), "a"),
            Ok(Bootable::Qcow2 { .. })
        ));
    }
}

#[test]
fn what_names_another_file_never_reaches_qemu_img() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("secret"), [b's'; 4096]).expect("room");
    let qcow2 = at("backed.qcow2");
    let line = format!("create -q -f qcow2 -F raw -b {}", at("secret").display());
    qemu_img(line.split(' ').map(OsStr::new).chain([qcow2.as_os_str()]));
    let external = at("external.qcow2");
    let line = format!(
        "create -q -f qcow2 -o data_file={}",
        at("data.raw").display()
    );
    let size = [external.as_os_str(), OsStr::new("1M")];
    qemu_img(line.split(' ').map(OsStr::new).chain(size));
    let flat = at("flat.vmdk");
    let size = [flat.as_os_str(), OsStr::new("1M")];
    let line = "create -q -f vmdk -o subformat=monolithicFlat";
    qemu_img(line.split(' ').map(OsStr::new).chain(size));

    for (from, why) in [
        (qcow2, "its backing image"),
        (external, "holds its data"),
        (flat, "only names the files"),
    ] {
        let result = by(OsStr::new("/nonexistent"), &from, &at("to"), None, &());
        let error = result.expect_err("it is refused");
        assert!(matches!(error, ConvertError::Unfit { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(!at("to").exists());
    }
}

/// Remembers what was said, and stops from then on.
#[derive(Default)]
struct Watching {
    said: Mutex<Vec<Progress>>,
    stops: bool,
}

impl Watch for Watching {
    fn progress(&self, progress: Progress) {
        self.said.lock().expect("whole").push(progress);
    }

    fn stopped(&self) -> bool {
        self.stops
    }
}

#[test]
fn it_says_how_far_it_has_come_and_leaves_nothing_where_it_is_stopped() {
    let folder = folder();
    let raw = raw(folder.path());
    let to = folder.path().join("to");
    fs::write(&to, "what was there before").expect("room");
    let stopping = Watching {
        stops: true,
        ..Watching::default()
    };
    let stopped = to_qcow2(&raw, &to, None, &stopping);
    assert!(
        matches!(stopped, Err(ConvertError::Stopped(_))),
        "{stopped:?}"
    );
    assert_eq!(
        fs::read_to_string(&to).expect("a file"),
        "what was there before"
    );
    assert!(!folder.path().join("to.part").exists());

    let watching = Watching::default();
    to_qcow2(&raw, &to, None, &watching).expect("converted");
    let size = 8 * MIB as u64;
    let said = watching.said.into_inner().expect("whole");
    assert!(said.iter().all(|progress| progress.total == Some(size)));
    assert!(said.is_sorted_by_key(|progress| progress.received));
    assert_eq!(said.last().map(|progress| progress.received), Some(size));
}

/// A program in the place of qemu-img; `$to` is what it is to write.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("program");
    let text = format!("#!/bin/sh\nfor to; do :; done\n{script}\n");
    fs::write(&path, text).expect("room");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    path
}

#[test]
fn a_failure_of_qemu_img_is_told_in_its_words_and_leaves_nothing() {
    let folder = folder();
    let raw = raw(folder.path());
    let to = folder.path().join("to");
    for (script, expected) in [
        (
            "echo half >\"$to\"; echo 'qemu-img: no room' >&2; exit 1",
            "no room",
        ),
        ("exit 7", "`qemu-img` ended with exit status: 7"),
        ("kill -9 $$", "`qemu-img` ended with signal: 9 (SIGKILL)"),
        (
            "echo half >\"$to\"",
            "what `qemu-img` has made is not a qcow2 image",
        ),
        // More than a pipe holds, on both sides.
        (
            "exec 2>&1; yes '    (1.00/100%)' | head -c 300000; exit 1",
            "`qemu-img` ended with exit status: 1",
        ),
        (
            "echo one >&2; yes | head -c 300000 >&2; exec >&-; exit 1",
            "one\ny",
        ),
    ] {
        let program = program(folder.path(), script);
        let result = by(program.as_os_str(), &raw, &to, None, &());
        let Err(ConvertError::Failed { why, .. }) = result else {
            panic!("{script}: {result:?}");
        };
        assert_eq!(&why[..expected.len().min(why.len())], expected, "{script}");
        assert!(!to.exists() && !folder.path().join("to.part").exists());
    }
    let missing = by(OsStr::new("/nonexistent/qemu-img"), &raw, &to, None, &());
    assert!(matches!(missing, Err(ConvertError::Missing)), "{missing:?}");
    let gone = to_qcow2(&folder.path().join("gone"), &to, None, &());
    assert!(matches!(gone, Err(ConvertError::Read { .. })), "{gone:?}");
}

const FOLDER: &str = "TEST_CONVERT_FOLDER";

/// Run by the test below, in a process of its own.
#[test]
#[ignore = "a part of another test"]
fn converts_in_a_process_of_its_own() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("started by a test"));
    let (program, raw) = (folder.join("program"), folder.join("disk"));
    let result = by(program.as_os_str(), &raw, &folder.join("to"), None, &());
    result.expect("converted");
}

#[test]
fn a_conversion_that_is_killed_takes_qemu_img_with_it_and_is_done_by_the_next() {
    let folder = folder();
    let raw = raw(folder.path());
    let at = |name: &str| folder.path().join(name);
    let test = "image::convert::tests::converts_in_a_process_of_its_own";
    let start = || {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--ignored"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts")
    };
    program(
        folder.path(),
        "echo half >\"$to\"; echo $$ >\"$to.pid\"; mv \"$to.pid\" \"${to%.part}.pid\"; exec sleep 60",
    );
    let mut killed = start();
    wait_for("half a conversion", || at("to.pid").exists());
    let pid = fs::read_to_string(at("to.pid")).expect("a number");
    let runs = Cell::new(true);
    killed.kill().expect("it is killed");
    assert_eq!(killed.wait().expect("it ends").signal(), Some(9));
    wait_for("end of qemu-img", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        // Dead, and perhaps not yet waited for by who inherits it.
        runs.set(stat.is_ok_and(|stat| !stat.contains(") Z ")));
        !runs.get()
    });
    assert!(!at("to").exists());
    assert_eq!(fs::read_to_string(at("to.part")).expect("left"), "half\n");

    program(folder.path(), "exec qemu-img \"$@\"");
    assert!(start().wait().expect("it ends").success());
    compare(folder.path(), &raw, &at("to"));
}
