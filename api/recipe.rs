//! `kind: Image`: what an image that guests start from is built from. A recipe is a folder: this file as `recipe.yaml`,
//! and beside it `root/`, which is laid over the guest's root before its kernel is installed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// An image that can be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecipe {
    /// `trustnet.io/v1alpha1`.
    #[schemars(extend("enum" = [crate::TRUSTNET_V1ALPHA1]))]
    pub api_version: String,
    /// `Image`.
    #[schemars(extend("enum" = [crate::IMAGE]))]
    pub kind: String,
    /// What the image is called.
    pub metadata: ObjectMeta,
    /// What it is made of.
    pub spec: ImageRecipeSpec,
}

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecipeSpec {
    /// Debian's suite, such as `bookworm`.
    pub suite: String,
    /// Debian's architecture: `amd64`.
    #[schemars(extend("enum" = ["amd64"]))]
    pub architecture: String,
    /// The archive that the guest's apt uses, and that the image is built from where no other is given.
    pub mirror: String,
    /// The same of security updates.
    pub security_mirror: String,
    /// Build from the archives as snapshot.debian.org had them then, such as `20260101T000000Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The size of the root file system in MiB; it grows to the disk that a guest is given.
    #[serde(rename = "rootMiB")]
    pub root_mib: u32,
    /// The size of the EFI system partition in MiB.
    #[serde(rename = "espMiB")]
    pub esp_mib: u32,
    /// What the kernel is told, on one line.
    pub kernel_command_line: String,
    /// What is installed beside the essential packages.
    pub packages: Vec<String>,
    /// Units of systemd that never start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    /// Shell commands that root runs in the finished root, in this order; the first that fails ends the build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}
