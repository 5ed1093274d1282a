//! What cloud-init does at the first boot.

use std::collections::BTreeSet;

use trustnet_api::cloud_init::{self, CloudInit};
use trustnet_api::secret::SecretString;

use super::report::Report;
use super::{raw_user_data, secret, ssh_key, text};
use crate::vm::{File, Guest, User, VmName};

/// Needs no package in the guest.
const LOCALE: &str = "C.UTF-8";
const ROOT: &str = "spec.cloudInit";
/// The longest login name of Linux.
const MAX_LOGIN: usize = 32;

pub(super) fn resolve(name: &VmName, wire: Option<&CloudInit>, report: &mut Report) -> Guest {
    let none = CloudInit::default();
    let wire = wire.unwrap_or(&none);
    let fqdn = wire.fqdn.as_ref().map(|f| f.to_ascii_lowercase());
    if let Some(fqdn) = &fqdn {
        check_fqdn(fqdn, report);
    }
    let label = fqdn.as_deref().and_then(|f| f.split('.').next());
    let hostname = label.map_or_else(|| name.as_str().replace('_', "-"), str::to_owned);
    ssh_keys(ROOT, &wire.ssh_authorized_keys, report);
    for (index, package) in wire.packages.iter().enumerate() {
        let path = format!("{ROOT}.packages[{index}]");
        text::word(&path, "package's name", package, ("+-._:~=@/", 255), report);
    }
    for (index, command) in wire.run_commands.iter().enumerate() {
        if command.trim().is_empty() {
            report.error(
                format!("{ROOT}.runCommands[{index}]"),
                "the command is empty",
            );
        }
    }
    if let Some(zone) = &wire.timezone {
        check_timezone(zone, report);
    }
    let locale = wire.locale.as_deref().unwrap_or(LOCALE);
    text::word(
        &format!("{ROOT}.locale"),
        "locale",
        locale,
        (".-_@", 64),
        report,
    );
    let raw = wire.raw_user_data.as_ref();
    Guest {
        hostname,
        fqdn,
        ssh_authorized_keys: trimmed(&wire.ssh_authorized_keys),
        password_hash: password_hash(ROOT, wire.password_hash.as_ref(), report),
        ssh_password_auth: wire.ssh_password_auth.unwrap_or(false),
        raw_user_data: raw.map(|raw| raw_user_data::resolve(ROOT, raw, wire, report)),
        users: users(&wire.users, report),
        packages: wire.packages.clone(),
        files: files(&wire.files, report),
        run_commands: wire.run_commands.clone(),
        timezone: wire.timezone.clone(),
        locale: locale.to_owned(),
    }
}

fn check_fqdn(fqdn: &str, report: &mut Report) {
    let path = format!("{ROOT}.fqdn");
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let label = |l: &str| {
        l.len() <= 63
            && edge(l.as_bytes().first())
            && edge(l.as_bytes().last())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !fqdn.contains('.') {
        report
            .error(path, format!("`{fqdn}` has no domain"))
            .hint(format!(
                "write `{fqdn}.example.org`, or leave `fqdn` out: the host name is the VM's name"
            ));
    } else if fqdn.len() > 253 || !fqdn.split('.').all(label) {
        report
            .error(path, format!("`{fqdn}` is not a fully qualified name"))
            .hint("use letters, digits and `-` between the dots, at most 63 at a time; no dot at the end");
    }
}

fn check_timezone(zone: &str, report: &mut Report) {
    let path = format!("{ROOT}.timezone");
    if text::word(&path, "time zone", zone, ("/_+-", 64), report)
        && zone.split('/').any(str::is_empty)
    {
        report
            .error(path, format!("`{zone}` is not a time zone"))
            .hint("write it as `Europe/Vienna`");
    }
}

fn ssh_keys(root: &str, keys: &[String], report: &mut Report) {
    for (index, key) in keys.iter().enumerate() {
        let Err(error) = ssh_key::check(key.trim()) else {
            continue;
        };
        let path = format!("{root}.sshAuthorizedKeys[{index}]");
        let (message, hint) = (error.to_string(), error.hint());
        if error.is_harmless() {
            report.lenient(path, message).hint(hint);
        } else {
            report.error(path, message).hint(hint);
        }
    }
}

fn trimmed(keys: &[String]) -> Vec<String> {
    keys.iter().map(|key| key.trim().to_owned()).collect()
}

fn password_hash(
    root: &str,
    hash: Option<&SecretString>,
    report: &mut Report,
) -> Option<crate::vm::SecretValue> {
    let path = format!("{root}.passwordHash");
    hash.map(|hash| secret::password_hash(&path, hash, report))
}

fn users(wire: &[cloud_init::User], report: &mut Report) -> Vec<User> {
    let mut seen = BTreeSet::new();
    let mut users = Vec::new();
    for (index, user) in wire.iter().enumerate() {
        let root = format!("{ROOT}.users[{index}]");
        let path = format!("{root}.name");
        if login(&path, "user's name", &user.name, report) {
            if user.name == "root" {
                report
                    .error(path, "`root` is there already")
                    .hint("write root's keys and password hash in `cloudInit` itself");
            } else if !seen.insert(&user.name) {
                report.error(path, format!("the user `{}` is there twice", user.name));
            }
        }
        for (index, group) in user.groups.iter().enumerate() {
            login(
                &format!("{root}.groups[{index}]"),
                "group's name",
                group,
                report,
            );
        }
        if let Some(shell) = &user.shell {
            let path = format!("{root}.shell");
            if text::absolute_path(&path, "shell", shell, report) && shell.contains([':', ',', ' '])
            {
                report.error(path, format!("`{shell}` cannot stand in the user's record"));
            }
        }
        ssh_keys(&root, &user.ssh_authorized_keys, report);
        users.push(User {
            name: user.name.clone(),
            ssh_authorized_keys: trimmed(&user.ssh_authorized_keys),
            groups: user.groups.clone(),
            sudo: user.sudo.unwrap_or(false),
            shell: user.shell.clone(),
            password_hash: password_hash(&root, user.password_hash.as_ref(), report),
        });
    }
    users
}

/// A user's or a group's name as useradd(8) takes it.
fn login(path: &str, what: &str, name: &str, report: &mut Report) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    let other = |c: char| first(c) || c.is_ascii_digit() || c == '-';
    if name.len() <= MAX_LOGIN && name.starts_with(first) && name.chars().all(other) {
        return true;
    }
    report
        .error(path, format!("the {what} {name:?} is not valid"))
        .hint("use up to 32 lower-case letters, digits, `-` and `_`, the first a letter or `_`");
    false
}

fn files(wire: &[cloud_init::File], report: &mut Report) -> Vec<File> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for (index, file) in wire.iter().enumerate() {
        let root = format!("{ROOT}.files[{index}]");
        let path = format!("{root}.path");
        if text::absolute_path(&path, "file's path", &file.path, report) && !seen.insert(&file.path)
        {
            report.error(path, format!("the file `{}` is there twice", file.path));
        }
        let owner = file.owner.as_deref().unwrap_or("root:root");
        check_owner(&format!("{root}.owner"), owner, report);
        files.push(File {
            path: file.path.clone(),
            content: secret::resolve(&format!("{root}.content"), &file.content, report),
            owner: owner.to_owned(),
            mode: mode(&root, file, report),
        });
    }
    files
}

fn check_owner(path: &str, owner: &str, report: &mut Report) {
    let Some((user, group)) = owner.split_once(':') else {
        report
            .error(path, format!("{owner:?} names no group"))
            .hint("write it as `user:group`");
        return;
    };
    if login(path, "owner", user, report) {
        login(path, "owner's group", group, report);
    }
}

fn mode(root: &str, file: &cloud_init::File, report: &mut Report) -> u32 {
    let by_reference = matches!(file.content, SecretString::ValueFrom(_));
    let default = if by_reference { 0o600 } else { 0o644 };
    let Some(text) = &file.mode else {
        return default;
    };
    let octal = |b: u8| matches!(b, b'0'..=b'7');
    let good = (3..=5).contains(&text.len()) && text.bytes().all(octal);
    match u32::from_str_radix(text, 8) {
        Ok(mode) if good && mode <= 0o7777 => mode,
        _ => {
            report
                .error(format!("{root}.mode"), format!("{text:?} is not a mode"))
                .hint("write it in octal, such as `\"0600\"`");
            default
        }
    }
}
