//! The user's own ssh(1), with the guest's host key pinned: its configuration, agent and jump hosts
//! are the user's; which key the guest must show is ours, and nothing turns that off.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use trustnet_core::record::Record;

use crate::error::HostError;
use crate::login::{self, Identity};
use crate::paths::{Paths, private_dir, write_private};

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

/// Whose guest is spoken to, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// The user's folders, with the VM's login key.
    pub paths: &'a Paths,
    /// The connection URI: forwarded ports are the hypervisor's.
    pub uri: &'a str,
    /// The domain's UUID.
    pub uuid: &'a str,
    /// The VM's record, with the guest's host key.
    pub record: &'a Record,
}

impl Session<'_> {
    /// The key that logs in, where there is one on this machine.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        login::identity(self.paths, self.uuid, self.record)
    }
}

/// Where the guest of a record answers: a forwarded port if there is one, else its first static address
/// that can be reached without naming an interface of ours. None if the guest has neither; its address
/// is then to be asked for.
#[must_use]
pub fn endpoint(record: &Record) -> Option<Endpoint> {
    if let Some(forward) = record
        .forwards
        .iter()
        .find(|forward| forward.guest_port == 22)
    {
        return Some(Endpoint {
            address: Ipv4Addr::LOCALHOST.to_string(),
            port: forward.host_port,
        });
    }
    let interfaces = record.spec.spec.network_interfaces.iter();
    let address = interfaces
        .filter(|interface| interface.bridge.is_some() || interface.network.is_some())
        .flat_map(|interface| interface.ip.iter().chain(&interface.ips))
        .filter_map(|text| text.split('/').next()?.parse::<IpAddr>().ok())
        .find(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))?;
    Some(Endpoint {
        address: address.to_string(),
        port: 22,
    })
}

/// The ssh command for a guest, up to the remote command; `more` are further options of ssh_config(5), which
/// count before those that say which keys are offered.
///
/// # Errors
/// The file of known hosts cannot be written.
pub fn command(
    session: &Session<'_>,
    endpoint: &Endpoint,
    more: &[&str],
) -> Result<Command, HostError> {
    let Session { record, uuid, .. } = *session;
    let alias = format!("trustnet-vm-{uuid}");
    let line = format!("{alias} {}\n", record.host_key);
    let known_hosts = write_known_hosts(session.paths, uuid, &line)?;
    let mut command = Command::new("ssh");
    // The first word on an option counts, so these stand whatever the user's configuration says.
    for option in [
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "HostKeyAlgorithms=ssh-ed25519",
        "UpdateHostKeys=no",
        "CheckHostIP=no",
        // What else could vouch for a host: DNS, a command, being this machine.
        "VerifyHostKeyDNS=no",
        "KnownHostsCommand=none",
        "NoHostAuthenticationForLocalhost=no",
        // A connection that stands already was verified for whoever had this address then.
        "ControlPath=none",
    ] {
        command.arg("-o").arg(option);
    }
    command.arg("-o").arg(format!("HostKeyAlias={alias}"));
    command
        .arg("-o")
        .arg(file("UserKnownHostsFile", &known_hosts));
    for option in more {
        command.arg("-o").arg(option);
    }
    // Without one, the user's agent and the user's own configuration have a say.
    if let Some(identity) = session.identity() {
        let option = file("IdentityFile", &identity.file);
        command.arg("-o").arg(option);
        if identity.known && !names_keys(record) {
            // The guest knows no other key, and ssh offers the agent's first: many would use up the tries.
            command.arg("-o").arg("IdentitiesOnly=yes");
        }
    }
    if endpoint.address == Ipv4Addr::LOCALHOST.to_string()
        && let Some(jump) = jump(session.uri)
    {
        command.arg("-J").arg(jump);
    }
    command.arg("-p").arg(endpoint.port.to_string());
    command.arg("-l").arg(MANAGEMENT_USER);
    command.arg("--").arg(&endpoint.address);
    Ok(command)
}

/// Whether the management user has keys of the user's own.
fn names_keys(record: &Record) -> bool {
    let init = record.spec.spec.cloud_init.as_ref();
    init.is_some_and(|init| !init.ssh_authorized_keys.is_empty() || init.raw_user_data.is_some())
}

/// The ssh command that carries bytes to an endpoint which only the hypervisor's machine can reach. None
/// where this machine can.
#[must_use]
pub fn carrier(uri: &str, endpoint: &Endpoint) -> Option<Command> {
    let forwarded = endpoint.address == Ipv4Addr::LOCALHOST.to_string();
    let jump = forwarded.then(|| jump(uri)).flatten()?;
    // ssh takes user@host:port in this form only.
    let mut command = Command::new("ssh");
    command
        .arg("-W")
        .arg(format!("{}:{}", endpoint.address, endpoint.port))
        .arg("--")
        .arg(format!("ssh://{jump}"));
    Some(command)
}

/// The machine of a hypervisor that is reached over SSH, as ssh's `-J` takes it:
/// `qemu+ssh://ada@host:2222/session` gives `ada@host:2222`.
fn jump(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let transport = scheme.split_once('+')?.1;
    let machine = rest.split(['/', '?']).next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.:-_[]%".contains(c);
    (matches!(transport, "ssh" | "libssh" | "libssh2")
        && machine.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && machine.chars().all(plain))
    .then_some(machine)
}

/// An option whose value is a path: in quotes, so that blanks do not split it, and with ssh's own
/// percent signs taken for what they are.
fn file(option: &str, path: &Path) -> OsString {
    let mut text = format!("{option}=\"").into_bytes();
    for &byte in path.as_os_str().as_bytes() {
        if byte == b'%' {
            text.push(b'%');
        }
        text.push(byte);
    }
    text.push(b'"');
    OsString::from_vec(text)
}

fn write_known_hosts(paths: &Paths, uuid: &str, line: &str) -> Result<PathBuf, HostError> {
    let folder = paths.runtime.join("known_hosts");
    private_dir(&folder)?;
    let path = folder.join(uuid);
    write_private(&path, line.as_bytes()).map_err(HostError::file("write", &path))?;
    Ok(path)
}

#[cfg(test)]
mod tests;
