//! Secrets stand in the seed, where the guest reads them, and nowhere else.

use trustnet_host::fake::KILL_VARIABLE;

use crate::home::{Home, files_below};

/// The values; none is a part of another.
const SECRETS: [&str; 4] = [
    "$6$rounds=5000$inlinehash$AAAAAAAAAAAAAAAA",
    "INLINE-CONTENT-71",
    "FROM-FILE-72",
    "FROM-ENV-73",
];

const SPEC: &str = "  cloudInit:
    passwordHash: $6$rounds=5000$inlinehash$AAAAAAAAAAAAAAAA
    files:
      - { path: /etc/one, content: INLINE-CONTENT-71 }
      - { path: /etc/two, content: { valueFrom: { file: secret.txt } } }
      - { path: /etc/three, content: { valueFrom: { env: MY_SECRET } } }
";

fn assert_none(what: &str, text: &[u8]) {
    for secret in SECRETS {
        let found = text
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(
            !found,
            "{secret} is in {what}: {}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn no_secret_is_in_any_output_journal_definition_or_name() {
    let home = Home::new();
    home.spec("web", SPEC);
    home.file("secret.txt", "FROM-FILE-72\n");
    let run = |args: &str, kill: &str| {
        let mut program = home.program();
        program
            .env("MY_SECRET", "FROM-ENV-73")
            .env(KILL_VARIABLE, kill);
        let output = program
            .args(args.split(' '))
            .output()
            .expect("the program starts");
        assert_none(args, &output.stdout);
        assert_none(args, &output.stderr);
        output.status.code()
    };
    for args in [
        "validate web.yaml",
        "plan web.yaml -o json",
        "plan web.yaml -vv",
        "render web.yaml",
    ] {
        assert_eq!(run(args, ""), Some(0), "{args}");
    }
    // The journal has the seed, and the secrets nowhere else.
    assert_eq!(run("create web.yaml -vv", "begun:3"), None);
    for file in files_below(&home.path(".local")) {
        if !file.ends_with("seed.iso") {
            assert_none(
                &file.display().to_string(),
                &std::fs::read(&file).expect("a file"),
            );
        }
    }
    assert_eq!(run("resume -vv", ""), Some(0));
    for args in [
        "create web.yaml -vv",
        "get web -o json",
        "get web -o yaml",
        "get web",
        "list -o json",
        "config show",
    ] {
        assert_eq!(run(args, ""), Some(0), "{args}");
    }
    let seen = home.state();
    let seed = &seen.pools["foundry-vms"].volumes["web_cloudinit.iso"].content;
    for secret in SECRETS {
        assert!(
            seed.windows(secret.len())
                .any(|window| window == secret.as_bytes()),
            "{secret} is not in the seed"
        );
    }
    for domain in seen.domains.values() {
        assert_none("the definition", domain.xml.as_bytes());
    }
    for file in files_below(&home.path(".local")) {
        assert_none(
            &file.display().to_string(),
            &std::fs::read(&file).expect("a file"),
        );
    }
}

#[test]
fn a_secret_that_is_missing_is_told_before_anything_is_made() {
    let home = Home::new();
    let before = home.inventory();
    home.spec("web", SPEC);
    let mut said = home.says(["create", "web.yaml"]);
    home.file("secret.txt", "FROM-FILE-72\n");
    said.push_str(&home.says(["create", "web.yaml"]));
    insta::assert_snapshot!(said);
    assert_eq!(home.inventory(), before);
}

#[test]
fn a_spec_with_redacted_secrets_is_known_again_and_cannot_make_a_vm() {
    let home = Home::new();
    home.spec(
        "web",
        "  cloudInit:\n    files:\n      - { path: /etc/one, content: INLINE-CONTENT-71 }\n",
    );
    home.done(["create", "web.yaml"]);
    let echo = home.file("echo.yaml", &home.done(["get", "web", "-o", "yaml"]).out);
    assert!(
        home.done(["create", &echo])
            .out
            .ends_with("nothing to do\n")
    );
    home.done(["destroy", "web", "--yes"]);
    let refused = home.run(["create", &echo]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}
