//! Packages, by guests that have another package manager. What a manager does is noted by a program in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, bring, inside, program_of};

fn definition(packages: &str) -> String {
    format!(
        "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: {{ name: tool }}\nspec:\n  version: \"1\"\n  artifacts:\n    - {{ name: tool, packages: {{ {packages} }} }}\n  uninstall: {{ packages: [tool] }}\n"
    )
}

/// A guest with this package manager and no other.
fn guest(manager: &str) -> Sshd {
    let guest = Sshd::in_root();
    for other in ["apt-get", "dnf", "apk", "dpkg-query"] {
        inside(
            &guest,
            &format!("[ ! -e /usr/bin/{other} ] || mount --bind /dev/null /usr/bin/{other}"),
        );
    }
    if !manager.is_empty() {
        let path = guest.path(&format!("/usr/local/bin/{manager}"));
        // Nothing is installed yet.
        let script = "#!/bin/sh\n[ \"$1\" != info ] || exit 1\necho \"$*\" >> /etc/called\n";
        fs::write(&path, script).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    guest
}

#[test]
fn packages_come_by_the_guests_own_manager() {
    for (manager, called) in [
        (
            "dnf",
            "-y --setopt=install_weak_deps=False install tool-rpm two\n",
        ),
        ("apk", "add --no-progress tool-apk\n"),
    ] {
        let guest = guest(manager);
        let text = definition("apt: [tool-deb], dnf: [tool-rpm, two], apk: [tool-apk]");
        let program = program_of(&[&text], json!([{"name": "tool"}]), &Things::default());
        let nothing = Folder(guest.shared("none"));
        assert_eq!(bring(&guest, &program, &nothing).taken(), 1);
        let said = fs::read_to_string(guest.path("/etc/called")).expect("it was called");
        assert_eq!(said, called);
    }
}

#[test]
fn a_guest_for_which_no_packages_are_named_is_told_so() {
    for (manager, why) in [
        (
            "apk",
            "tool names no packages for this guest's package manager, apk",
        ),
        (
            "dnf",
            "tool names no packages for this guest's package manager, dnf",
        ),
        (
            "",
            "this guest has no package manager that is known: apt, dnf or apk",
        ),
    ] {
        let guest = guest(manager);
        let text = definition("apt: [tool-deb]");
        let program = program_of(&[&text], json!([{"name": "tool"}]), &Things::default());
        let error = bring(&guest, &program, &Folder(guest.shared("none"))).error();
        assert_eq!(
            error,
            format!("failed at tool: packages tool: exit status 1\n    {why}")
        );
        assert!(!guest.path("/etc/called").exists());
    }
}
