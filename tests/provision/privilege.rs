//! What a user of the guest may not bring root to do, and what a start leaves to be seen.

use serde_json::json;

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, bring, inside, program_of};

const APP: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: app }
spec:
  version: "1.0"
  files:
    - { path: /srv/app/conf/settings, owner: "nobody:nogroup", content: "a setting\n" }
"#;

#[test]
fn a_link_that_a_user_has_laid_leads_root_nowhere() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let program = program_of(&[APP], json!([{"name": "app"}]), &Things::default());
    inside(
        &guest,
        "mkdir -p /srv/app /etc/private && ln -s /etc/private /srv/app/conf && chown -h nobody /srv/app /srv/app/conf",
    );
    let error = bring(&guest, &program, &nothing).error();
    assert!(error.contains("a link leads away"), "{error}");
    assert_eq!(inside(&guest, "ls -A /etc/private"), "");
    // One of root's own is a way like any other.
    inside(&guest, "chown -h root /srv/app /srv/app/conf");
    assert_eq!(bring(&guest, &program, &nothing).taken(), 1);
    assert_eq!(inside(&guest, "ls -A /etc/private"), "settings\n");
}

#[test]
fn a_file_in_a_user_s_folder_is_made_where_the_user_has_no_hand() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let program = program_of(&[APP], json!([{"name": "app"}]), &Things::default());
    inside(
        &guest,
        "mkdir -p /srv/app/conf /etc/private && ln -s /etc/private /srv/app/conf/.tvm-new && ln -s /etc/private /srv/app/conf/settings.tvm-new && ln -s /etc/private /srv/app/conf/settings && chown -hR nobody /srv/app",
    );
    assert_eq!(bring(&guest, &program, &nothing).taken(), 1);
    assert_eq!(inside(&guest, "ls -A /etc/private"), "");
    assert_eq!(
        inside(
            &guest,
            "cat /srv/app/conf/settings; stat -c %U:%a /srv/app/conf/settings; ls -A /srv/app/conf"
        ),
        "a setting\nnobody:644\nsettings\nsettings.tvm-new\n"
    );
}

#[test]
fn a_command_is_a_program_and_no_function_of_the_script() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let text = "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: tool }\nspec:\n  version: \"1\"\n  setup:\n    - { name: word, command: [take_a_depend] }\n";
    let program = program_of(&[text], json!([{"name": "tool"}]), &Things::default());
    let error = bring(&guest, &program, &nothing).error();
    assert!(error.contains("setup word: exit status 127"), "{error}");
}

const WEB: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: web }
spec:
  version: "1.0"
  parameters:
    text: { type: string, default: good }
  files:
    - { path: /etc/web.conf, content: "{{ params.text }}" }
  unit: { name: web }
  ready: { command: [grep, -q, good, /etc/web.conf], timeout: 2s }
"#;

#[test]
fn a_service_that_was_not_ready_after_a_change_is_not_ready_on_the_next_run() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    inside(
        &guest,
        "mkdir -p /run/systemd/system /usr/local/sbin; printf '#!/bin/sh\\n[ \"$1\" != is-active ] || echo active\\n' > /usr/local/sbin/systemctl; cp /usr/local/sbin/systemctl /usr/local/sbin/journalctl; chmod 755 /usr/local/sbin/systemctl /usr/local/sbin/journalctl",
    );
    let program = |text: &str| {
        program_of(
            &[WEB],
            json!([{"name": "web", "config": {"text": text}}]),
            &Things::default(),
        )
    };
    bring(&guest, &program("good"), &nothing).taken();
    let bad = program("bad");
    for _ in 0..2 {
        let error = bring(&guest, &bad, &nothing).error();
        assert!(error.contains("web: ready"), "{error}");
    }
    // What has begun counts as done no more, also where the spec goes back to what was good.
    let told = bring(&guest, &program("good"), &nothing);
    assert!(
        told.lines.contains(&"done web: ready".to_owned()),
        "{:#?}",
        told.lines
    );
    assert_eq!(bring(&guest, &program("good"), &nothing).taken(), 0);
}

const TREE: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: tree }
spec:
  version: "1.0"
  parameters: { into: { type: path, default: /srv/app/tree } }
  artifacts:
    - name: tree
      file: tree.tar
      unpack: { into: "{{ params.into }}", links: { /srv/app/bin/sh: bin/sh } }
"#;

#[test]
fn an_archive_in_a_user_s_folder_is_unpacked_where_the_user_has_no_hand() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o755);
    archive
        .append_data(&mut header, "bin/sh", &b"new"[..])
        .expect("a file");
    let blob = cache.put(&archive.into_inner().expect("an archive"));
    let things = Things {
        artifacts: [("tree".to_owned(), blob)].into(),
        ..Things::default()
    };
    let program = |into: &str| {
        let asked = json!([{"name": "tree", "config": {"into": into}}]);
        program_of(&[TREE], asked, &things)
    };
    // Whatever the user has laid where something comes to stand, or did once.
    inside(
        &guest,
        "mkdir -p /srv/app /etc/private/bin && echo kept > /etc/private/bin/sh && cd /srv/app && for name in tree tree.tvm-new tree.tvm-new.deep tree.tvm-old .tvm-new; do ln -s /etc/private $name; done; ln -s /nowhere away; chown -hR nobody /srv/app",
    );
    bring(&guest, &program("/srv/app/tree"), &cache).taken();
    let seen = inside(
        &guest,
        "cat /etc/private/bin/sh /srv/app/tree/bin/sh /srv/app/bin/sh; ls -A /etc/private /srv/app; stat -c '%U %a' /srv/app/tree /srv/app/tree/bin",
    );
    assert_eq!(
        seen,
        "kept\nnewnew/etc/private:\nbin\n\n/srv/app:\naway\nbin\ntree\ntree.tvm-new\ntree.tvm-new.deep\ntree.tvm-old\nroot 755\nroot 755\n"
    );
    // No link of the user's leads to where it comes to stand, and none to where a link is made.
    inside(
        &guest,
        "ln -s /etc/private /srv/app/linked && chown -h nobody /srv/app/linked",
    );
    let error = bring(&guest, &program("/srv/app/linked/tree"), &cache).error();
    assert!(error.contains("a link leads away"), "{error}");
    inside(
        &guest,
        "rm -r /srv/app/bin && ln -s /etc/private /srv/app/bin && chown -h nobody /srv/app/bin",
    );
    let error = bring(&guest, &program("/srv/app/tree2"), &cache).error();
    assert!(error.contains("a link leads away"), "{error}");
    // What somebody else has made under the name of ours is no folder of ours.
    inside(
        &guest,
        "rm /srv/app/bin && mkdir /srv/app/.tvm-new && echo theirs > /srv/app/.tvm-new/new && chown -R nobody /srv/app/.tvm-new",
    );
    let error = bring(&guest, &program("/srv/app/tree3"), &cache).error();
    assert!(error.contains(".tvm-new is somebody else's"), "{error}");
    // What a run has left that was killed is.
    inside(
        &guest,
        "chown -R root /srv/app/.tvm-new && chmod 700 /srv/app/.tvm-new",
    );
    bring(&guest, &program("/srv/app/tree3"), &cache).taken();
    assert_eq!(
        inside(
            &guest,
            "ls -A /etc/private; cat /srv/app/tree3/bin/sh; ls -d /srv/app/.tvm*; true"
        ),
        "bin\nnewls: cannot access '/srv/app/.tvm*': No such file or directory\n"
    );
}

#[test]
fn an_owner_is_given_to_no_file_that_a_link_leads_to() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let text = "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: data }\nspec:\n  version: \"1\"\n  data: { path: /srv/data, owner: \"nobody:nogroup\" }\n";
    let program = program_of(&[text], json!([{"name": "data"}]), &Things::default());
    // BusyBox's chown(1) follows links that it meets, if nobody tells it not to.
    inside(
        &guest,
        "ln -s $(command -v busybox) /usr/local/sbin/chown && mkdir -p /srv/data && echo private > /etc/private && chmod 600 /etc/private && ln -s /etc/private /srv/data/link",
    );
    bring(&guest, &program, &nothing).taken();
    assert_eq!(
        inside(&guest, "stat -c %U /etc/private /srv/data/link"),
        "root\nnobody\n"
    );
}
