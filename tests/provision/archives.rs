//! Archives of every format: stripped, linked, swapped over an older version.

use std::fs;
use std::process::Command;

use serde_json::json;
use trustnet_core::provision::Pinned;

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, bring, inside, program_of};

const FORMATS: [(&str, &[&str]); 6] = [
    ("tar", &["tar", "-cf"]),
    ("tar.gz", &["tar", "-czf"]),
    ("tar.xz", &["tar", "-cJf"]),
    ("tar.bz2", &["tar", "-cjf"]),
    ("tar.zst", &["tar", "--zstd", "-cf"]),
    ("zip", &["zip", "-q", "-y", "-r"]),
];

fn definition(format: &str, strip: u32) -> String {
    format!(
        r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: {{ name: app }}
spec:
  version: "1.0"
  artifacts:
    - name: app
      file: app.{format}
      unpack: {{ into: /opt/app, strip: {strip}, links: {{ /usr/local/bin/app: bin/app }} }}
"#
    )
}

/// An archive of a tree whose program says `word`; folders are in it only by their files.
fn archive(guest: &Sshd, format: &str, word: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir_in(guest.shared("")).expect("a folder");
    let top = folder.path().join("app-1.0");
    fs::create_dir_all(top.join("bin")).expect("a folder");
    fs::create_dir_all(top.join("share/deep er")).expect("a folder");
    fs::write(top.join("bin/app"), format!("#!/bin/sh\necho {word}\n")).expect("a file");
    fs::write(top.join("share/deep er/text"), word).expect("a file");
    fs::write(top.join(format!("only-{word}")), "").expect("a file");
    fs::write(top.join(".hidden"), "").expect("a file");
    std::os::unix::fs::symlink("app", top.join("bin/alias")).expect("a link");
    let made = Command::new("chmod")
        .arg("755")
        .arg(top.join("bin/app"))
        .status();
    assert!(made.expect("chmod starts").success());
    let (_, line) = FORMATS
        .iter()
        .find(|(name, _)| *name == format)
        .expect("known");
    let out = folder.path().join("out").with_extension(format);
    let files = [
        "app-1.0/bin/app".to_owned(),
        "app-1.0/bin/alias".to_owned(),
        "app-1.0/share/deep er/text".to_owned(),
        format!("app-1.0/only-{word}"),
        "app-1.0/.hidden".to_owned(),
    ];
    let made = Command::new(line[0])
        .args(&line[1..])
        .arg(&out)
        .args(files)
        .current_dir(folder.path())
        .status();
    match made {
        Ok(status) if status.success() => Some(fs::read(out).expect("the archive")),
        // A machine that cannot make one cannot test one; tar is everywhere.
        _ if !format.starts_with("tar") => None,
        other => panic!("{format}: {other:?}"),
    }
}

fn things(blob: Pinned) -> Things {
    Things {
        artifacts: [("app".to_owned(), blob)].into(),
        ..Things::default()
    }
}

#[test]
fn every_format_is_unpacked_stripped_linked_and_swapped() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    for (format, _) in FORMATS {
        for word in ["old", "new"] {
            let Some(bytes) = archive(&guest, format, word) else {
                continue;
            };
            let things = things(cache.put(&bytes));
            let program = program_of(&[&definition(format, 1)], json!([{"name": "app"}]), &things);
            bring(&guest, &program, &cache).taken();
            assert_eq!(bring(&guest, &program, &cache).taken(), 0, "{format}");
            // Somebody else gets to all of it, and the older version is gone.
            let seen = inside(
                &guest,
                "runuser -u nobody -- sh -c 'app; /opt/app/bin/alias; cat \"/opt/app/share/deep er/text\"; ls -A /opt/app | sort; stat -c %U /opt/app/bin/app; ls -d /opt/app.*'; true",
            );
            let expected = format!(
                "{word}\n{word}\n{word}.hidden\nbin\nonly-{word}\nshare\nroot\nls: cannot access '/opt/app.*': No such file or directory\n"
            );
            assert_eq!(seen, expected, "{format}");
        }
    }
}

#[test]
fn stripping_a_zip_brings_all_of_its_folders_up_as_tar_does() {
    for format in ["tar", "zip"] {
        let guest = Sshd::in_root();
        let cache = Folder::beside(&guest);
        let folder = guest.shared("two");
        for name in ["a/bin/app", "b/lib/two", "top"] {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, name).expect("a file");
        }
        let (_, line) = FORMATS
            .iter()
            .find(|(name, _)| *name == format)
            .expect("known");
        let out = guest.shared("out").with_extension(format);
        let made = Command::new(line[0])
            .args(&line[1..])
            .arg(&out)
            .args(["a", "b", "top"])
            .current_dir(&folder)
            .status();
        if format == "zip" && !made.as_ref().is_ok_and(std::process::ExitStatus::success) {
            continue;
        }
        let things = things(cache.put(&fs::read(&out).expect("the archive")));
        let program = program_of(&[&definition(format, 1)], json!([{"name": "app"}]), &things);
        bring(&guest, &program, &cache).taken();
        assert_eq!(
            inside(&guest, "cd /opt/app && find . -type f | sort"),
            "./bin/app\n./lib/two\n",
            "{format}"
        );
    }
}

#[test]
fn an_archive_that_reaches_out_of_its_folder_leaves_nothing_outside() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let mut archive = tar::Builder::new(Vec::new());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive
        .append_link(&mut link, "top/out", "/etc")
        .expect("a link");
    for name in ["top/out/pwned", "../../pwned", "/etc/pwned"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        header.as_gnu_mut().expect("GNU").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, &b"evil"[..]).expect("a file");
    }
    let things = things(cache.put(&archive.into_inner().expect("an archive")));
    let program = program_of(&[&definition("tar", 0)], json!([{"name": "app"}]), &things);
    let told = bring(&guest, &program, &cache);
    // Whether tar(1) refuses all of it or only those is its own; outside there is nothing.
    drop(told.result);
    assert_eq!(
        inside(
            &guest,
            "ls -d /etc/pwned /opt/pwned /pwned 2>/dev/null; true"
        ),
        ""
    );
}

#[test]
fn an_archive_that_is_broken_leaves_the_older_version() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let good = archive(&guest, "tar.gz", "old").expect("tar");
    let text = definition("tar.gz", 1);
    let program = program_of(
        &[&text],
        json!([{"name": "app"}]),
        &things(cache.put(&good)),
    );
    bring(&guest, &program, &cache).taken();
    let broken = cache.put(&good[..good.len() / 2]);
    let program = program_of(&[&text], json!([{"name": "app"}]), &things(broken));
    let error = bring(&guest, &program, &cache).error();
    assert!(
        error.starts_with("failed at app: artifact app: exit status"),
        "{error}"
    );
    assert_eq!(inside(&guest, "app; ls -d /opt/app*"), "old\n/opt/app\n");
}
