//! The hypervisor, for all VMs that are asked for.

use std::collections::BTreeMap;
use std::path::Path;

use trustnet_core::observed::PoolFacts;
use trustnet_core::plan::{self, Demand, default_pool_path};
use trustnet_core::preflight::{Accelerator, HypervisorSeen, MachineSeen, RoomSeen, Wanted};
use trustnet_core::vm::{VM_POOL, Vm};
use trustnet_core::xml::PoolXml;

use crate::doors::{HostInfo, Hypervisor};
use crate::error::HostError;
use crate::observe::observe;

/// A hypervisor that is reached.
pub struct Connected<'a> {
    /// The doors.
    pub hypervisor: &'a dyn Hypervisor,
    /// What it said of itself.
    pub info: &'a HostInfo,
    /// Who executes the guests' instructions.
    pub accelerator: Accelerator,
    /// The folder below which a missing default pool is made.
    pub data_dir: &'a str,
    /// The pool whose room is looked at where no VM says which.
    pub pool: &'a str,
}

pub(super) fn look(wanted: &Wanted, to: &Connected<'_>) -> Result<HypervisorSeen, HostError> {
    let chosen = Some((to.accelerator.kind, to.accelerator.reason.clone()));
    let mut machines = Vec::new();
    for vm in &wanted.vms {
        let observed = observe(
            to.hypervisor,
            vm,
            to.info,
            chosen.clone(),
            to.data_dir,
            None,
        )?;
        machines.push(MachineSeen {
            observed,
            ..MachineSeen::default()
        });
    }
    Ok(HypervisorSeen {
        uri: to.info.uri.clone(),
        accelerator: Some(to.accelerator.clone()),
        free_memory_mib: to.info.free_memory_mib,
        rooms: rooms(wanted, &machines, to)?,
        machines,
    })
}

/// What each pool has, and what those VMs need of it that are not there yet.
fn rooms(
    wanted: &Wanted,
    machines: &[MachineSeen],
    to: &Connected<'_>,
) -> Result<Vec<RoomSeen>, HostError> {
    let mut of_pool: BTreeMap<&str, Vec<(&Vm, &MachineSeen)>> = BTreeMap::new();
    for (vm, machine) in wanted.vms.iter().zip(machines) {
        let mut domains = machine.observed.domains.iter();
        if !domains.any(|domain| domain.xml.name == vm.name().as_str()) {
            of_pool.entry(vm.pool()).or_default().push((vm, machine));
        }
    }
    if wanted.vms.is_empty() {
        of_pool.insert(to.pool, Vec::new());
    }
    let mut rooms = Vec::new();
    for (pool, vms) in of_pool {
        let seen = vms
            .iter()
            .find_map(|(_, machine)| machine.observed.pools.get(pool));
        let found = match seen {
            Some(facts) => Some(facts.clone()),
            None => to.hypervisor.pools().find(pool)?,
        };
        let Some(facts) = found.or_else(|| to_come(pool, to)) else {
            continue;
        };
        let demand: Demand = vms
            .iter()
            // Each knows which of its own volumes are there already.
            .map(|(vm, machine)| {
                let own = machine.observed.pools.get(pool);
                plan::demand(vm, own.or(Some(&facts)), 0)
            })
            .sum();
        rooms.push(RoomSeen {
            pool: pool.to_owned(),
            vms: vms.iter().map(|(vm, _)| vm.name().to_string()).collect(),
            facts,
            demand,
        });
    }
    Ok(rooms)
}

/// What a default pool will have that is still to be made: what is free where its folder will be.
fn to_come(pool: &str, to: &Connected<'_>) -> Option<PoolFacts> {
    if pool != VM_POOL || !to.info.local {
        return None;
    }
    let path = default_pool_path(to.data_dir, pool);
    let mut there = Path::new(&path).ancestors();
    let found = there.find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(PoolFacts {
        xml: PoolXml {
            kind: "dir".to_owned(),
            path: path.clone(),
            ..PoolXml::default()
        },
        active: true,
        capacity: found.f_blocks.saturating_mul(found.f_frsize),
        available: found.f_bavail.saturating_mul(found.f_frsize),
        ..PoolFacts::default()
    })
}
