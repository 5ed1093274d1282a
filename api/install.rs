//! `kind: Install`: the answers that `trustnet-vm install` takes, and writes at its end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dns::DnsSection;
use crate::vm_fields::VmFields;

/// What is to be installed. Nothing has to stand in it: what is missing comes from flags, defaults or questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Install {
    /// `trustnet.io/v1alpha1`.
    #[schemars(extend("enum" = [crate::TRUSTNET_V1ALPHA1]))]
    pub api_version: String,
    /// `Install`.
    #[schemars(extend("enum" = [crate::INSTALL]))]
    pub kind: String,
    /// The answers.
    pub spec: InstallSpec,
}

/// The answers. A flag of the same name says more than the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallSpec {
    /// The network's domain, such as `example.org`: its registries are found as `tnr.example.org`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What is installed. Default `integrated` where the domain has a registry already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_type: Option<RegistryType>,
    /// The domain once more, where it has a root already and this is to be a new one all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_root: Option<String>,
    /// The name of the node, or of a registry without a node, and of its VM; default `root`, `secondary` or `node-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// Where it runs; default `vm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// The IPv6 address that it answers at, such as `fd10:1234::1/64`; the prefix length is 64 unless said. Default
    /// for a root `fd10:1234::253`, for a secondary `::254` and for `node-N` `::N` in the network of the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The address of a registry without a node: another word for `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_vm_ip: Option<String>,
    /// The port: of a registry without a node, or of the one in a node's process; default 8000, or the next that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub registry_port: Option<u16>,
    /// The root that is followed, such as `2001:db8::1` or `[2001:db8::1]:8000`; default what `tnr.DOMAIN` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_registry_ip: Option<String>,
    /// A bridge of the host that the VM is attached to; default a segment of this machine's, named like the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
    /// A network of libvirt that the VM is attached to, instead of a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The gateway of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway6: Option<String>,
    /// The DNS servers that the guest asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<String>,
    /// The image of the boot disk, as in a VM's spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A file with the network's join token, which the root has. Default the domain's that is kept on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_token_file: Option<String>,
    /// Who keeps the domain's zone, and how it is changed; default the `dns:` of the program's configuration, else by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsSection>,
    /// Whether IPv6 is switched on where this machine has it off; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_auto_enable: Option<bool>,
    /// The VM: fields as in the spec of a `VirtualMachine`, sizes among them. Secrets only by reference.
    #[serde(default, skip_serializing)]
    pub vm: Option<VmFields>,
}

/// What is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegistryType {
    /// The network's root registry, without a node: the first thing of a network, and one of a kind.
    Root,
    /// A registry that follows the root, without a node: it is advertised, and others register at it.
    Independent,
    /// A node with a registry of its own inside, which follows the root and is not advertised.
    Integrated,
}

/// Where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Deployment {
    /// In a VM of this machine's hypervisor.
    Vm,
    /// In a Kubernetes cluster: manifests are written.
    Kubernetes,
}
