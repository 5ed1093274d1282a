//! How a pool keeps volumes, and what that makes of a VM's.

use std::borrow::Cow;

use crate::observed::PoolFacts;
use crate::vm::{VM_POOL, Vm};

/// How a pool keeps volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// As files in a folder: of any format, and taking what is written to them.
    Files,
    /// As block devices: raw, and there in whole.
    Blocks,
    /// As images of Ceph: raw, and taking what is written to them.
    Ceph,
}

/// How a pool keeps volumes. libvirt's capabilities name no format for those that know raw volumes only.
#[must_use]
pub fn keeping(pool: &PoolFacts) -> Keeping {
    match pool.xml.kind.as_str() {
        "logical" | "zfs" | "disk" | "iscsi" | "iscsi-direct" | "scsi" | "mpath" => Keeping::Blocks,
        "rbd" | "sheepdog" => Keeping::Ceph,
        _ => Keeping::Files,
    }
}

/// A VM with the disks that its pool can have; of a pool that is still to be made: files.
#[must_use]
pub fn as_kept<'a>(vm: &'a Vm, pool: Option<&PoolFacts>) -> Cow<'a, Vm> {
    match pool.map(keeping) {
        None | Some(Keeping::Files) => Cow::Borrowed(vm),
        Some(Keeping::Blocks | Keeping::Ceph) => Cow::Owned(vm.with_raw_disks()),
    }
}

/// The pool of a VM's seed. libvirt writes nothing into Ceph: the seed of a VM there is a file in the default pool.
#[must_use]
pub fn of_seed<'a>(vm: &'a Vm, pool: Option<&PoolFacts>) -> &'a str {
    match pool.map(keeping) {
        Some(Keeping::Ceph) => VM_POOL,
        None | Some(Keeping::Files | Keeping::Blocks) => vm.pool(),
    }
}
