//! The record of a VM: kept in the domain's metadata, in libvirt, and nowhere else.

use serde::{Deserialize, Serialize};
use trustnet_api::disk::ReclaimPolicy;
use trustnet_api::vm::VirtualMachine;

use crate::vm::uuid_of;
use crate::xml::Forward;

/// The XML namespace of our metadata.
pub const NAMESPACE: &str = "https://trustnet.io/xmlns/trustnet-vm/v1alpha1";
/// The qualified name of our metadata element.
pub const ELEMENT: &str = "tvm:record";
/// The prefix that is bound to [`NAMESPACE`].
pub const PREFIX: &str = "tvm";
/// The XML namespace of Foundry's metadata.
pub const FOUNDRY_NAMESPACE: &str = "http://foundry.cofront.xyz/v1alpha1";
/// The attribute with which libvirt binds Foundry's prefix on its element.
pub const FOUNDRY_XMLNS: &str = "xmlns:foundry-vm-spec";

/// What is recorded of a VM when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of the program that made the VM.
    pub made_by: String,
    /// The digest of the spec's meaning.
    pub digest: String,
    /// The spec as it was written, inline secrets redacted.
    pub spec: VirtualMachine,
    /// The volumes that are the VM's own; nothing else is ever deleted with it.
    pub volumes: Vec<OwnVolume>,
    /// The cache disk's volume. It is shared with other VMs, and nothing deletes it with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_volume: Option<SharedVolume>,
    /// The public half of the guest's SSH host key.
    pub host_key: String,
    /// The public half of the key that logs into the guest, made for this VM. None for a VM of before there
    /// were such: its guest knows the user's one key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_key: Option<String>,
    /// Ports of the host that lead into the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwards: Vec<Forward>,
    /// The services that were brought into the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceState>,
    /// The folder of the spec, which relative paths of its secrets begin at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// A service of a VM, as it was when its guest was last provisioned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceState {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it was.
    pub state: ServicePhase,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// How a service was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServicePhase {
    /// It is being brought into the guest, or is still to be, because that was interrupted or another one failed.
    Provisioning,
    /// It is ready.
    Ready,
    /// It is not ready, because something failed.
    Failed,
}

/// A volume that is the VM's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnVolume {
    /// The pool.
    pub pool: String,
    /// The volume's name in the pool.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// What happens to it with the VM.
    pub reclaim: ReclaimPolicy,
    /// Size in bytes as the guest sees it; 0 for the seed.
    pub size: u64,
}

/// A volume that a VM uses and that is not its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedVolume {
    /// The pool: the VM's.
    pub pool: String,
    /// The volume's name in the pool.
    pub name: String,
}

/// What a volume is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The boot disk.
    Boot,
    /// A data disk.
    Data,
    /// The cloud-init seed.
    Seed,
}

impl Record {
    /// Reads the text of the metadata element.
    ///
    /// # Errors
    /// The text is not a record that this version can read.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Whether a domain with this UUID is the very VM of this record: a copy of the domain that took the
    /// record along is not.
    #[must_use]
    pub fn is_of(&self, uuid: &str) -> bool {
        uuid_of(&self.spec.metadata.name, &self.digest).to_string() == uuid
    }

    /// The text for the metadata element: one line of JSON, with no control characters.
    #[must_use]
    pub fn to_text(&self) -> String {
        #[expect(clippy::expect_used, reason = "a record has string keys only")]
        serde_json::to_string(self).expect("a record serialises")
    }
}
