//! `install` without questions: every role over the fake host, what is missing, what is odd, and the same once more.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::home::Home;

/// A home with builds of the two services, of which nobody looks at more than the name.
pub fn stage() -> Home {
    let home = Home::new();
    let builds = ".local/share/trustnet-vm/builds/amd64";
    fs::create_dir_all(home.path(builds)).expect("a folder");
    for program in ["trustnet-registry", "trustnet-node"] {
        home.file(&format!("{builds}/{program}"), "#!/bin/sh\n");
    }
    home
}

/// The folder of a domain's installations.
const INSTALLS: &str = ".local/share/trustnet-vm/installs/example.org";

#[test]
fn a_root_is_installed_without_a_question_and_the_same_again_changes_nothing() {
    let home = stage();
    let args = [
        "install",
        "--domain",
        "example.org",
        "--registry-type",
        "root",
        "--yes",
        "--no-wait",
    ];
    let mut said = home.says(args);
    let before = home.inventory();
    said.push_str(&home.says(args));
    assert_eq!(home.inventory(), before);
    for name in ["root.answers.yaml", "root.yaml"] {
        let path = home.path(INSTALLS).join(name);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        said.push_str(&format!(
            "=== {name}\n{}",
            fs::read_to_string(path).expect("text")
        ));
    }
    insta::assert_snapshot!(said);
}
