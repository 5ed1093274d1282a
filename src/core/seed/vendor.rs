//! vendor-data: our own part of the seed, a MIME multipart of three.
//!
//! It yields to user-data key by key, and its script is a boothook, which no user-data can displace.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use trustnet_api::disk::Filesystem;

use super::config::{CloudConfig, GrowPart};
use super::{HostKey, SeedError, shell, yaml};
use crate::vm::DataDisk;

/// What the guest runs at every boot.
pub(super) const GUEST_SCRIPT: &str = include_str!("../../../images/guest/guest.sh");
/// No line of any part begins with it: all values are quoted, and the script is ours.
const BOUNDARY: &str = "==trustnet-vm==";
/// The part that [`super::scrub()`] overwrites begins with this line and ends at the boundary.
pub(super) const KEY_PART: &str =
    "#cloud-config\n# the guest's SSH host key, until the guest has it\n";
pub(super) const END_OF_PART: &str = "\n--==trustnet-vm==";

pub(super) fn render(
    disks: &[DataDisk],
    host_key: Option<HostKey<'_>>,
    login_key: Option<&str>,
) -> Result<String, SeedError> {
    let mut parts = vec![("cloud-config", "defaults.yaml", defaults())];
    if let Some(key) = host_key {
        parts.push(("cloud-config", "host-key.yaml", host_key_part(key)));
    }
    parts.push((
        "cloud-boothook",
        "trustnet-vm-guest",
        boothook(disks, login_key)?,
    ));
    let mut out =
        format!("Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n");
    for (kind, name, body) in parts {
        out.push_str(&format!(
            "\n--{BOUNDARY}\nContent-Type: text/{kind}; charset=\"us-ascii\"\nContent-Transfer-Encoding: 7bit\n\
             Content-Disposition: attachment; filename=\"{name}\"\n\n{body}"
        ));
    }
    out.push_str(&format!("\n--{BOUNDARY}--\n"));
    Ok(out)
}

/// The multipart with user-data as its last part. What is a multipart itself goes in as it is, and is one inside; all
/// else in base64, which takes any text.
pub(super) fn with_user_data(vendor_data: &str, user_data: &str) -> String {
    let end = format!("\n--{BOUNDARY}--\n");
    let open = vendor_data.strip_suffix(&end).unwrap_or(vendor_data);
    let kinds = [
        ("#cloud-config", "cloud-config"),
        ("#!", "x-shellscript"),
        ("#include", "x-include-url"),
        ("## template:", "jinja2"),
    ];
    let kind = kinds.iter().find(|(first, _)| user_data.starts_with(first));
    let part = match kind {
        None => user_data.to_owned(),
        Some((_, kind)) => {
            let mut part = format!(
                "Content-Type: text/{kind}; charset=\"utf-8\"\nContent-Transfer-Encoding: base64\n\
                 Content-Disposition: attachment; filename=\"user-data\"\n\n"
            );
            for line in STANDARD.encode(user_data).as_bytes().chunks(76) {
                part.extend(line.iter().copied().map(char::from));
                part.push('\n');
            }
            part
        }
    };
    format!("{open}\n--{BOUNDARY}\n{part}{end}")
}

/// What holds where user-data says nothing.
fn defaults() -> String {
    let config = CloudConfig {
        disable_root: Some(false),
        // Needs no package in the guest; others fail where `locales` is missing.
        locale: Some("C.UTF-8"),
        growpart: Some(GrowPart {
            mode: "auto",
            devices: ["/"],
        }),
        resize_rootfs: Some(true),
        ..CloudConfig::default()
    };
    format!("#cloud-config\n{}", yaml::document(&config))
}

fn host_key_part(key: HostKey<'_>) -> String {
    #[derive(Serialize)]
    struct Config<'a> {
        ssh_keys: Keys<'a>,
    }
    #[derive(Serialize)]
    struct Keys<'a> {
        ed25519_private: &'a str,
        ed25519_public: &'a str,
    }
    let ssh_keys = Keys {
        ed25519_private: key.private_openssh,
        ed25519_public: key.public_openssh,
    };
    format!("{KEY_PART}{}", yaml::document(&Config { ssh_keys }))
}

fn boothook(disks: &[DataDisk], login_key: Option<&str>) -> Result<String, SeedError> {
    let login_key = login_key.unwrap_or_default().trim_end_matches('\n');
    if login_key.contains(|c: char| c.is_control()) {
        return Err(SeedError::Key { what: "login key" });
    }
    let mut facts = format!("login_key={}\n", shell::quote(login_key));
    let mut disks: Vec<_> = disks.iter().collect();
    // A disk that is mounted below another comes after it.
    disks.sort_by(|a, b| a.mount_path.cmp(&b.mount_path));
    let calls: String = disks.iter().filter_map(|disk| disk_call(disk)).collect();
    if !calls.is_empty() {
        facts.push_str(&format!("disks() {{\n{calls}}}\n"));
    }
    let script = GUEST_SCRIPT
        .strip_prefix("#!/bin/sh\n")
        .expect("the script says what runs it");
    Ok(format!("#cloud-boothook\n#!/bin/sh\n{facts}\n{script}"))
}

fn disk_call(disk: &DataDisk) -> Option<String> {
    let filesystem = match disk.filesystem? {
        Filesystem::Ext4 => "ext4",
        Filesystem::Xfs => "xfs",
        Filesystem::Btrfs => "btrfs",
    };
    let words = [
        &disk.serial,
        filesystem,
        disk.mount_path.as_deref().unwrap_or_default(),
    ]
    .map(shell::quote);
    Some(format!("    disk {}\n", words.join(" ")))
}
