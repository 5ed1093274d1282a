//! Disks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// The disk that the VM boots from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BootDisk {
    /// Size in units of 1024³ bytes (the name is Foundry's). Give this or `size`.
    #[serde(default, rename = "sizeGB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub size_gb: Option<u64>,
    /// Size as a quantity, such as `10Gi`. Give this or `sizeGB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,
    /// The base image: a volume `name`, `pool:name`, or an absolute path on the hypervisor.
    /// Give this or `empty`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// True for a disk with nothing on it. Give this or `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<bool>,
    /// The pool that holds the image; default `foundry-images`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pool: Option<String>,
    /// The format of the new volume; default `qcow2`. `raw` is for empty disks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DiskFormat>,
}

/// The format of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// QEMU copy-on-write version 2.
    Qcow2,
    /// The bytes of the disk, as they are.
    Raw,
}

/// A further disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataDisk {
    /// Device name in the guest, `vdb` to `vdz`; each at most once.
    #[schemars(regex(pattern = "^vd[b-z]$"))]
    pub device: String,
    /// Size in units of 1024³ bytes (the name is Foundry's). Give this or `size`.
    #[serde(default, rename = "sizeGB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub size_gb: Option<u64>,
    /// Size as a quantity, such as `10Gi`. Give this or `sizeGB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,
    /// File system to make when, and only when, the disk is empty; default `ext4` where
    /// `mountPath` is given, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<Filesystem>,
    /// Absolute path at which the guest mounts the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
    /// What `destroy` does with the volume; default `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaim_policy: Option<ReclaimPolicy>,
}

/// A file system that the guest can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// Linux ext4.
    Ext4,
    /// XFS; the guest needs xfsprogs.
    Xfs,
    /// Btrfs; the guest needs btrfs-progs.
    Btrfs,
}

/// What happens to a volume when its VM is destroyed; as for a Kubernetes PersistentVolume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReclaimPolicy {
    /// The volume stays, and the next VM of the same name takes it up again.
    Retain,
    /// The volume goes with the VM.
    Delete,
}
