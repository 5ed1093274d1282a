//! user-data: what the user wrote, or what the spec says as a `#cloud-config`.

use super::config::{CloudConfig, File, User};
use super::{SeedError, reveal, yaml};
use crate::vm::{Guest, SecretMap};

/// With this before them, the first command that fails ends the script with its status, and the
/// trace in cloud-init's log names it.
const STOP_AT_FAILURE: &str = "set -ex";

pub(super) fn render(guest: &Guest, secrets: &SecretMap) -> Result<String, SeedError> {
    if let Some(raw) = &guest.raw_user_data {
        return Ok(reveal(secrets, raw, || "`rawUserData`".to_owned())?.to_owned());
    }
    let config = CloudConfig {
        hostname: Some(&guest.hostname),
        fqdn: guest.fqdn.as_deref(),
        prefer_fqdn_over_hostname: Some(false),
        // Adds the name to what the image has, and needs no template as `true` does.
        manage_etc_hosts: Some("localhost"),
        users: users(guest, secrets)?,
        disable_root: Some(false),
        ssh_pwauth: Some(guest.ssh_password_auth),
        package_update: (!guest.packages.is_empty()).then_some(true),
        packages: &guest.packages,
        write_files: files(guest, secrets)?,
        timezone: guest.timezone.as_deref(),
        locale: Some(&guest.locale),
        runcmd: commands(guest),
        ..CloudConfig::default()
    };
    Ok(format!("#cloud-config\n{}", yaml::document(&config)))
}

fn users<'a>(guest: &'a Guest, secrets: &'a SecretMap) -> Result<Vec<User<'a>>, SeedError> {
    let mut users = Vec::new();
    let root_hash = guest
        .password_hash
        .as_ref()
        .map(|hash| reveal(secrets, hash, || "`passwordHash`".to_owned()));
    users.push(User {
        name: "root",
        ssh_authorized_keys: &guest.ssh_authorized_keys,
        groups: &[],
        sudo: None,
        shell: None,
        lock_passwd: root_hash.is_none(),
        hashed_passwd: root_hash.transpose()?,
    });
    for user in &guest.users {
        let hash = user.password_hash.as_ref();
        let hash = hash.map(|hash| {
            reveal(secrets, hash, || {
                format!("`passwordHash` of user `{}`", user.name)
            })
        });
        users.push(User {
            name: &user.name,
            ssh_authorized_keys: &user.ssh_authorized_keys,
            groups: &user.groups,
            sudo: user.sudo.then_some("ALL=(ALL) NOPASSWD:ALL"),
            shell: user.shell.as_deref(),
            lock_passwd: hash.is_none(),
            hashed_passwd: hash.transpose()?,
        });
    }
    Ok(users)
}

fn files<'a>(guest: &'a Guest, secrets: &'a SecretMap) -> Result<Vec<File<'a>>, SeedError> {
    let file = |file: &'a crate::vm::File| {
        Ok(File {
            path: &file.path,
            content: reveal(secrets, &file.content, || {
                format!("the content of `{}`", file.path)
            })?,
            owner: &file.owner,
            permissions: format!("{:04o}", file.mode),
            // The owner, or the home that the file goes into, is there only after the users were made.
            defer: file.owner != "root:root" || file.path.starts_with("/home/"),
        })
    };
    guest.files.iter().map(file).collect()
}

fn commands(guest: &Guest) -> Vec<&str> {
    if guest.run_commands.is_empty() {
        return Vec::new();
    }
    // A command given as text becomes a line of the script, so this holds for those after it.
    std::iter::once(STOP_AT_FAILURE)
        .chain(guest.run_commands.iter().map(String::as_str))
        .collect()
}
