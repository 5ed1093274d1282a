//! What the tests of the documents share.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run the programs that read this in a guest"
)]

mod documents;
mod readers;

use std::io::Write;
use std::process::{Command, Stdio};

use ipnet::IpNet;
use serde_json::Value;
use trustnet_api::disk::{Filesystem, ReclaimPolicy};
use trustnet_api::secret::ValueFrom;

use super::{HostKey, Seed, meta, network, user_data, vendor};
use crate::vm::{
    Attachment, DataDisk, File, Guest, Interface, MacAddr, SecretMap, SecretValue, User,
};

const KEY: HostKey<'_> = HostKey {
    private_openssh: "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0LXNlY3JldC1zZWNyZXQ=\n-----END OPENSSH PRIVATE KEY-----\n",
    public_openssh: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPublicPublicPublic web",
};

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
        format: trustnet_api::disk::DiskFormat::Qcow2,
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
