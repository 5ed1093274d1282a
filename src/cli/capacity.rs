//! Whether what an invocation is to make fits into its pools, all of it together.

use std::collections::{BTreeMap, BTreeSet};

use trustnet_core::observed::PoolFacts;
use trustnet_core::plan::{self, Demand};
use trustnet_core::pool::as_kept;
use trustnet_core::vm::Vm;
use trustnet_host::doors::VolumeRef;

use crate::Program;
use crate::failure::Failure;
use crate::host::Host;
use crate::specs::Spec;

/// Refuses VMs that do not fit together, before the first of them is made, and warns of disks that can come to take more
/// than there is. One VM alone is looked at when it is planned.
///
/// # Errors
/// They do not fit, or the hypervisor does not answer.
pub fn check(program: &Program, host: &Host, specs: &[Spec]) -> Result<(), Failure> {
    if specs.len() < 2 {
        return Ok(());
    }
    let there: BTreeSet<String> = host
        .hypervisor
        .domains()
        .list()?
        .into_iter()
        .map(|domain| domain.name)
        .collect();
    let mut of_pool: BTreeMap<&str, Vec<&Vm>> = BTreeMap::new();
    for Spec { vm, .. } in specs {
        if !there.contains(vm.name().as_str()) {
            of_pool.entry(vm.pool()).or_default().push(vm);
        }
    }
    let mut refusals = Vec::new();
    for (name, vms) in of_pool {
        // One that is still to be made says nothing of its room.
        let Some(mut pool) = host.hypervisor.pools().find(name)? else {
            continue;
        };
        retained(host, name, &vms, &mut pool)?;
        // Of seeds the size is known only once they are made.
        let demands = vms.iter().map(|vm| plan::demand(vm, Some(&pool), 0));
        let demand: Demand = demands.sum();
        let names: Vec<&str> = vms.iter().map(|vm| vm.name().as_str()).collect();
        match plan::fits(name, &pool, &names, demand) {
            Ok(None) => {}
            Ok(Some(warning)) => program.ui.warn(warning),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(Failure::from(refusals))
    }
}

/// Notes which data disks are there already, to be taken up.
fn retained(host: &Host, name: &str, vms: &[&Vm], pool: &mut PoolFacts) -> Result<(), Failure> {
    use trustnet_api::disk::ReclaimPolicy::Retain;
    if !pool.active {
        return Ok(());
    }
    for vm in vms {
        let vm = as_kept(vm, Some(pool));
        let kept = vm.data_disks().iter().filter(|disk| disk.reclaim == Retain);
        for disk in kept {
            let volume = VolumeRef::Named(name, &disk.volume);
            let facts = host.hypervisor.volumes().find(volume)?;
            let facts = facts.map(|facts| (disk.volume.clone(), facts));
            pool.volumes.extend(facts);
        }
    }
    Ok(())
}
