//! What is given to the program that is not what it wants, and what it cannot give back.

use std::fs::{self, OpenOptions};

use crate::home::{Home, Run};

fn told(home: &Home, lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| home.says(line.split(' ')))
        .collect()
}

#[test]
fn files_without_a_vm_are_told_and_two_vms_of_one_name_are_refused_by_every_verb() {
    let home = Home::new();
    home.spec("web", "");
    home.file("empty.yaml", "# nothing yet\n");
    fs::create_dir_all(home.path("specs/folder.yaml")).expect("a folder");
    fs::copy(home.path("web.yaml"), home.path("specs/web.yaml")).expect("a file");
    insta::assert_snapshot!(told(
        &home,
        &[
            "validate web.yaml empty.yaml",
            "validate specs",
            "validate empty.yaml",
            "validate web.yaml specs",
            "plan web.yaml specs --quiet",
            "render web.yaml web.yaml",
            "create web.yaml specs",
        ]
    ));
}

#[test]
fn a_config_file_that_is_wrong_is_told_with_the_key_that_is_meant() {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/trustnet-vm")).expect("a folder");
    let mut all = String::new();
    for text in [
        "timeout: 90\noutput: json\n",
        "# nothing yet\n",
        "colour: never\n",
        "replicas: 3\n",
        "timeout: 90s\ntimeout: 10s\n",
        "connect: [a, b]\n",
        "output: [\n",
        "[]\n",
    ] {
        home.file(".config/trustnet-vm/config.yaml", text);
        all.push_str(&format!("--- file\n{text}"));
        all.push_str(&told(&home, &["config show -o json"]));
    }
    home.file(".config/trustnet-vm/config.yaml", "connect: ''\n");
    let run = home
        .program()
        .env_remove("TRUSTNET_VM_CONNECT")
        .args(["list"])
        .output();
    let run = Run::of(&run.expect("the program starts"));
    all.push_str(&home.steady(&run.err));
    insta::assert_snapshot!(all);
}

#[test]
fn an_empty_uri_is_a_flag_without_a_value() {
    assert_eq!(Home::new().run(["list", "--connect", ""]).code, Some(1));
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let home = Home::new();
    let full = OpenOptions::new().write(true).open("/dev/full");
    let run = home
        .program()
        .args(["list", "-o", "json"])
        .stdout(full.expect("a device"))
        .output();
    let run = Run::of(&run.expect("the program starts"));
    assert_eq!(run.code, Some(1), "{run:?}");
    insta::assert_snapshot!(run.err, @"error: failed to write to standard output: No space left on device (os error 28)");
}

#[test]
fn names_only_are_the_names_of_what_is_there() {
    let home = Home::with(|state| state.foreign("db"));
    let (web, db) = (home.spec("web", ""), home.spec("db", ""));
    let run = home.run(["create", &web, &db, "-o", "name", "--quiet"]);
    assert_eq!((run.code, run.out.as_str()), (Some(4), "web\n"), "{run:?}");
}

#[test]
fn a_domain_with_capitals_in_its_name_is_found() {
    let home = Home::with(|state| state.foreign("Legacy VM"));
    insta::assert_snapshot!(home.says(["get", "Legacy VM"]));
}
