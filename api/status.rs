//! What a VM is now: computed from what libvirt and the guest say, never stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a virtual machine is now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachineStatus {
    /// Where the VM is in its life.
    #[serde(default)]
    pub phase: Phase,
    /// Single facts, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that the VM was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<u64>,
    /// The UUID of the libvirt domain.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "domainUUID"
    )]
    pub domain_uuid: Option<String>,
    /// Addresses without prefix length, in the order of the interfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// MAC addresses, one an interface.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        rename = "macAddresses"
    )]
    pub mac_addresses: Vec<String>,
    /// Names of the host's tap devices, one an interface that has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interface_names: Vec<String>,
    /// Where SSH answers, as `address:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
    /// The guest's SSH host key, as `ssh-ed25519 …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_host_key: Option<String>,
    /// The services that were brought into the guest, as they were then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceStatus>,
}

/// A service of a VM, as it was when its guest was last provisioned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it was.
    pub state: ServiceState,
    /// Since when, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// How a service was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceState {
    /// It is being brought into the guest, or that was interrupted.
    Provisioning,
    /// It is ready.
    Ready,
    /// It is not ready, because something failed.
    Failed,
}

/// Where a VM is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing is known yet.
    #[default]
    Pending,
    /// A create is under way or was interrupted.
    Creating,
    /// The domain runs.
    Running,
    /// The domain is defined and does not run.
    Stopped,
    /// The domain crashed, or its guest failed to come up.
    Failed,
    /// A destroy is under way or was interrupted.
    Destroying,
}

/// A single fact about a VM; the form of a Kubernetes condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the fact is about, such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// When it became so, in RFC 3339, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
