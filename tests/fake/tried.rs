//! Images and pools in the hands of somebody who tries what can go wrong.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use trustnet_core::vm::IMAGE_POOL;
use trustnet_host::image::records::Records;
use trustnet_host::paths::Paths;

use crate::home::{Home, files_below, terminal};

const IMAGE: &str = "debian-12.qcow2";

/// How a program ends that is to end by itself.
fn end_of(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if let Some(ended) = child.try_wait().expect("an answer") {
            return ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    panic!("it waits for ever");
}

#[test]
fn ctrl_c_at_a_question_is_an_interruption_and_nothing_is_done() {
    let home = Home::new();
    let before = home.inventory();
    home.done(["pool", "add", "ssd", "--target", "/mnt/ssd"]);
    for args in [["image", "delete", IMAGE], ["pool", "delete", "ssd"]] {
        let (_master, slave) = terminal();
        let mut program = home.program();
        program.args(args).stdin(slave).stderr(Stdio::piped());
        let mut child = program.spawn().expect("the program starts");
        let mut said = String::new();
        let mut error = child.stderr.take().expect("a pipe");
        let mut byte = [0];
        while !said.contains("[y/N]") && error.read(&mut byte).expect("read") == 1 {
            said.push(char::from(byte[0]));
        }
        kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
        let ended = end_of(&mut child);
        assert_eq!(ended.code(), Some(9), "{args:?}: {said}");
    }
    home.done(["pool", "delete", "ssd", "--yes"]);
    assert_eq!(home.inventory(), before);
}

#[test]
fn a_name_that_no_folder_takes_is_refused_and_one_that_is_there_hides_no_other() {
    let home = Home::new();
    let long = "a".repeat(201);
    let file = home.path("disk.raw");
    let mut bytes = vec![0; 1 << 20];
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&file, bytes).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let refused = home.run(["image", "import", file, "--name", &long]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("at most 200"), "{refused:?}");
    home.done(["image", "import", file, "--name", &long[..200]]);
    // By hand it came there all the same.
    let by_hand = "b".repeat(250);
    home.edit(|state| {
        let pool = state.pools.get_mut(IMAGE_POOL).expect("a pool");
        let mut image = pool.volumes[IMAGE].clone();
        image.xml = image.xml.replace(IMAGE, &by_hand);
        pool.volumes.insert(by_hand.clone(), image);
    });
    let verified = home.done(["image", "verify", "-o", "name"]);
    let expected = format!("{}\n{by_hand}\n{IMAGE}\n", &long[..200]);
    assert_eq!(verified.out, expected);
    let pruned = home.done(["image", "prune", "--yes", "-o", "name"]);
    assert_eq!(pruned.out, format!("{}\n", &long[..200]));
    home.done(["image", "delete", &by_hand, "--yes"]);
}

#[test]
fn an_image_is_deleted_once_however_often_it_is_named_and_not_while_another_run_has_it() {
    let home = Home::new();
    let var = |name: &str| (name == "HOME").then(|| home.path("").into_os_string());
    let paths = Paths::from_env(var).expect("a home");
    let uri = format!("fake://{}", home.path("host.json").display());
    let records = Records::of(&paths, &uri);
    let lock = records.lock(IMAGE_POOL, IMAGE, || true).expect("a lock");
    assert!(lock.is_some());
    let delete = ["image", "delete", IMAGE, IMAGE, "--yes"];
    let refused = home.run(delete);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.err.contains("another run"), "{refused:?}");
    drop(lock);
    let deleted = home.done(delete);
    assert_eq!(deleted.err.matches(IMAGE).count(), 1, "{deleted:?}");
}

#[test]
fn a_pipe_among_the_catalogues_is_no_catalogue_and_nobody_waits_for_it() {
    let home = Home::new();
    for folder in ["catalogues", "services"] {
        let folder = home.path(".config/trustnet-vm").join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        let made = Command::new("mkfifo")
            .arg(folder.join("pipe.yaml"))
            .status();
        assert!(made.expect("mkfifo").success());
    }
    let mut program = home.program();
    program.args(["image", "list", "--available"]);
    let mut child = program.stdout(Stdio::null()).spawn().expect("it starts");
    assert!(end_of(&mut child).success());
}

#[test]
fn no_password_in_the_url_of_an_image_or_of_an_archive_is_shown() {
    let home = Home::new();
    let sum = format!("sha256:{}", "0".repeat(64));
    for url in [
        "https://ada:secret@localhost/image",
        "https://ada:secret@localhost:99999/image",
        "ftp://ada:secret@localhost/image",
        "file://ada:secret@localhost/image",
    ] {
        let run = home.run(["image", "pull", url, "--name", "x", "--checksum", &sum]);
        assert_eq!(run.code, Some(5), "{run:?}");
        assert!(!run.err.contains("secret"), "{run:?}");
    }
}

#[test]
fn a_record_that_is_damaged_is_told_as_a_matter_of_storage_and_goes_with_its_image() {
    let home = Home::new();
    let file = home.path("disk.raw");
    let mut bytes = vec![0; 1 << 20];
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&file, bytes).expect("a file");
    home.done(["image", "import", file.to_str().expect("UTF-8")]);
    let records = home.path(".local/share/trustnet-vm/image-records");
    let record = files_below(&records).pop().expect("a record");
    fs::write(&record, "{").expect("a file");
    let damaged = home.run(["image", "verify", "disk.raw"]);
    assert_eq!(damaged.code, Some(5), "{damaged:?}");
    assert!(damaged.err.contains("disk.raw.json"), "{damaged:?}");
    home.done(["image", "delete", "disk.raw", "--yes"]);
    assert!(!record.exists());
}
