//! The documents against goldens, and against the programs that read them in a guest.

use std::io::Write;
use std::process::{Command, Stdio};

use ipnet::IpNet;
use serde_json::{Value, json};
use trustnet_api::disk::{Filesystem, ReclaimPolicy};
use trustnet_api::interface::Dhcp;
use trustnet_api::secret::ValueFrom;

use super::{HostKey, Seed, SeedError, meta, network, scrub, shell, user_data, vendor, yaml};
use crate::vm::{
    Attachment, DataDisk, File, Guest, Interface, MacAddr, SecretMap, SecretValue, User,
};

const KEY: HostKey<'_> = HostKey {
    private_openssh: "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0LXNlY3JldC1zZWNyZXQ=\n-----END OPENSSH PRIVATE KEY-----\n",
    public_openssh: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPublicPublicPublic web",
};

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

fn guest() -> Guest {
    Guest {
        hostname: "web".to_owned(),
        fqdn: None,
        ssh_authorized_keys: Vec::new(),
        password_hash: None,
        ssh_password_auth: false,
        raw_user_data: None,
        users: Vec::new(),
        packages: Vec::new(),
        files: Vec::new(),
        run_commands: Vec::new(),
        timezone: None,
        locale: "C.UTF-8".to_owned(),
    }
}

fn full_guest() -> Guest {
    Guest {
        fqdn: Some("web.example.org".to_owned()),
        ssh_authorized_keys: vec!["ssh-ed25519 AAAA someone@example.org".to_owned()],
        password_hash: Some(SecretValue::Known("$6$salt$hash".to_owned())),
        ssh_password_auth: true,
        users: vec![User {
            name: "alice".to_owned(),
            ssh_authorized_keys: vec!["ssh-ed25519 BBBB alice".to_owned()],
            groups: vec!["adm".to_owned(), "docker".to_owned()],
            sudo: true,
            shell: Some("/bin/bash".to_owned()),
            password_hash: Some(SecretValue::From(ValueFrom::File("alice.hash".to_owned()))),
        }],
        packages: vec!["nginx".to_owned()],
        files: vec![
            File {
                path: "/etc/motd".to_owned(),
                content: SecretValue::Known("hello: \"you\"\n".to_owned()),
                owner: "root:root".to_owned(),
                mode: 0o644,
            },
            File {
                path: "/home/alice/.token".to_owned(),
                content: SecretValue::Known("yes".to_owned()),
                owner: "alice:alice".to_owned(),
                mode: 0o600,
            },
        ],
        run_commands: vec![
            "systemctl restart nginx".to_owned(),
            "echo 'done: yes'".to_owned(),
        ],
        timezone: Some("Europe/Vienna".to_owned()),
        ..guest()
    }
}

fn secrets() -> SecretMap {
    let mut secrets = SecretMap::default();
    secrets.insert(
        ValueFrom::File("alice.hash".to_owned()),
        "$y$j9T$salt$hash".to_owned(),
    );
    secrets
}

fn interface(index: u8, addresses: &[&str]) -> Interface {
    Interface {
        attachment: Attachment::Bridge("br0".to_owned()),
        mac: MacAddr::parse(&format!("02:00:00:00:00:{index:02x}")).expect("a MAC address"),
        tap: None,
        addresses: addresses
            .iter()
            .map(|a| a.parse::<IpNet>().expect("an address"))
            .collect(),
        dhcp: None,
        gateways: Vec::new(),
        dns_servers: Vec::new(),
        default_route: false,
        vlan: None,
        pxe_boot: false,
    }
}

fn disk(device: &str, mount_path: Option<&str>) -> DataDisk {
    DataDisk {
        device: device.to_owned(),
        size: 1 << 30,
        volume: format!("web_data-{device}.qcow2"),
        filesystem: Some(Filesystem::Ext4),
        mount_path: mount_path.map(str::to_owned),
        reclaim: ReclaimPolicy::Delete,
        serial: format!("tnvm-{device}"),
    }
}

fn seed(guest: &Guest, host_key: Option<HostKey<'_>>) -> Seed {
    Seed {
        user_data: user_data::render(guest, &secrets()).expect("user-data"),
        vendor_data: vendor::render(
            &[disk("vdb", Some("/srv/it's ä"))],
            host_key,
            Some("ssh-ed25519 LLLL trustnet-vm"),
        )
        .expect("vendor-data"),
        meta_data: meta::render("web.1234", guest),
        network_config: network::render(&[interface(1, &["192.0.2.10/24"])]),
    }
}

/// Runs a program on some input, or says that it is not there.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "skipped: {program}: {error}");
            return None;
        }
    };
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input)
        .expect("the input is read");
    let output = child.wait_with_output().expect("the program ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if errors.contains("No module named") {
        let _ = writeln!(std::io::stderr(), "skipped: {program}: {errors}");
        return None;
    }
    assert!(output.status.success(), "{program}: {errors}");
    Some(output.stdout)
}

/// What PyYAML, which cloud-init uses, reads.
fn pyyaml(document: &str) -> Option<Value> {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin.buffer.read().decode()), sys.stdout)";
    let read = run("python3", &["-c", script], document.as_bytes())?;
    Some(serde_json::from_slice(&read).expect("JSON"))
}

/// The parts that Python's MIME reader, which cloud-init uses, finds: type, file name, text.
fn parts(document: &str) -> Option<Vec<[String; 3]>> {
    let script = "import email, json, sys
parts = [p for p in email.message_from_string(sys.stdin.read()).walk() if p.get_content_maintype() != 'multipart']
json.dump([[p.get_content_type(), p.get_filename(), p.get_payload(decode=True).decode()] for p in parts], sys.stdout)";
    let read = run("python3", &["-c", script], document.as_bytes())?;
    Some(serde_json::from_slice(&read).expect("JSON"))
}

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
fn raw_user_data_is_given_as_it_is_and_needs_its_secret() {
    let raw = "#!/bin/sh\necho ä\r\n";
    let with = |raw| Guest {
        raw_user_data: Some(raw),
        ..full_guest()
    };
    let known = with(SecretValue::Known(raw.to_owned()));
    assert_eq!(user_data::render(&known, &secrets()).as_deref(), Ok(raw));
    let missing = with(SecretValue::Redacted("sha256:00".to_owned()));
    let what = "`rawUserData`".to_owned();
    assert_eq!(
        user_data::render(&missing, &secrets()),
        Err(SeedError::Secret { what })
    );
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
    let script = include_str!("../../../images/guest/guest.sh");
    assert!(script.contains(&format!("port_name={}\n", crate::readiness::CHANNEL)));
    assert!(script.is_ascii() && !script.contains('\r'));
    if let Some(findings) = run("shellcheck", &["-s", "sh", "-"], script.as_bytes()) {
        assert_eq!(String::from_utf8_lossy(&findings), "");
    }
}

#[test]
fn a_scrubbed_seed_holds_no_key_and_is_otherwise_the_same() {
    let seed = seed(&full_guest(), Some(KEY));
    let before = seed.to_iso();
    let mut after = before.clone();
    assert!(scrub(&mut after));
    assert_eq!(before.len(), after.len());
    for line in KEY.private_openssh.lines().chain([KEY.public_openssh]) {
        assert!(
            !after.windows(line.len()).any(|w| w == line.as_bytes()),
            "{line}"
        );
    }
    let vendor = crate::iso::find(&after, "vendor-data").expect("vendor-data");
    let changed: Vec<_> = (0..before.len())
        .filter(|at| before[*at] != after[*at])
        .collect();
    assert!(changed.iter().all(|at| vendor.contains(at)));
    let text = String::from_utf8(after[vendor].to_vec()).expect("text");
    if let Some(parts) = parts(&text) {
        assert_eq!(parts.len(), 3);
        assert_eq!(
            pyyaml(&parts[1][2]),
            Some(json!({ "ssh_deletekeys": false }))
        );
        assert!(seed.vendor_data.contains(&parts[2][2]));
    }
    assert!(!scrub(&mut after), "there is nothing left to scrub");
}

#[test]
fn user_data_cannot_draw_the_scrubbing_to_itself() {
    let raw = "#cloud-config\n# the guest's SSH host key, until the guest has it\nssh_keys: {}\n\n--==trustnet-vm==\n";
    let guest = Guest {
        raw_user_data: Some(SecretValue::Known(raw.to_owned())),
        ..guest()
    };
    let mut iso = seed(&guest, Some(KEY)).to_iso();
    assert!(scrub(&mut iso));
    let user_data = crate::iso::find(&iso, "user-data").expect("user-data");
    assert_eq!(&iso[user_data], raw.as_bytes());
    assert!(!scrub(&mut seed(&guest, None).to_iso()));
}

#[test]
fn generated_user_data_is_as_in_the_golden_file() {
    insta::assert_snapshot!(
        "user-data-empty",
        user_data::render(&guest(), &secrets()).expect("user-data")
    );
    insta::assert_snapshot!(
        "user-data-full",
        user_data::render(&full_guest(), &secrets()).expect("user-data")
    );
    insta::assert_snapshot!("meta-data-full", meta::render("web.1234", &full_guest()));
}

#[test]
fn network_config_is_as_in_the_golden_file() {
    let ip = |text: &str| text.parse().expect("an address");
    let static_dual = Interface {
        gateways: vec![ip("192.0.2.1"), ip("fe80::1")],
        dns_servers: vec![ip("192.0.2.53"), ip("2001:db8::53")],
        default_route: true,
        ..interface(1, &["192.0.2.10/24", "2001:db8::10/64"])
    };
    let dhcp = Interface {
        dhcp: Some(Dhcp::Both),
        ..interface(2, &[])
    };
    let bare = interface(3, &[]);
    insta::assert_snapshot!(
        "network-three",
        network::render(&[static_dual, dhcp.clone(), bare])
    );
    let ipv6 = Interface {
        gateways: vec![ip("2001:db8:ffff::1")],
        default_route: true,
        ..interface(1, &["2001:db8:1::10/64"])
    };
    insta::assert_snapshot!("network-ipv6-only", network::render(&[ipv6]));
    insta::assert_snapshot!("network-dhcp", network::render(&[dhcp]));
}
