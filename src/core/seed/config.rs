//! The parts of cloud-init's configuration that we write, as types.

use serde::Serialize;

/// `#cloud-config`. Each key is left out where it says nothing.
#[derive(Serialize, Default)]
pub(super) struct CloudConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer_fqdn_over_hostname: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manage_etc_hosts: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_root: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_pwauth: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_update: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub packages: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_files: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runcmd: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growpart: Option<GrowPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize_rootfs: Option<bool>,
}

/// An entry of `users`.
#[derive(Serialize)]
pub(super) struct User<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ssh_authorized_keys: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub groups: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sudo: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<&'a str>,
    pub lock_passwd: bool,
    /// Unlike `passwd`, set for users that the image already has, root among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hashed_passwd: Option<&'a str>,
}

/// An entry of `write_files`.
#[derive(Serialize)]
pub(super) struct File<'a> {
    pub path: &'a str,
    pub content: &'a str,
    pub owner: &'a str,
    pub permissions: String,
    /// Written after users and packages instead of before them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub defer: bool,
}

/// `growpart`.
#[derive(Serialize)]
pub(super) struct GrowPart {
    pub mode: &'static str,
    pub devices: [&'static str; 1],
}
