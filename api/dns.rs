//! The record under which a network's registries are found: who keeps it, and what is said of it.

use std::net::{Ipv6Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::ValueFrom;

/// Who keeps a domain's zone, and how it is changed. The answers of an install, the program's configuration (`dns:`) and
/// the flags of `dns` say the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DnsSection {
    /// Who keeps the zone; `manual` unless said: then the record is shown, and somebody adds it by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<DnsProvider>,
    /// The profile of `~/.aws` that may change the zone; default that of the environment. For `route53`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_profile: Option<String>,
    /// The zone that holds the record, such as `example.org`; for `route53` also its id. Default the one with the longest
    /// name that the domain is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// For `rfc2136` the server that takes updates: an address or a name, with `:PORT` where it is not 53; default the
    /// primary that the zone itself names. For `cloudflare` another address of the API, such as a proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The key that signs updates. For `rfc2136`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tsig: Option<Tsig>,
    /// Where the API token is read from: one that may read zones and edit their DNS. For `cloudflare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_from: Option<ValueFrom>,
}

/// Who keeps a zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DnsProvider {
    /// Somebody, by hand.
    #[default]
    Manual,
    /// Amazon Route 53.
    Route53,
    /// Cloudflare.
    Cloudflare,
    /// A name server that takes updates by RFC 2136.
    Rfc2136,
}

impl DnsProvider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Manual, Self::Route53, Self::Cloudflare, Self::Rfc2136];

    /// Its word, as in files and flags.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Route53 => "route53",
            Self::Cloudflare => "cloudflare",
            Self::Rfc2136 => "rfc2136",
        }
    }
}

/// A key that signs messages to a name server (RFC 8945).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tsig {
    /// What the server calls the key.
    pub name: String,
    /// With what it signs; `hmac-sha256` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<TsigAlgorithm>,
    /// Where the key is read from: Base64, or a file as `tsig-keygen` writes it.
    pub key_from: ValueFrom,
}

/// With what a key signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TsigAlgorithm {
    /// HMAC with SHA-256.
    #[default]
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

/// What `dns check -o json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsCheck {
    /// `DnsCheck`.
    pub kind: &'static str,
    /// The record's name, such as `tnr.example.org`.
    pub name: String,
    /// The zone whose name servers were asked; none where it was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `published`, `spreading`, `missing`, `absent` or `unknown`.
    pub result: &'static str,
    /// What that means, in words.
    pub meaning: String,
    /// The addresses that were to be there.
    pub wanted: Vec<Ipv6Addr>,
    /// The addresses that are there.
    pub addresses: Vec<Ipv6Addr>,
    /// What each server says.
    pub views: Vec<DnsView>,
}

/// What one server says of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsView {
    /// What the server is called.
    pub server: String,
    /// Where it was asked; none for the machine's own resolver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// `authoritative`, `resolver` or `public`.
    pub role: &'static str,
    /// `addresses`, `nxdomain`, `nodata`, `alias`, `servfail`, `refused`, `lame`, `timeout`, `unreachable` or `other`.
    pub answer: &'static str,
    /// The addresses that it gives.
    pub addresses: Vec<Ipv6Addr>,
    /// For how many seconds they may be kept; none without addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// More about an answer that is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What somebody has to do to add the record by hand: `dns instructions -o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsInstructions {
    /// `DnsInstructions`.
    pub kind: &'static str,
    /// Who keeps the zone.
    pub provider: DnsProvider,
    /// The record's whole name, such as `tnr.example.org`.
    pub name: String,
    /// The zone that it is added to.
    pub zone: String,
    /// Its name within the zone, such as `tnr`.
    pub host: String,
    /// `AAAA`.
    #[serde(rename = "type")]
    pub record_type: &'static str,
    /// For how many seconds it may be kept.
    pub ttl: u32,
    /// Its values.
    pub addresses: Vec<Ipv6Addr>,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// Commands that show whether it worked.
    pub verify: Vec<String>,
}

/// What came of a change: `dns publish` and `dns remove` with `-o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsResult {
    /// `DnsResult`.
    pub kind: &'static str,
    /// The record's name.
    pub name: String,
    /// The zone that it is in.
    pub zone: String,
    /// Who keeps it.
    pub provider: DnsProvider,
    /// `published`, `removed`, or `unchanged`.
    pub result: &'static str,
    /// The addresses that came in.
    pub added: Vec<Ipv6Addr>,
    /// The addresses that went.
    pub removed: Vec<Ipv6Addr>,
    /// The addresses that stayed as they were.
    pub kept: Vec<Ipv6Addr>,
}
