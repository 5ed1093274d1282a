//! Secrets stand in the seed, where the guest reads them, and nowhere else.

use std::cell::RefCell;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use age::secrecy::ExposeSecret;
use trustnet_host::fake::KILL_VARIABLE;

use crate::home::{Home, files_below};

/// The values; none is a part of another.
const SECRETS: [&str; 5] = [
    "$6$rounds=5000$inlinehash$AAAAAAAAAAAAAAAA",
    "INLINE-CONTENT-71",
    "FROM-FILE-72",
    "FROM-ENV-73",
    "FROM-AGE-74",
];

const SPEC: &str = "  cloudInit:
    passwordHash: $6$rounds=5000$inlinehash$AAAAAAAAAAAAAAAA
    files:
      - { path: /etc/one, content: INLINE-CONTENT-71 }
      - { path: /etc/two, content: { valueFrom: { file: secret.txt } } }
      - { path: /etc/three, content: { valueFrom: { env: MY_SECRET } } }
      - { path: /etc/four, content: { valueFrom: { age: { file: secret.age, identity: ~/key.txt } } } }
      - { path: /etc/five, content: { valueFrom: { generate: { name: five, length: 40 } } } }
";

/// Where the secret is kept that the spec has made.
const KEPT: &str = ".local/share/trustnet-vm/secrets/vms/web/five";

/// A secret that is encrypted, and what decrypts it.
fn encrypt(home: &Home, secret: &str) {
    let identity = age::x25519::Identity::generate();
    let key = home.file("key.txt", identity.to_string().expose_secret());
    std::fs::set_permissions(key, Permissions::from_mode(0o600)).expect("a mode");
    let encrypted = age::encrypt_and_armor(&identity.to_public(), secret.as_bytes());
    home.file("secret.age", &encrypted.expect("it is encrypted"));
}

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
    encrypt(&home, "FROM-AGE-74\n");
    let said = RefCell::new(Vec::new());
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
        let mut said = said.borrow_mut();
        said.extend(output.stdout);
        said.extend(output.stderr);
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
    assert!(!home.path(KEPT).exists(), "a look makes no secret");
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
    let kept = std::fs::read(home.path(KEPT)).expect("it is kept");
    let has = |text: &[u8]| text.windows(kept.len()).any(|window| window == kept);
    assert!(
        kept.len() == 40 && has(seed),
        "the generated one is in the seed"
    );
    assert!(!has(&said.borrow()), "and in no output");
    assert!(
        seen.domains
            .values()
            .all(|domain| !has(domain.xml.as_bytes()))
    );
    for domain in seen.domains.values() {
        assert_none("the definition", domain.xml.as_bytes());
    }
    for file in files_below(&home.path(".local")) {
        let bytes = std::fs::read(&file).expect("a file");
        assert_none(&file.display().to_string(), &bytes);
        assert!(!has(&bytes) || file.ends_with(KEPT), "{}", file.display());
    }
    // What outlives the VM may need it.
    assert_eq!(run("destroy web --yes", ""), Some(0));
    assert_eq!(run("create web.yaml", ""), Some(0));
    let seed = &home.state().pools["foundry-vms"].volumes["web_cloudinit.iso"].content;
    assert!(has(seed), "the next VM of this name has the same");
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

#[test]
fn of_processes_at_once_one_makes_the_secret_for_all() {
    let home = Home::new();
    home.spec(
        "web",
        "  cloudInit:\n    files:\n      - { path: /etc/one, content: { valueFrom: { generate: { name: one } } } }\n",
    );
    let started: Vec<_> = (0..6)
        .map(|number| {
            let mut program = home.program();
            program.args(["render", "web.yaml", "--out", &format!("out{number}")]);
            program.spawn().expect("the program starts")
        })
        .collect();
    for mut process in started {
        assert!(process.wait().expect("it ends").success());
    }
    let made = |number| {
        let path = home.path(&format!("out{number}/web/user-data"));
        std::fs::read_to_string(path).expect("it is rendered")
    };
    for number in 1..6 {
        assert_eq!(made(number), made(0));
    }
}
