//! `kind: ImageCatalogue`: where publishers have images, and what vouches for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::Checksums;

/// Images that can be pulled by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageCatalogue {
    /// `trustnet.io/v1alpha1`.
    #[schemars(extend("enum" = [crate::TRUSTNET_V1ALPHA1]))]
    pub api_version: String,
    /// `ImageCatalogue`.
    #[schemars(extend("enum" = [crate::IMAGE_CATALOGUE]))]
    pub kind: String,
    /// The images.
    pub items: Vec<CatalogueImage>,
}

/// An image of a publisher, for one architecture. `digest` or `checksums` vouches for it; where both are given, `digest`
/// does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueImage {
    /// What it is an image of, such as `debian`: lower-case letters, digits, `-` and `_`. It is pulled as
    /// `NAME-VERSION`, and as `NAME` in the newest version.
    pub name: String,
    /// The version, such as `12`.
    pub version: String,
    /// The architecture of its guests.
    pub arch: ImageArch,
    /// Where it is: `https://…`, or `file:///…`; `http://…` only where its digest is known or signed.
    pub url: String,
    /// Where else the same bytes are, tried in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// What its bytes must have: `sha256:…` or `sha512:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The publisher's list of digests, for an image that changes where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<Checksums>,
    /// How many bytes it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The user that it has from the beginning, for people; a VM's own users come beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_user: Option<String>,
}

/// An architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageArch {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}
