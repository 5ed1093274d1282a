//! `kill -9` in the middle of bringing an image, and then the same again; and two that bring the same at once.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use trustnet_host::fake::KILL_VARIABLE;

use crate::publisher::{Server, file, head};
use crate::stage::{Stage, checksum};

/// What is killed, the name that the image gets, and at which moments.
const KILLED: [(&[&str], &str, &[&str]); 5] = [
    (
        &["import", "disk.qcow2"],
        "imported",
        &["image:begun", "image:placed"],
    ),
    (
        &["import", "disk.raw.gz"],
        "unpacked",
        &["image:unpacked", "image:begun", "image:placed"],
    ),
    (
        &["import", "disk.raw.gz", "--compress"],
        "converted",
        &["image:converted", "image:placed"],
    ),
    (
        &["pull", "URL"],
        "pulled",
        &["whole", "image:begun", "image:placed"],
    ),
    (
        &["pull", "URL", "--convert"],
        "pulled-and-converted",
        &["image:unpacked", "image:converted", "image:placed"],
    ),
];

#[test]
fn what_is_killed_at_any_moment_is_brought_to_its_end_or_pruned() {
    let stage = Stage::new();
    stage.pack("disk.raw");
    let packed = fs::read(stage.home.path("disk.raw.gz")).expect("a file");
    let server = Server::start(move |hit, out| file(out, hit, "\"1\"", &packed));
    let (url, sum) = (
        server.url("/disk.raw.gz"),
        checksum(&stage.home.path("disk.raw.gz")),
    );
    for (verb, name, moments) in KILLED {
        let mut args = vec!["image"];
        args.extend(
            verb.iter()
                .map(|word| if *word == "URL" { &url } else { *word }),
        );
        args.extend(["--name", name]);
        if verb[0] == "pull" {
            args.extend(["--checksum", &sum]);
        }
        let killed = |moment: &str| {
            let mut program = stage.home.program();
            program.env(KILL_VARIABLE, moment).args(&args);
            let output = program.output().expect("the program starts");
            assert_eq!(output.status.signal(), Some(9), "{args:?} {moment}");
        };
        for moment in moments {
            killed(moment);
            let again = stage.home.run(&args);
            assert_eq!(again.code, 0, "{args:?} {moment}: {}", again.err);
            assert_eq!(stage.left(), Vec::<String>::new(), "{args:?} {moment}");
            let info = stage.json(&["image", "info", name]);
            assert_eq!(info["arrival"], "whole", "{args:?} {moment}");
            stage.home.done(["image", "verify", name]);
            same_disk(&stage, name);
            // Nobody comes again: everything goes.
            stage.home.done(["image", "delete", name, "--yes"]);
            killed(moment);
            stage.home.done(["image", "prune", "--yes"]);
            let files = fs::read_dir(stage.pool()).expect("a pool");
            assert_eq!(files.count(), 0, "{args:?} {moment}");
            assert_eq!(stage.left(), Vec::<String>::new(), "{args:?} {moment}");
        }
    }
}

/// Whether a guest sees on an image what is on `disk.raw`.
fn same_disk(stage: &Stage, name: &str) {
    let mut compare = stage.home.at_home("qemu-img");
    compare
        .args(["compare", "disk.raw"])
        .arg(stage.pool().join(name));
    let output = compare.output().expect("qemu-img starts");
    assert!(output.status.success(), "{name}: {output:?}");
}

fn spawn(stage: &Stage, args: &[&str]) -> Child {
    let mut program = stage.home.program();
    program
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    program.spawn().expect("the program starts")
}

#[test]
fn a_pull_that_is_killed_while_bytes_come_goes_on_and_two_at_once_are_one_download() {
    let stage = Stage::new();
    let body = fs::read(stage.home.path("disk.qcow2")).expect("a file");
    let (sum, half) = (checksum(&stage.home.path("disk.qcow2")), body.len() / 2);
    let server = Server::start(move |hit, out| {
        if hit.nth > 0 {
            std::thread::sleep(Duration::from_millis(200));
            return file(out, hit, "\"1\"", &body);
        }
        head(out, "200 OK", &["ETag: \"1\""], Some(body.len()))?;
        out.write_all(&body[..half])?;
        out.flush()?;
        // More does not come.
        loop {
            std::thread::park();
        }
    });
    let url = server.url("/disk.qcow2");
    let pull = [
        "image",
        "pull",
        &url,
        "--name",
        "pulled",
        "--checksum",
        &sum,
    ];
    let mut child = spawn(&stage, &pull);
    let partial = || {
        let left = stage.left();
        left.iter()
            .any(|path| fs::metadata(path).is_ok_and(|facts| facts.len() == half as u64))
    };
    for _ in 0..1000 {
        if partial() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(partial(), "no first half in 10 s: {:?}", stage.left());
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    let children = [(); 2].map(|()| spawn(&stage, &pull));
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let hits = server.hits();
    assert_eq!(hits.len(), 2, "{hits:?}");
    assert_eq!(hits[1].headers["range"], format!("bytes={half}-"));
    assert_eq!(stage.left(), Vec::<String>::new());
    stage.home.done(["image", "verify", "pulled"]);
    same_disk(&stage, "pulled");
}
