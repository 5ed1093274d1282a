//! The digest of what a spec means. How it is written does not count: `memory: 1Gi` and
//! `memoryGiB: 1` have one digest, and so have a secret and its redacted form.

use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trustnet_api::secret::{SecretString, ValueFrom};

use super::{Attachment, BootSource, DataDisk, File, Guest, Interface, SecretValue, User, Vm};

pub(super) fn of(vm: &Vm) -> String {
    let mut text = String::new();
    canonical(&meaning(vm), &mut text);
    hex(&Sha256::digest(text.as_bytes()))
}

fn meaning(vm: &Vm) -> Value {
    let boot = &vm.boot_disk;
    let source = match &boot.source {
        BootSource::Empty => json!("empty"),
        BootSource::Volume { pool, volume } => json!({ "pool": pool, "volume": volume }),
        BootSource::Path(path) => json!({ "path": path }),
    };
    json!({
        "name": vm.name.as_str(),
        "labels": vm.wire.metadata.labels,
        "vcpus": vm.vcpus,
        "memoryMib": vm.memory_mib,
        "cpuMode": vm.cpu_mode,
        "firmware": vm.firmware,
        "tpm": vm.tpm,
        "autostart": vm.autostart,
        "protected": vm.protected,
        "pool": vm.pool,
        "bootDisk": { "size": boot.size, "source": source, "format": boot.format, "volume": boot.volume },
        "dataDisks": vm.data_disks.iter().map(data_disk).collect::<Vec<_>>(),
        "interfaces": vm.interfaces.iter().map(interface).collect::<Vec<_>>(),
        "guest": guest(&vm.guest),
    })
}

fn data_disk(disk: &DataDisk) -> Value {
    json!({
        "device": disk.device,
        "size": disk.size,
        "volume": disk.volume,
        "filesystem": disk.filesystem,
        "mountPath": disk.mount_path,
        "reclaim": disk.reclaim,
        "serial": disk.serial,
    })
}

fn interface(interface: &Interface) -> Value {
    let attachment = match &interface.attachment {
        Attachment::Bridge(bridge) => json!({ "bridge": bridge }),
        Attachment::Network(network) => json!({ "network": network }),
        Attachment::User { ssh_port } => json!({ "user": { "sshPort": ssh_port } }),
        Attachment::Segment(segment) => json!({ "segment": segment }),
    };
    json!({
        "attachment": attachment,
        "mac": interface.mac.to_string(),
        "tap": interface.tap.as_ref().map(super::Tap::as_str),
        "addresses": interface.addresses,
        "dhcp": interface.dhcp,
        "gateways": interface.gateways,
        "dnsServers": interface.dns_servers,
        "defaultRoute": interface.default_route,
        "vlan": interface.vlan,
        "pxeBoot": interface.pxe_boot,
    })
}

fn guest(guest: &Guest) -> Value {
    json!({
        "hostname": guest.hostname,
        "fqdn": guest.fqdn,
        "sshAuthorizedKeys": guest.ssh_authorized_keys,
        "passwordHash": guest.password_hash.as_ref().map(secret),
        "sshPasswordAuth": guest.ssh_password_auth,
        "rawUserData": guest.raw_user_data.as_ref().map(secret),
        "users": guest.users.iter().map(user).collect::<Vec<_>>(),
        "packages": guest.packages,
        "files": guest.files.iter().map(file).collect::<Vec<_>>(),
        "runCommands": guest.run_commands,
        "timezone": guest.timezone,
        "locale": guest.locale,
    })
}

fn user(user: &User) -> Value {
    json!({
        "name": user.name,
        "sshAuthorizedKeys": user.ssh_authorized_keys,
        "groups": user.groups,
        "sudo": user.sudo,
        "shell": user.shell,
        "passwordHash": user.password_hash.as_ref().map(secret),
    })
}

fn file(file: &File) -> Value {
    json!({
        "path": file.path,
        "content": secret(&file.content),
        "owner": file.owner,
        "mode": file.mode,
    })
}

/// An inline value counts as its digest, so that it equals its redacted form; a reference counts
/// as the reference.
fn secret(secret: &SecretValue) -> Value {
    match secret {
        SecretValue::Known(value) => match SecretString::Inline(value.clone()).redact() {
            SecretString::Redacted(digest) => json!(digest),
            SecretString::Inline(_) | SecretString::ValueFrom(_) => Value::Null,
        },
        SecretValue::Redacted(digest) => json!(digest),
        SecretValue::From(from) => reference(from),
    }
}

fn reference(from: &ValueFrom) -> Value {
    match from {
        ValueFrom::File(path) => json!({ "file": path }),
        ValueFrom::Env(name) => json!({ "env": name }),
        ValueFrom::Generate(one) => json!({ "generate": {
            "name": one.name,
            "length": one.length(),
            "alphabet": one.alphabet(),
            "shared": one.is_shared(),
        } }),
        // With what it is decrypted says nothing about the secret.
        ValueFrom::Age(age) => json!({ "age": age.file }),
    }
}

/// JSON with sorted keys and no spaces.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(&json!(key), out);
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        // Writing to a String cannot fail.
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
