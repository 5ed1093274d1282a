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
