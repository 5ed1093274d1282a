//! `kind: VirtualMachine`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cloud_init::CloudInit;
use crate::disk::{BootDisk, DataDisk};
use crate::interface::NetworkInterface;
use crate::meta::ObjectMeta;
use crate::quantity::Quantity;
use crate::service_ref::{CacheDisk, ServiceRef};
use crate::status::VirtualMachineStatus;

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachine {
    /// `trustnet.io/v1alpha1`, or `foundry.cofront.xyz/v1alpha1` for a file written for Foundry.
    #[schemars(extend("enum" = [crate::TRUSTNET_V1ALPHA1, crate::FOUNDRY_V1ALPHA1]))]
    pub api_version: String,
    /// `VirtualMachine`.
    #[schemars(extend("enum" = [crate::VIRTUAL_MACHINE]))]
    pub kind: String,
    /// Who the VM is.
    pub metadata: ObjectMeta,
    /// What the VM is to be.
    pub spec: VirtualMachineSpec,
    /// What the VM was when it was last looked at; ignored on input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<VirtualMachineStatus>,
}

/// What a virtual machine is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachineSpec {
    /// Number of virtual CPUs, at least 1.
    #[schemars(range(min = 1))]
    pub vcpus: u32,
    /// Memory in GiB, at least 1. Give this or `memory`.
    #[serde(default, rename = "memoryGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub memory_gib: Option<u64>,
    /// Memory as a quantity, such as `768Mi` or `2Gi`. Give this or `memoryGiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
    /// How the guest sees the CPU; default `host-model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_mode: Option<CpuMode>,
    /// The firmware; default `uefi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    /// Whether the VM has an emulated TPM 2.0; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<bool>,
    /// The disk that the VM boots from.
    pub boot_disk: BootDisk,
    /// Further disks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_disks: Vec<DataDisk>,
    /// Network interfaces, at least one.
    #[schemars(length(min = 1))]
    pub network_interfaces: Vec<NetworkInterface>,
    /// What cloud-init does at the first boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_init: Option<CloudInit>,
    /// Whether libvirt starts the VM with the host; default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostart: Option<bool>,
    /// Whether `destroy` refuses this VM; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// The libvirt storage pool for the VM's volumes; default `foundry-vms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_pool: Option<String>,
    /// Services that run in the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceRef>,
    /// Bring the services' artifacts on a read-only disk instead of over SSH; default for many of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_disk: Option<CacheDisk>,
    /// The guest's distribution, such as `debian-12`; default what the image's name says.
    #[serde(default, rename = "guestOS", skip_serializing_if = "Option::is_none")]
    pub guest_os: Option<String>,
    /// Documents of the same invocation whose VMs are to be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// How the guest sees the CPU; libvirt's `<cpu mode='…'>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CpuMode {
    /// The named model nearest to the host's CPU; the VM can move to a similar host.
    HostModel,
    /// The host's CPU itself; needs KVM.
    HostPassthrough,
    /// Every feature that the domain type can offer.
    Maximum,
}

/// The firmware that starts the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// UEFI without Secure Boot.
    Uefi,
    /// UEFI with Secure Boot enforced and the vendor's keys enrolled.
    UefiSecure,
    /// Legacy BIOS.
    Bios,
}
