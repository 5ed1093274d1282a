//! Pools with too little room, on a small file system of their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::stage::Stage;

/// Set where this program runs itself with mounts of its own.
const MOUNTS: &str = "TRUSTNET_VM_TEST_MOUNTS";

/// What is left in the pool.
fn files(stage: &Stage) -> Vec<String> {
    let entries = fs::read_dir(stage.home.path("small")).expect("a pool");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_disk_that_is_full_or_becomes_full_is_told_and_nothing_is_left_on_it() {
    if std::env::var_os(MOUNTS).is_none() {
        return with_mounts(
            "full::a_disk_that_is_full_or_becomes_full_is_told_and_nothing_is_left_on_it",
        );
    }
    let stage = Stage::new();
    let small = stage.home.path("small");
    fs::create_dir(&small).expect("a folder");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m,mode=777", "none"])
        .arg(&small)
        .status();
    assert!(mounted.expect("mount starts").success());
    let folder = small.to_str().expect("UTF-8");
    let args = ["pool-create-as", "small", "dir", "--target", folder];
    let made = stage.home.virsh(&args);
    assert_eq!(made.code, 0, "{}", made.err);
    let there = small.join("there.raw");
    let there = there.to_str().expect("UTF-8");
    stage.raw("large.raw", 5 << 20, 6 << 20);
    stage.raw("half.raw", 3 << 20, 4 << 20);
    let packed = stage.pack("large.raw");
    let import = |file: &str, more: &[&str], why: &[&str]| {
        let before = files(&stage);
        let args = ["image", "import", file, "--name", "new", "--pool", "small"];
        stage.refused(&[&args[..], more].concat(), 5, why);
        assert_eq!(files(&stage), before, "{file} {more:?}");
        let list = stage.json(&["image", "list", "--pool", "small"]);
        let images = list["items"].as_array().expect("items").len();
        assert_eq!(images, before.len(), "{list}");
    };
    let numbers = ["needs 5 MiB", "has 4 MiB free"];
    import("large.raw", &[], &numbers);
    import(&packed, &[], &["more than 4 MiB"]);
    import(
        "large.raw",
        &["--convert"],
        &["No space left", "were written, and", "free"],
    );
    import(
        "large.raw",
        &["--compress"],
        &["No space left", "were written, and"],
    );
    // On the pool's own disk it has to be copied, too.
    fs::copy(stage.home.path("half.raw"), there).expect("a copy");
    import(there, &[], &["needs 4 MiB", "has 0 B free"]);
    import("half.raw", &[], &["needs 3 MiB"]);
    fs::remove_file(there).expect("removed");
    // The pool is as good as before.
    let import = ["image", "import", "half.raw", "--pool", "small"];
    stage.home.done(import);
    stage.home.done(["image", "verify", "--pool", "small"]);
    assert_eq!(files(&stage), ["half.raw"]);
}

/// Runs a test of this program with mounts of its own, which end with it: where nobody may mount, nothing is shown.
fn with_mounts(test: &str) {
    if fs::metadata("/proc/self").expect("proc").uid() != 0 {
        let line = "skipped: a full disk: only root mounts one\n";
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("a line");
        return;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--"])
        .arg(std::env::current_exe().expect("a program"))
        .args(["--exact", test, "--nocapture"])
        .env(MOUNTS, "1")
        .output()
        .expect("unshare starts");
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&text)
    );
}
