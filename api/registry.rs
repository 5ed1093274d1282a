//! `kind: Registry`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;
use crate::network::RegistryRole;
use crate::secret::ValueFrom;
use crate::vm_fields::VmFields;

/// A registry of a TrustNet, in a VM of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// `trustnet.io/v1alpha1`.
    #[schemars(extend("enum" = [crate::TRUSTNET_V1ALPHA1]))]
    pub api_version: String,
    /// `Registry`.
    #[schemars(extend("enum" = [crate::REGISTRY]))]
    pub kind: String,
    /// What the registry and its VM are called.
    pub metadata: ObjectMeta,
    /// What the registry is to be.
    pub spec: RegistrySpec,
}

/// What a registry is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrySpec {
    /// What it is in its network: `root`, the only one that writes, or `secondary`, which follows the root.
    pub role: RegistryRole,
    /// The network's domain, such as `example.org`: its registries are found as `tnr.example.org`.
    pub domain: String,
    /// The IPv6 address that it answers at, such as `fd10:1234::253/64`; the prefix length is 64 unless said.
    /// It becomes an address of the VM's interface.
    pub address: String,
    /// The port that it answers at; default 8000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The root that a secondary follows: the name of a registry's VM, or an address such as `[2001:db8::1]:8000`.
    /// Default the domain's root in the same file, else what `tnr.DOMAIN` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_registry: Option<String>,
    /// The network's join token, which admits new keys. All documents that name the same reference have the same
    /// one. Default one that is made once for the domain, and kept on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_token_from: Option<ValueFrom>,
    /// The administrator's Ed25519 public key, 32 bytes in Base64: who holds its other half may remove and ban nodes.
    /// Default for a secondary that of the domain's root in the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator_key: Option<String>,
    /// Documents of the same invocation whose VMs are to be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// The VM: fields as in the spec of a `VirtualMachine`, every one with a default. 2 vCPUs, 4 GiB, a boot disk
    /// of 30 GiB, a data disk of 10 GiB that outlives the VM, and interfaces on QEMU's user-mode network and on a
    /// segment named like the domain.
    // Inline secrets may stand in it.
    #[serde(default, skip_serializing)]
    pub vm: Option<VmFields>,
}
