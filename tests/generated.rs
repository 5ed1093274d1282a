//! What is generated is committed, and is what the program generates: the manual and the JSON Schema.
//! `UPDATE_GOLDEN=1 cargo test --test generated` writes it anew.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_trustnet-vm"))
}

fn repository(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).expect("text");
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect()
}

#[test]
fn the_committed_manual_is_what_the_program_prints() {
    let fresh = tempfile::tempdir().expect("a folder");
    let status = program().args(["man", "--out"]).arg(fresh.path()).status();
    assert!(status.expect("the program starts").success());
    let committed = repository("docs/man");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = fs::remove_dir_all(&committed);
        fs::create_dir_all(&committed).expect("a folder");
        for (name, text) in files(fresh.path()) {
            fs::write(committed.join(name), text).expect("a page");
        }
    }
    let pages = files(fresh.path());
    assert!(
        pages.contains_key("trustnet-vm-create.1"),
        "{:?}",
        pages.keys()
    );
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&pages), names(&files(&committed)));
    for (name, text) in files(&committed) {
        assert_eq!(
            pages[&name], text,
            "docs/man/{name} is old: UPDATE_GOLDEN=1 cargo test --test generated"
        );
    }
}

#[test]
fn the_committed_schemas_are_what_the_program_prints() {
    let kinds: [(&[&str], &str); 3] = [
        (&[], "virtualmachine"),
        (&["vm"], "virtualmachine"),
        (&["service"], "service"),
    ];
    for (args, kind) in kinds {
        let printed = program().arg("schema").args(args).output();
        let printed = printed.expect("the program starts").stdout;
        let name = format!("api/schema/trustnet.io_v1alpha1_{kind}.json");
        let committed = fs::read_to_string(repository(&name)).expect("the schema");
        assert_eq!(String::from_utf8_lossy(&printed), committed);
    }
}
