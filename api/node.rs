//! `kind: Node`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;
use crate::secret::ValueFrom;
use crate::vm_fields::VmFields;

/// A node of a TrustNet, in a VM of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// `trustnet.io/v1alpha1`.
    #[schemars(extend("enum" = [crate::TRUSTNET_V1ALPHA1]))]
    pub api_version: String,
    /// `Node`.
    #[schemars(extend("enum" = [crate::NODE]))]
    pub kind: String,
    /// What the node and its VM are called.
    pub metadata: ObjectMeta,
    /// What the node is to be.
    pub spec: NodeSpec,
}

/// What a node is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSpec {
    /// The network's domain, such as `example.org`.
    pub domain: String,
    /// The IPv6 address that it answers at, such as `fd10:1234::1/64`; the prefix length is 64 unless said.
    /// It becomes an address of the VM's interface.
    pub address: String,
    /// The port that it answers at; default 9000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The registry that it talks to; default an integrated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<NodeRegistry>,
    /// How knowledge of peers spreads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gossip: Option<Gossip>,
    /// The network's join token, as for a registry. Default the domain's that is kept on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_token_from: Option<ValueFrom>,
    /// Documents of the same invocation whose VMs are to be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// The VM: fields as in the spec of a `VirtualMachine`, every one with a default. 4 vCPUs, 8 GiB, a boot disk
    /// of 50 GiB, a data disk of 10 GiB that outlives the VM (with the node's key on it), and interfaces on QEMU's
    /// user-mode network and on a segment named like the domain.
    // Inline secrets may stand in it.
    #[serde(default, skip_serializing)]
    pub vm: Option<VmFields>,
}

/// The registry that a node talks to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRegistry {
    /// `integrated`: one in the node's own process, which follows the root; `external`: another one.
    #[serde(rename = "type")]
    pub kind: NodeRegistryType,
    /// Where an external one is: the name of a registry's VM, or an address such as `[2001:db8::1]:8000`.
    /// Default the domain's root in the same file, else what `tnr.DOMAIN` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The root that an integrated one follows: the name of a registry's VM, or an address. Default the domain's
    /// root in the same file, else what `tnr.DOMAIN` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_registry: Option<String>,
    /// The port that an integrated one answers at; default 8000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The administrator's Ed25519 public key, 32 bytes in Base64, by which an integrated one knows who may remove and
    /// ban nodes. Default that of the domain's root in the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator_key: Option<String>,
}

/// Where a node's registry runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeRegistryType {
    /// In the node's own process; it follows the root.
    Integrated,
    /// Elsewhere.
    External,
}

/// How knowledge of peers spreads among nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gossip {
    /// Whether nodes tell each other of peers; default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How many peers are asked at a time, at most 64 of them, and how many a registry is asked for, at most 100;
    /// default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub peers_per_batch: Option<u32>,
    /// How often, in seconds, at least 1; default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub interval: Option<u32>,
}
