//! The documents against the programs that read them in a guest.

use serde_json::json;

use super::super::{shell, user_data, yaml};
use super::{KEY, guest, parts, pyyaml, run, secrets, seed};
use crate::vm::Guest;

/// Strings that mean something else to one reader or another.
const NASTY: &[&str] = &[
    "",
    " ",
    "yes",
    "no",
    "y",
    "off",
    "null",
    "~",
    "1e3",
    "0x10",
    "010",
    "1_000",
    "12:30:45",
    "2020-01-01",
    ".inf",
    "=",
    "<<",
    "- a",
    "a: b",
    "a #b",
    "&a",
    "*a",
    "!tag",
    "%x",
    "@x",
    "`x`",
    "{a}",
    "[a]",
    "'",
    "\"",
    "\\",
    "\\n",
    "$x",
    "$(x)",
    "a\nb\n",
    "\n",
    "\t",
    " lead",
    "trail ",
    "\r\n",
    "\0",
    "\u{7}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "ä€",
    "😀",
    "\u{2028}",
    "\u{feff}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10ffff}",
    "---",
    "...",
    "--==trustnet-vm==",
    "MIME-Version: 1.0",
    "## template: jinja",
    "{{ v }}",
    "#cloud-config",
];

#[test]
fn every_string_survives_pyyaml() {
    let value = json!({ "list": NASTY, "nested": { "on": [[], {}, [["x"], {"a": true, "b": [null, -1]}]], "a b": "" } });
    let text = yaml::document(&value);
    assert!(text.is_ascii());
    if let Some(read) = pyyaml(&text) {
        assert_eq!(read, value);
    }
}

#[test]
fn every_string_survives_the_shell() {
    let texts: Vec<_> = NASTY
        .iter()
        .filter(|t| !t.contains('\0') && !t.ends_with('\n'))
        .collect();
    let words: Vec<_> = texts.iter().map(|text| shell::quote(text)).collect();
    assert!(words.iter().all(|word| word.is_ascii()));
    let script = format!("printf '%s\\0' {}", words.join(" "));
    let wanted: String = texts.iter().map(|text| format!("{text}\0")).collect();
    for shell in [
        ["sh", "-c"].as_slice(),
        &["bash", "-c"],
        &["busybox", "sh", "-c"],
    ] {
        if let Some(read) = run(shell[0], &[&shell[1..], &[&script]].concat(), b"") {
            assert_eq!(String::from_utf8_lossy(&read), wanted);
        }
    }
}

#[test]
fn user_data_is_never_taken_for_mime() {
    let guest = Guest {
        run_commands: vec!["echo mime-VERSION: 1.0".to_owned()],
        ..guest()
    };
    let text = user_data::render(&guest, &secrets()).expect("user-data");
    assert!(!text.to_lowercase().contains("mime-version:"));
    if let Some(read) = pyyaml(&text) {
        assert_eq!(read["runcmd"], json!(["set -ex", "echo mime-VERSION: 1.0"]));
    }
}

#[test]
fn vendor_data_has_the_three_parts_that_python_reads() {
    let seed = seed(&guest(), Some(KEY));
    assert!(seed.vendor_data.is_ascii());
    assert!(seed.vendor_data[..4096].contains("MIME-Version:"));
    let Some(parts) = parts(&seed.vendor_data) else {
        return;
    };
    let names: Vec<_> = parts
        .iter()
        .map(|[kind, name, _]| (kind.as_str(), name.as_str()))
        .collect();
    let config = "text/cloud-config";
    assert_eq!(
        names,
        [
            (config, "defaults.yaml"),
            (config, "host-key.yaml"),
            ("text/cloud-boothook", "trustnet-vm-guest")
        ]
    );
    if let Some(read) = pyyaml(&parts[1][2]) {
        let keys =
            json!({ "ed25519_private": KEY.private_openssh, "ed25519_public": KEY.public_openssh });
        assert_eq!(read, json!({ "ssh_keys": keys }));
    }
    let script = &parts[2][2];
    assert!(
        script
            .starts_with("#cloud-boothook\n#!/bin/sh\nlogin_key='ssh-ed25519 LLLL trustnet-vm'\n")
    );
    for shell in ["sh", "dash", "bash", "busybox"] {
        let sh = if shell == "busybox" {
            &["sh", "-n"][..]
        } else {
            &["-n"]
        };
        run(shell, sh, script.as_bytes());
    }
}

#[test]
fn the_guest_script_names_the_channel_and_is_clean() {
    let script = include_str!("../../../../images/guest/guest.sh");
    assert!(script.contains(&format!("port_name={}\n", crate::readiness::CHANNEL)));
    assert!(script.is_ascii() && !script.contains('\r'));
    if let Some(findings) = run("shellcheck", &["-s", "sh", "-"], script.as_bytes()) {
        assert_eq!(String::from_utf8_lossy(&findings), "");
    }
}
