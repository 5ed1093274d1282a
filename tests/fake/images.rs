//! Images: what is taken, what is recorded, and what keeps one from being deleted.

use std::fs;

use serde_json::Value;
use trustnet_core::vm::IMAGE_POOL;
use trustnet_host::fake::{Effect, KILL_VARIABLE, qcow2_header};

use crate::home::{Home, Run, files_below};

/// A file with a boot record and something behind it, of so many bytes.
fn raw_disk(home: &Home, name: &str, length: usize) -> String {
    let mut bytes = vec![0; length];
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    for (at, byte) in bytes.iter_mut().enumerate().skip(length / 2).take(100_000) {
        *byte = (at % 251) as u8;
    }
    fs::write(home.path(name), bytes).expect("a file");
    home.path(name).to_str().expect("UTF-8").to_owned()
}

/// What a verb prints for machines.
fn json<'a>(home: &Home, args: impl IntoIterator<Item = &'a str>) -> Value {
    let args = args.into_iter().chain(["-o", "json"]);
    serde_json::from_str(&home.done(args).out).expect("JSON")
}

fn names(home: &Home) -> Vec<String> {
    let list = json(home, ["image", "list"]);
    let items = list["items"].as_array().expect("items").iter();
    items
        .map(|item| item["name"].as_str().expect("a name").to_owned())
        .collect()
}

fn records(home: &Home) -> usize {
    files_below(&home.path(".local/share/trustnet-vm/image-records")).len()
}

/// The bytes of an image as the host has them.
fn content(home: &Home, name: &str) -> Vec<u8> {
    home.state().pools[IMAGE_POOL].volumes[name].content.clone()
}

fn sha256(home: &Home, file: &str) -> String {
    trustnet_core::artifact::Digest::of(&fs::read(home.path(file)).expect("a file")).to_string()
}

#[test]
fn a_file_becomes_an_image_with_a_record_and_nothing_is_done_twice() {
    let home = Home::new();
    let file = raw_disk(&home, "disk.raw", 3 << 20);
    let import = ["image", "import", &file];
    let done = home.done(import);
    assert!(done.out.contains("`disk.raw` imported"), "{done:?}");
    // Holes were not sent; the volume has zeros there.
    let bytes = fs::read(&file).expect("a file");
    let mut there = content(&home, "disk.raw");
    there.resize(bytes.len(), 0);
    assert!(there == bytes, "it came different");
    let info = json(&home, ["image", "info", "disk.raw"]);
    assert_eq!(info["arrival"], "whole");
    assert_eq!(info["source"], Value::String(file.clone()));
    assert_eq!(info["verified"]["by"], "localFile");
    assert_eq!(info["sha256"], Value::Null, "nobody has read all of it");
    let written = home.state().written.clone();
    assert!(home.done(import).out.contains("nothing to do"));
    assert_eq!(home.state().written, written);
    // Read once, its digest is known.
    let verified = home.done(["image", "verify", "disk.raw"]);
    assert!(
        verified.out.contains(&sha256(&home, "disk.raw")),
        "{verified:?}"
    );
    let info = json(&home, ["image", "info", "disk.raw"]);
    assert_eq!(info["sha256"], sha256(&home, "disk.raw"));
    let gone = home.done(["image", "delete", "disk.raw", "--yes"]);
    assert!(
        gone.err.contains("image foundry-images/disk.raw"),
        "{gone:?}"
    );
    assert_eq!(names(&home), ["debian-12.qcow2"]);
    assert_eq!(records(&home), 0);
}

#[test]
fn what_is_no_image_or_another_one_is_refused_and_leaves_nothing() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    fs::write(home.path("text.raw"), "not an image").expect("a file");
    let mut backed = qcow2_header(1 << 30);
    backed[8..16].copy_from_slice(&512u64.to_be_bytes());
    backed[16..20].copy_from_slice(&11u32.to_be_bytes());
    backed.resize(256 << 10, 0);
    backed[512..523].copy_from_slice(b"/etc/shadow");
    fs::write(home.path("backed.qcow2"), backed).expect("a file");
    let before = home.inventory();
    let wrong = format!("sha256:{}", "0".repeat(64));
    for (args, why) in [
        (&["text.raw"][..], "not a disk image"),
        (&["backed.qcow2"], "/etc/shadow"),
        (&["disk.raw", "--name", "disk.qcow2"], "disk.raw"),
        (&["disk.raw", "--checksum", &wrong], "was to have"),
        (&["disk.raw", "--name", "debian-12.qcow2"], "by hand"),
        (&["disk.raw", "--name", "../disk"], "can be called"),
        (&["disk.raw", "--name", ".hidden"], "can be called"),
        (&["disk.raw", "--pool", "nothing"], "no storage pool"),
        (&["disk.raw", "--checksum", "md5:00"], "no checksum"),
        (&["/dev/null", "--name", "null"], "not a regular file"),
        (&["/no/such/file"], "No such file"),
    ] {
        let run = home.run(["image", "import"].iter().chain(args).copied());
        assert!(matches!(run.code, Some(1 | 5)), "{args:?}: {run:?}");
        assert!(run.err.contains(why), "{args:?}: {run:?}");
        assert_eq!(home.inventory(), before, "{args:?}");
        assert_eq!(records(&home), 0, "{args:?}");
    }
}

#[test]
fn an_image_of_another_content_keeps_its_name() {
    let home = Home::new();
    raw_disk(&home, "one", 1 << 20);
    raw_disk(&home, "two", 2 << 20);
    home.done(["image", "import", "one", "--name", "disk"]);
    let before = content(&home, "disk");
    let run = home.run(["image", "import", "two", "--name", "disk"]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("already, and it is another"), "{run:?}");
    assert_eq!(content(&home, "disk"), before);
    // Of what came by hand nobody knows what it is.
    home.edit(|state| {
        let pool = state.pools.get_mut(IMAGE_POOL).expect("a pool");
        pool.put("mine", &before);
    });
    let run = home.run(["image", "import", "one", "--name", "mine"]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("by hand"), "{run:?}");
}

#[test]
fn an_image_that_a_vm_stands_on_stays_and_the_vm_is_named() {
    let home = Home::new();
    raw_disk(&home, "free", 1 << 20);
    home.done(["image", "import", "free"]);
    home.done(["create", &home.spec("web", "")]);
    let list = home.done(["image", "list"]);
    assert!(list.out.contains("web"), "{list:?}");
    for args in [
        &["image", "delete", "debian-12.qcow2", "--yes"][..],
        &["image", "delete", "free", "debian-12.qcow2", "--yes"],
    ] {
        let run = home.run(args.iter().copied());
        assert_eq!(run.code, Some(5), "{run:?}");
        assert!(run.err.contains("`web` stands on it"), "{run:?}");
    }
    home.done(["stop", "web", "--force"]);
    let run = home.run(["image", "delete", "debian-12.qcow2", "--yes"]);
    assert!(run.err.contains("`web` stands on it"), "off: {run:?}");
    // What came by hand is not pruned even where nobody uses it.
    home.done(["destroy", "web", "--yes"]);
    let dry = home.done(["image", "prune", "--dry-run"]);
    assert!(
        dry.out.contains("free") && !dry.out.contains("debian"),
        "{dry:?}"
    );
    assert_eq!(names(&home), ["debian-12.qcow2", "free"]);
    let unasked = home.run(["image", "prune"]);
    assert_eq!(unasked.code, Some(1), "nobody said yes: {unasked:?}");
    home.done(["image", "prune", "--yes"]);
    assert_eq!(names(&home), ["debian-12.qcow2"]);
    home.done(["image", "delete", "debian-12.qcow2", "--yes"]);
    assert_eq!(names(&home), Vec::<String>::new());
}

#[test]
fn an_image_whose_bytes_changed_is_found_and_no_vm_is_made_from_it() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    let sum = format!("sha256:{}", sha256(&home, "disk.raw"));
    let import = [
        "image",
        "import",
        "disk.raw",
        "--name",
        "base",
        "--checksum",
        &sum,
    ];
    home.done(import);
    let spec = home.spec("web", "");
    let text = fs::read_to_string(&spec).expect("a spec");
    fs::write(&spec, text.replace("debian-12.qcow2", "base")).expect("a spec");
    home.edit(|state| {
        let pool = state.pools.get_mut(IMAGE_POOL).expect("a pool");
        pool.volumes.get_mut("base").expect("an image").content[600] ^= 1;
    });
    let before = home.inventory();
    let run = home.run(["create", &spec]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("its bytes have changed"), "{run:?}");
    assert!(run.err.contains("image delete base"), "{run:?}");
    assert_eq!(home.inventory(), before);
    let verified = home.run(["image", "verify"]);
    assert_eq!(verified.code, Some(5), "{verified:?}");
    assert!(verified.out.contains("base: changed"), "{verified:?}");
    // As it was, it is good again, whatever it looked like in between.
    home.edit(|state| {
        let pool = state.pools.get_mut(IMAGE_POOL).expect("a pool");
        pool.volumes.get_mut("base").expect("an image").content[600] ^= 1;
    });
    home.done(["image", "verify"]);
    home.done(["create", &spec]);
}

#[test]
fn a_packed_image_is_unpacked_on_its_way() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    for (program, extension) in [
        ("xz", "xz"),
        ("gzip", "gz"),
        ("zstd", "zst"),
        ("bzip2", "bz2"),
    ] {
        let packed = std::process::Command::new(program)
            .args(["-c", "disk.raw"])
            .current_dir(home.path(""))
            .output()
            .expect("it is there");
        assert!(packed.status.success(), "{program}");
        let file = format!("disk.raw.{extension}");
        fs::write(home.path(&file), packed.stdout).expect("a file");
        home.done(["image", "import", &file, "--name", extension_free(&file)]);
        let mut there = content(&home, "disk.raw");
        there.resize(1 << 20, 0);
        assert!(there == fs::read(home.path("disk.raw")).expect("a file"));
        home.done(["image", "delete", "disk.raw", "--yes"]);
        // Cut off, nothing comes.
        let whole = fs::read(home.path(&file)).expect("a file");
        fs::write(home.path(&file), &whole[..whole.len() / 2]).expect("a file");
        let run = home.run(["image", "import", &file, "--name", "disk.raw"]);
        assert_eq!(run.code, Some(5), "{program}: {run:?}");
        assert_eq!(names(&home), ["debian-12.qcow2"]);
        assert_eq!(records(&home), 0);
    }
    let left = files_below(&home.path(".cache"));
    assert!(left.iter().all(|path| !path.ends_with(".made")), "{left:?}");
}

fn extension_free(file: &str) -> &str {
    file.rsplit_once('.').expect("an extension").0
}

#[test]
fn an_image_is_pulled_from_where_its_checksum_says_and_once() {
    let home = Home::new();
    let file = raw_disk(&home, "disk.raw", 1 << 20);
    let url = format!("file://{file}");
    let pull = ["image", "pull", &url, "--name", "base"];
    let run = home.run(pull);
    assert_eq!(run.code, Some(5), "nobody vouches: {run:?}");
    let sum = format!("sha256:{}", sha256(&home, "disk.raw"));
    let vouched = || pull.iter().copied().chain(["--checksum", &sum]);
    let done = home.done(vouched());
    assert!(done.out.contains("pulled"), "{done:?}");
    let info = json(&home, ["image", "info", "base"]);
    assert_eq!(info["sha256"], sha256(&home, "disk.raw"));
    assert_eq!(info["verified"]["by"], "pin");
    assert_eq!(info["source"], Value::String(url.clone()));
    assert!(home.done(vouched()).out.contains("nothing to do"));
    assert!(fs::metadata(&file).is_ok(), "the publisher's stays");
    let left = files_below(&home.path(".cache/trustnet-vm/images"));
    assert!(
        left.iter()
            .all(|path| path.extension().is_some_and(|e| e == "lock")),
        "{left:?}"
    );
    let insecure = [
        "image",
        "pull",
        &url,
        "--name",
        "trusting",
        "--insecure-no-checksum",
    ];
    home.done(insecure);
    let info = json(&home, ["image", "info", "trusting"]);
    assert_eq!(info["verified"]["by"], "nobody");
}

/// Killed at every call and at every moment of its own, an import is brought to its end by the next.
#[test]
fn an_import_that_is_killed_is_brought_to_its_end_by_the_next() {
    let moments = ["image:begun", "image:placed"].map(|moment| (Some(moment), 0));
    let calls = (1..40).map(|nth| (None, nth));
    let mut killed = 0;
    for (moment, nth) in moments.into_iter().chain(calls) {
        let home = Home::new();
        raw_disk(&home, "disk.raw", 1 << 20);
        let import = ["image", "import", "disk.raw", "--name", "base"];
        let mut program = home.program();
        match moment {
            Some(moment) => drop(program.env(KILL_VARIABLE, moment)),
            None => home.tell("*", nth, Effect::KillAfter),
        }
        let run = Run::of(&program.args(import).output().expect("the program starts"));
        home.edit(|state| state.fail.clear());
        if run.code == Some(0) {
            assert!(nth > 0, "{moment:?} did not come");
            break;
        }
        assert_eq!(run.signal, Some(9), "{moment:?} {nth}: {run:?}");
        killed += 1;
        // What is not whole is no image to make a VM from.
        if names(&home).contains(&"base".to_owned()) {
            let spec = home.spec("web", "");
            let text = fs::read_to_string(&spec).expect("a spec");
            fs::write(&spec, text.replace("debian-12.qcow2", "base")).expect("a spec");
            let run = home.run(["create", &spec]);
            let whole = json(&home, ["image", "info", "base"])["arrival"] == "whole";
            assert_eq!(run.code == Some(0), whole, "{moment:?} {nth}: {run:?}");
            if whole {
                home.done(["destroy", "web", "--yes"]);
            }
        }
        home.done(import);
        let mut there = content(&home, "base");
        there.resize(1 << 20, 0);
        assert!(there == fs::read(home.path("disk.raw")).expect("a file"));
        home.done(["image", "verify", "base"]);
    }
    assert!(killed > 6, "{killed}");
}

/// A catalogue of the user's with one image, which is a file of this machine.
fn catalogue(home: &Home, file: &str) {
    let folder = home.path(".config/trustnet-vm/catalogues");
    fs::create_dir_all(&folder).expect("a folder");
    let digest = sha256(home, file);
    let url = format!("file://{}", home.path(file).display());
    let text = format!(
        "apiVersion: trustnet.io/v1alpha1\nkind: ImageCatalogue\nitems:\n  - name: mine\n    version: \"3\"\n    \
         arch: amd64\n    url: {url}\n    digest: sha256:{digest}\n    defaultUser: ada\n"
    );
    fs::write(folder.join("mine.yaml"), text).expect("a file");
}

fn spec_of(home: &Home, name: &str, image: &str) -> String {
    let spec = home.spec(name, "");
    let text = fs::read_to_string(&spec).expect("a spec");
    fs::write(&spec, text.replace("debian-12.qcow2", image)).expect("a spec");
    spec
}

#[test]
fn an_image_of_the_catalogue_is_pulled_when_a_vm_asks_for_it_and_once_for_all() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    catalogue(&home, "disk.raw");
    let (web, db) = (
        spec_of(&home, "web", "mine-3"),
        spec_of(&home, "db", "mine-3"),
    );
    let before = home.inventory();
    let plan = home.done(["plan", &web]);
    assert!(
        plan.out.contains("pull image `mine-3` from file://"),
        "{plan:?}"
    );
    assert!(
        plan.out.contains("create volume `foundry-vms/web_boot"),
        "{plan:?}"
    );
    let offline = home.run(["create", "--offline", &web]);
    assert_eq!(offline.code, Some(5), "{offline:?}");
    assert!(offline.err.contains("image pull mine-3"), "{offline:?}");
    assert_eq!(home.inventory(), before);
    // Both at once: one download, and both VMs.
    let done = home.done(["create", &web, &db]);
    // Who comes late finds it there, and has nothing to say of it.
    let told = done.err.matches("pulled into pool").count();
    assert!((1..=2).contains(&told), "{done:?}");
    let info = json(&home, ["image", "info", "mine-3"]);
    assert_eq!(info["sha256"], sha256(&home, "disk.raw"));
    assert_eq!(info["defaultUser"], "ada");
    assert_eq!(info["usedBy"].as_array().expect("users").len(), 2, "{info}");
    let written = home.state().written[&format!("{IMAGE_POOL}/mine-3")];
    assert!(written <= 1 << 20, "{written} bytes were written");
    assert!(
        home.done(["create", &web, &db])
            .out
            .contains("nothing to do")
    );
}

#[test]
fn an_image_is_pulled_by_its_name_and_a_wrong_name_is_told_what_there_is() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    catalogue(&home, "disk.raw");
    let done = home.done(["image", "pull", "mine"]);
    assert!(done.out.contains("`mine-3` pulled"), "{done:?}");
    let list = home.done(["image", "list", "--available"]);
    assert!(
        list.out.contains("mine-3") && list.out.contains("debian-12"),
        "{list:?}"
    );
    let wrong = home.run(["image", "pull", "debain-12"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.err.contains("did you mean `debian-12`?"), "{wrong:?}");
    let run = home.run(["create", &spec_of(&home, "web", "debain-12")]);
    assert!(
        run.err.contains("did you mean `debian-12`, which"),
        "{run:?}"
    );
    let arch = home.run(["image", "pull", "mine-3", "--arch", "arm64"]);
    assert!(arch.err.contains("for arm64"), "{arch:?}");
    // One bit off, and nothing comes.
    let mut bytes = fs::read(home.path("disk.raw")).expect("a file");
    bytes[1000] ^= 1;
    fs::write(home.path("disk.raw"), bytes).expect("a file");
    home.done(["image", "delete", "mine-3", "--yes"]);
    let run = home.run(["image", "pull", "mine-3"]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert_eq!(names(&home), ["debian-12.qcow2"]);
    assert_eq!(records(&home), 0);
}

#[test]
fn a_disk_of_another_program_becomes_qcow2_where_that_is_asked_for() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    let convert = |format: &str, to: &str| {
        let done = std::process::Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", format, "disk.raw", to])
            .current_dir(home.path(""))
            .status();
        assert!(done.expect("qemu-img").success());
    };
    convert("vdi", "disk.vdi");
    let run = home.run(["image", "import", "disk.vdi"]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("--convert"), "{run:?}");
    home.done(["image", "import", "disk.vdi", "--convert"]);
    assert!(content(&home, "disk.qcow2").starts_with(b"QFI\xfb"));
    home.done([
        "image",
        "import",
        "disk.raw",
        "--compress",
        "--name",
        "small.qcow2",
    ]);
    assert!(content(&home, "small.qcow2").starts_with(b"QFI\xfb"));
    let info = json(&home, ["image", "info", "small.qcow2"]);
    assert_eq!(info["virtualSize"], 1 << 20, "{info}");
    let left = files_below(&home.path(".cache"));
    assert!(
        left.iter()
            .all(|path| path.extension().is_none_or(|e| e == "lock")),
        "{left:?}"
    );
}

/// Puts a volume into the pool of images, as somebody does by hand.
fn by_hand(home: &Home, name: &str, content: &[u8]) {
    home.edit(|state| {
        let pool = state.pools.get_mut(IMAGE_POOL).expect("a pool");
        pool.put(name, content);
    });
}

#[test]
fn what_only_has_the_name_of_what_was_brought_is_not_pruned() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    home.done(["image", "import", "disk.raw", "--name", "base"]);
    let mut other = fs::read(home.path("disk.raw")).expect("a file");
    other[700] = 1;
    by_hand(&home, "base", &other);
    let list = home.done(["image", "list"]);
    assert!(list.out.contains("looks changed"), "{list:?}");
    let run = home.done(["image", "prune", "--yes"]);
    assert!(run.err.contains("not what was brought"), "{run:?}");
    assert_eq!(names(&home), ["base", "debian-12.qcow2"]);
    // The record of what is gone goes, and nothing else.
    home.edit(|state| {
        let pool = state.pools.get_mut(IMAGE_POOL).expect("a pool");
        pool.volumes.remove("base");
    });
    home.done(["image", "prune", "--yes"]);
    assert_eq!(records(&home), 0);
}

#[test]
fn a_volume_that_came_by_hand_while_an_import_was_killed_stays() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    let import = ["image", "import", "disk.raw", "--name", "base"];
    for empty in [false, true] {
        let mut program = home.program();
        program.env(KILL_VARIABLE, "image:begun").args(import);
        let run = Run::of(&program.output().expect("the program starts"));
        assert_eq!(run.signal, Some(9), "{run:?}");
        let mut theirs = vec![0; 1 << 20];
        theirs[900_000] = u8::from(!empty);
        // A disk without anything in its first 64 KiB, as btrfs makes them.
        by_hand(&home, "base", &theirs);
        let run = home.run(import);
        assert_eq!(run.code, Some(5), "{run:?}");
        assert!(run.err.contains("by hand"), "{run:?}");
        assert_eq!(content(&home, "base"), theirs);
        home.done(["image", "prune", "--yes"]);
        assert_eq!(content(&home, "base"), theirs);
        home.done(["image", "delete", "base", "--yes"]);
    }
}

#[test]
fn a_pull_of_what_is_there_asks_again_who_vouches_and_whether_it_is_still_that() {
    let home = Home::new();
    let file = raw_disk(&home, "disk.raw", 1 << 20);
    let url = format!("file://{file}");
    let sum = format!("sha256:{}", sha256(&home, "disk.raw"));
    let other = format!("sha256:{}", "0".repeat(64));
    let pull = |more: &[&str]| {
        let args = ["image", "pull", &url, "--name", "base"];
        home.run(args.iter().chain(more).copied())
    };
    assert_eq!(pull(&["--insecure-no-checksum"]).code, Some(0));
    for (more, why) in [
        (&["--checksum", &sum][..], "nobody vouched"),
        (&["--insecure-no-checksum", "--convert"], "converted"),
    ] {
        let run = pull(more);
        assert_eq!(run.code, Some(5), "{run:?}");
        assert!(run.err.contains(why), "{run:?}");
    }
    home.done(["image", "delete", "base", "--yes"]);
    assert_eq!(pull(&["--checksum", &sum]).code, Some(0));
    assert_eq!(pull(&["--checksum", &sum]).code, Some(0));
    let run = pull(&["--checksum", &other]);
    assert!(run.err.contains("held against"), "{run:?}");
    let mut bytes = content(&home, "base");
    bytes[600] ^= 1;
    by_hand(&home, "base", &bytes);
    let run = pull(&["--checksum", &sum]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("have changed"), "{run:?}");
}

#[test]
fn an_image_is_not_deleted_below_a_disk_that_nobody_can_look_at() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    home.done(["image", "import", "disk.raw", "--name", "base"]);
    home.edit(|state| {
        state.foreign("theirs");
        let domain = state.domains.values_mut().next().expect("a domain");
        let disk = "<devices><disk type='volume'><driver type='qcow2'/>\
                    <source pool='stopped' volume='disk'/><target dev='vda'/></disk></devices>";
        domain.xml = domain.xml.replace("</domain>", &format!("{disk}</domain>"));
    });
    let run = home.run(["image", "delete", "base", "--yes"]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("perhaps `theirs`"), "{run:?}");
    assert!(run.err.contains("start the pool"), "{run:?}");
    home.done(["image", "prune", "--yes"]);
    assert_eq!(names(&home), ["base", "debian-12.qcow2"]);
}

#[test]
fn a_record_that_cannot_be_read_hides_no_image() {
    let home = Home::new();
    raw_disk(&home, "disk.raw", 1 << 20);
    home.done(["image", "import", "disk.raw", "--name", "base"]);
    let files = files_below(&home.path(".local/share/trustnet-vm/image-records"));
    fs::write(&files[0], "{").expect("a file");
    let list = home.done(["image", "list"]);
    assert!(list.err.contains("base.json"), "{list:?}");
    assert_eq!(names(&home), ["base", "debian-12.qcow2"]);
    home.done(["image", "delete", "base", "--yes"]);
    assert_eq!(records(&home), 0);
}
