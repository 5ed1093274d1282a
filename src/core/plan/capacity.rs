//! Whether what is to be made fits into its pool.

use std::iter::Sum;

use trustnet_api::disk::DiskFormat;

use super::check::POOL_RESERVE;
use super::{About, Refusal};
use crate::observed::PoolFacts;
use crate::pool::{Keeping, as_kept, keeping};
use crate::units::bytes;
use crate::vm::Vm;

/// What is needed of a pool, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// What is taken as soon as it is made.
    pub least: u64,
    /// What its disks can come to take.
    pub most: u64,
}

impl Sum for Demand {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            least: sum.least.saturating_add(one.least),
            most: sum.most.saturating_add(one.most),
        })
    }
}

/// What a VM needs of its pool, which may be still to be made. Disks that are there and are taken up need nothing.
#[must_use]
pub fn demand(vm: &Vm, pool: Option<&PoolFacts>, seed_size: u64) -> Demand {
    let vm = &*as_kept(vm, pool);
    let keeping = pool.map(keeping);
    let whole = keeping == Some(Keeping::Blocks);
    let disk = |size: u64, format: DiskFormat| Demand {
        least: match format {
            _ if whole => size,
            DiskFormat::Qcow2 => empty_qcow2(size),
            DiskFormat::Raw => 0,
        },
        most: size,
    };
    let there = |name: &str| pool.is_some_and(|pool| pool.volumes.contains_key(name));
    let boot = vm.boot_disk();
    let new = vm.data_disks().iter().filter(|data| !there(&data.volume));
    let data = new.map(|data| disk(data.size, data.format));
    // The seed of a VM in Ceph is in another pool.
    let seed = if keeping == Some(Keeping::Ceph) {
        0
    } else {
        seed_size
    };
    let seed = Demand {
        least: seed,
        most: seed,
    };
    data.chain([disk(boot.size, boot.format), seed]).sum()
}

/// Bytes of a qcow2 file in which nothing is written, and of a linked clone: header, refcount table, its first block,
/// and the first-level table, of which an entry of 8 bytes stands for 512 MiB. Each begins a cluster.
fn empty_qcow2(size: u64) -> u64 {
    const CLUSTER: u64 = 64 << 10;
    let table = size.div_ceil(512 << 20).saturating_mul(8);
    CLUSTER * (3 + table.div_ceil(CLUSTER))
}

/// Whether these VMs fit into a pool together; what is worth a warning, where they do.
///
/// # Errors
/// They do not.
pub fn fits(
    name: &str,
    pool: &PoolFacts,
    vms: &[&str],
    demand: Demand,
) -> Result<Option<String>, Refusal> {
    if !pool.active {
        return Ok(None);
    }
    let whole = keeping(pool) == Keeping::Blocks;
    let reserve = if whole { 0 } else { POOL_RESERVE };
    let needed = demand.least.saturating_add(reserve);
    let (free, who) = (bytes(pool.available), listed(vms));
    if needed > pool.available {
        let message = if whole {
            format!(
                "pool `{name}` has {free} free, and {who} {} {} of it: in a pool of type `{}` every disk is there in whole",
                if vms.len() > 1 { "take" } else { "takes" },
                bytes(needed),
                pool.xml.kind
            )
        } else {
            format!(
                "pool `{name}` has {free} free, and {} are needed at the least for {who}",
                bytes(needed)
            )
        };
        return Err(Refusal::storage(message).hint("make room in the pool (`trustnet-vm storage status -o wide` shows what no VM uses), or use another with `--pool`").about(About::Room));
    }
    Ok((demand.most > pool.available).then(|| {
        format!(
            "pool `{name}` has {free} free, and the disks of {who} can come to take {}: a guest that finds it full stops",
            bytes(demand.most)
        )
    }))
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}
