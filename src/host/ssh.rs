//! The user's own ssh(1), with the guest's host key pinned: its configuration, agent and jump hosts
//! are the user's; which key the guest must show is ours, and nothing turns that off.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use trustnet_core::record::Record;

use crate::error::HostError;
use crate::keys::LoginKey;
use crate::paths::{Paths, private_dir};

/// The guest's user that the login key is authorised for.
pub const MANAGEMENT_USER: &str = "root";

/// Where a guest's SSH answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// Where the guest of a record answers: a forwarded port if there is one, else its first static address.
/// None if the guest has neither; its address is then to be asked for.
#[must_use]
pub fn endpoint(record: &Record) -> Option<Endpoint> {
    if let Some(forward) = record
        .forwards
        .iter()
        .find(|forward| forward.guest_port == 22)
    {
        return Some(Endpoint {
            address: "127.0.0.1".to_owned(),
            port: forward.host_port,
        });
    }
    let static_address = record
        .spec
        .spec
        .network_interfaces
        .iter()
        .filter(|interface| interface.bridge.is_some() || interface.network.is_some())
        .find_map(|interface| interface.ip.iter().chain(&interface.ips).next());
    let address = static_address?.split('/').next()?.to_owned();
    Some(Endpoint { address, port: 22 })
}

/// The ssh command for a guest, without the remote command.
///
/// # Errors
/// The file of known hosts cannot be written.
pub fn command(
    paths: &Paths,
    login: &LoginKey,
    uuid: &str,
    record: &Record,
    endpoint: &Endpoint,
) -> Result<Command, HostError> {
    let alias = format!("trustnet-vm-{uuid}");
    let known_hosts = write_known_hosts(paths, uuid, &format!("{alias} {}\n", record.host_key))?;
    let mut command = Command::new("ssh");
    let option = |name: &str, value: OsString| {
        let mut option = OsString::from(name);
        option.push("=");
        option.push(value);
        option
    };
    for (name, value) in [
        ("UserKnownHostsFile", quoted(known_hosts)),
        ("GlobalKnownHostsFile", OsString::from("/dev/null")),
        ("StrictHostKeyChecking", OsString::from("yes")),
        ("HostKeyAlias", OsString::from(alias)),
        ("HostKeyAlgorithms", OsString::from("ssh-ed25519")),
        ("UpdateHostKeys", OsString::from("no")),
        ("CheckHostIP", OsString::from("no")),
        ("IdentityFile", quoted(login.file.clone())),
    ] {
        command.arg("-o").arg(option(name, value));
    }
    command.arg("-p").arg(endpoint.port.to_string());
    command.arg("-l").arg(MANAGEMENT_USER);
    command.arg(&endpoint.address);
    Ok(command)
}

/// ssh splits the value of some options at blanks; a path in double quotes stays one.
fn quoted(path: PathBuf) -> OsString {
    let mut text = OsString::from("\"");
    text.push(path);
    text.push("\"");
    text
}

fn write_known_hosts(paths: &Paths, uuid: &str, line: &str) -> Result<PathBuf, HostError> {
    let folder = paths.runtime.join("known_hosts");
    private_dir(&folder)?;
    let path = folder.join(uuid);
    let temporary = folder.join(format!("{uuid}.{}", std::process::id()));
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(line.as_bytes())?;
        fs::rename(&temporary, &path)
    };
    write().map_err(HostError::file("write", &path))?;
    Ok(path)
}
