//! `render` for a cluster: what is printed, what is written, and what is held back.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::home::{Home, files_below};

const NETWORK: &str = "apiVersion: trustnet.io/v1alpha1
kind: Registry
metadata: { name: root }
spec: { role: root, domain: example.org, address: \"fd10:1234::253\" }
---
apiVersion: trustnet.io/v1alpha1
kind: Node
metadata: { name: node-1 }
spec: { domain: example.org, address: \"fd10:1234::1\" }
";

#[test]
fn what_cannot_be_in_a_cluster_is_told_and_nothing_is_rendered() {
    let home = Home::new();
    home.spec("web", "  protected: true\n");
    home.file("network.yaml", NETWORK);
    home.file(
        "twice.yaml",
        &NETWORK.replace("name: node-1", "name: 1-node"),
    );
    let all = [
        "render network.yaml --namespace other",
        "render network.yaml --target kubernetes --with-secrets",
        "render network.yaml --target kubernetes --namespace Other",
        "render twice.yaml web.yaml --target kubernetes",
        "render twice.yaml --target kubevirt --out objects",
    ];
    let told: String = all.iter().map(|line| home.says(line.split(' '))).collect();
    insta::assert_snapshot!(told);
    assert!(!home.path("objects").exists());
}

#[test]
fn a_token_is_in_no_manifest_but_in_a_secret_of_ones_own_that_is_asked_for() {
    let home = Home::new();
    home.file("network.yaml", NETWORK);
    let printed = home.done([
        "render",
        "network.yaml",
        "--target",
        "kubernetes",
        "-o",
        "json",
    ]);
    let list: Value = serde_json::from_str(&printed.out).expect("JSON");
    assert_eq!(list["kind"], "List");
    let kinds = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("items").iter();
        items
            .map(|one| one["kind"].as_str().expect("a kind").to_owned())
            .collect()
    };
    assert!(!kinds(&list).contains(&"Secret".to_owned()));
    assert!(
        printed.err.contains("join-token.example.org"),
        "{}",
        printed.err
    );
    // Nothing was made for it.
    let kept = home
        .path("")
        .join(".local/share/trustnet-vm/secrets/shared/join-token.example.org");
    assert!(!kept.exists());
    let args = [
        "render",
        "network.yaml",
        "--target",
        "kubernetes",
        "--out",
        "open",
    ];
    home.done(args);
    home.done(
        args[..5]
            .iter()
            .copied()
            .chain(["hidden", "--with-secrets"]),
    );
    let token = std::fs::read_to_string(&kept).expect("it is kept now");
    let files = |folder: &str| -> BTreeMap<String, (u32, String)> {
        let all = files_below(&home.path(folder)).into_iter();
        let each = all.map(|path| {
            let mode = path.metadata().expect("facts").permissions().mode() & 0o777;
            let text = std::fs::read_to_string(&path).expect("text");
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, (mode, text))
        });
        each.collect()
    };
    let (open, hidden) = (files("open"), files("hidden"));
    let names: Vec<&str> = open.keys().map(String::as_str).collect();
    insta::assert_debug_snapshot!(names);
    let mut more = hidden.keys().filter(|name| !open.contains_key(*name));
    let secret = more.next().expect("one more");
    assert_eq!(
        (more.next(), secret.contains("secret-join-token")),
        (None, true),
        "{secret}"
    );
    assert_eq!(hidden[secret].0, 0o600);
    let encoded = STANDARD.encode(token.trim());
    assert!(hidden[secret].1.contains(&encoded));
    for (name, (_, text)) in open
        .iter()
        .chain(hidden.iter().filter(|(name, _)| *name != secret))
    {
        assert!(
            !text.contains(token.trim()) && !text.contains(&encoded),
            "{name}"
        );
    }
}

#[test]
fn the_seed_of_a_vm_with_secrets_is_held_back_until_it_is_asked_for() {
    let home = Home::new();
    home.spec("plain", "");
    home.spec(
        "web",
        "  cloudInit:\n    passwordHash: $6$salt$HASH-OF-A-PASSWORD\n",
    );
    let printed = home.done(["render", "plain.yaml", "web.yaml", "--target", "kubevirt"]);
    assert_eq!(
        printed.out.matches("kind: Secret\n").count(),
        1,
        "{}",
        printed.out
    );
    assert!(printed.out.contains("name: plain-seed\n"));
    assert!(printed.err.contains("the seed of `web`"), "{}", printed.err);
    home.done([
        "render",
        "web.yaml",
        "--target",
        "kubevirt",
        "--out",
        "all",
        "--with-secrets",
    ]);
    let names = files_below(&home.path("all"));
    assert!(
        names
            .iter()
            .any(|path| path.to_string_lossy().contains("secret-web-seed")),
        "{names:?}"
    );
}
