//! Folders that are copied into a guest by root, where a user of the guest has a hand in the way.

use std::fs;
use std::path::Path;

use trustnet_host::shell::put_folder;

use crate::sshd::Sshd;
use crate::stage::inside;

/// A tree on this side: `sub/text` and `odd name`.
fn tree(guest: &Sshd, word: &str) -> std::path::PathBuf {
    let tree = guest.shared("tree");
    fs::create_dir_all(tree.join("sub/.deep")).expect("a folder");
    fs::write(tree.join("sub/text"), word).expect("a file");
    fs::write(tree.join("sub/.deep/-n"), word).expect("a file");
    fs::write(tree.join("odd\nname"), word).expect("a file");
    tree
}

fn put(guest: &Sshd, tree: &Path, to: &str) -> Result<(), String> {
    let mut shell = guest.connect();
    put_folder(&mut *shell, tree, to).map_err(|error| trustnet_host::error::chain(&error))
}

/// All that a guest's user can lay in the way.
fn whole(guest: &Sshd, shell: &str) {
    let new = tree(guest, "new");
    inside(
        guest,
        "mkdir -p /etc/private /srv/ada/there/sub /srv/mine/sub /opt/several/two \
         && chown -R nobody /srv/ada && chown daemon /opt/several && chown nobody /opt/several/two \
         && ln -s /etc/private /srv/ada/away && ln -s /etc/private /srv/ada/there/linked && chown -h nobody /srv/ada/*",
    );
    // A user's folder: as that user, whose own it then is.
    for to in ["/srv/ada/there", "/srv/ada/new one"] {
        put(guest, &new, to).unwrap_or_else(|error| panic!("{shell}: {to}: {error}"));
        let seen = inside(
            guest,
            &format!("cd '{to}' && cat sub/text sub/.deep/-n && stat -c %U sub sub/text"),
        );
        assert_eq!(seen, "newnewnobody\nnobody\n", "{shell}: {to}");
    }
    // A user's link leads where that user may go, and no further.
    for to in [
        "/srv/ada/away",
        "/srv/ada/away/new",
        "/srv/ada/there/linked/x",
    ] {
        let error = put(guest, &new, to).expect_err(to);
        assert!(
            error.contains("Permission denied") || error.contains("an't"),
            "{shell}: {error}"
        );
    }
    assert_eq!(
        inside(guest, "find /etc/private -mindepth 1"),
        "",
        "{shell}"
    );
    let error = put(guest, &new, "/opt/several/two").expect_err("two users");
    assert!(
        error.contains("several users': daemon nobody"),
        "{shell}: {error}"
    );
    // Root's own: new, and into what is there, of which all the rest stays.
    inside(
        guest,
        "echo stays > /srv/mine/sub/stays; echo old > /srv/mine/sub/text; chmod 750 /srv/mine/sub",
    );
    for to in ["/srv/mine", "/srv/mine/", "/srv/a/b"] {
        put(guest, &new, to).unwrap_or_else(|error| panic!("{shell}: {to}: {error}"));
    }
    let seen = inside(
        guest,
        "cd /srv && cat mine/sub/text mine/sub/stays 'mine/odd\nname' a/b/sub/.deep/-n; stat -c '%U %a' mine/sub mine/sub/text a/b; ls -A mine | grep -c tvm; ls -A a",
    );
    let mode = "root 755";
    assert_eq!(
        seen,
        format!("newstays\nnewnewroot 750\nroot 644\n{mode}\n0\nb\n"),
        "{shell}"
    );
    // In it, something of a user's.
    inside(
        guest,
        "rm -r /srv/mine/sub && ln -s /etc/private /srv/mine/sub && chown -h nobody /srv/mine/sub",
    );
    let error = put(guest, &new, "/srv/mine").expect_err("a link");
    assert!(
        error.contains("sub is another user's, or no folder"),
        "{shell}: {error}"
    );
    inside(
        guest,
        "rm /srv/mine/sub && mkdir /srv/mine/sub && chown nobody /srv/mine/sub",
    );
    let error = put(guest, &new, "/srv/mine").expect_err("a folder of a user's");
    assert!(
        error.contains("sub is another user's, or no folder"),
        "{shell}: {error}"
    );
    let seen = inside(
        guest,
        "find /etc/private /srv/mine/sub -mindepth 1; ls -A /srv/mine | grep -c tvm; true",
    );
    assert_eq!(seen, "0\n", "{shell}");
}

#[test]
fn a_folder_that_a_user_has_a_hand_in_is_written_as_that_user_under_dash() {
    let guest = Sshd::in_root();
    inside(&guest, "mount --bind /usr/bin/dash /usr/bin/sh");
    whole(&guest, "dash");
}

#[test]
fn a_folder_that_a_user_has_a_hand_in_is_written_as_that_user_under_busybox() {
    let guest = Sshd::in_root();
    let tools =
        "cat chmod cut dirname find grep id ls mkdir mktemp mv rm sort stat su tar test tr true wc";
    let said = inside(
        &guest,
        &format!(
            "for tool in {tools}; do busybox --list | grep -qx $tool && ln -s $(command -v busybox) /usr/local/sbin/$tool; done; \
             mount --bind $(command -v busybox) /usr/bin/sh; sh --help 2>&1 | head -n 1"
        ),
    );
    assert!(said.contains("BusyBox"), "{said}");
    whole(&guest, "busybox");
}
