//! What cloud-init does at the first boot.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::SecretString;

/// What cloud-init does at the first boot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudInit {
    /// Fully qualified host name, lower-cased; the host name is its first label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
    /// SSH public keys authorised for root, in the form of an `authorized_keys` line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<String>,
    /// Root's password as a crypt(5) hash (begins with `$`), inline or by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<SecretString>,
    /// Whether SSH accepts passwords; default false.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "sshPwauth")]
    pub ssh_password_auth: Option<bool>,
    /// User-data that replaces what would be generated; begins with `#cloud-config`, `#!`, `#include`,
    /// `## template:` or `Content-Type:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_user_data: Option<SecretString>,
    /// Further users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// Packages to install from the guest's own distribution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Files to write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Shell commands run once, in order, as root; the first that fails fails the VM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run_commands: Vec<String>,
    /// Time zone, such as `Europe/Vienna`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Locale; default `C.UTF-8`, which needs no package in the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// A user of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Login name.
    pub name: String,
    /// SSH public keys authorised for the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<String>,
    /// Supplementary groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether the user may run anything by sudo without a password; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo: Option<bool>,
    /// Login shell, such as `/bin/bash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// The password as a crypt(5) hash, inline or by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<SecretString>,
}

/// A file in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// What the file holds, inline or by reference.
    pub content: SecretString,
    /// Owner as `user:group`; default `root:root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Mode in octal, as a string, such as `"0600"`; default `"0644"`, `"0600"` for content by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}
