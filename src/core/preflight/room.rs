//! Memory, and room on the disk: for all VMs together.

use super::facts::{Facts, HypervisorSeen, RoomSeen};
use super::wanted::Wanted;
use super::{Check, CheckStatus, Findings};
use crate::plan::{About, fits, obstacles};
use crate::units::bytes;
use crate::vm::Vm;

pub(super) fn judge(facts: &Facts, wanted: &Wanted, all: &mut Findings) {
    let seen = match &facts.hypervisor {
        Some(Ok(seen)) => Some(seen),
        _ => None,
    };
    memory(facts, seen, wanted, all);
    if let Some(seen) = seen {
        for room in &seen.rooms {
            disk(room, wanted, all);
        }
        if let Some(said) = of_pools(seen, wanted) {
            all.0.extend(said);
        }
    }
}

fn memory(facts: &Facts, seen: Option<&HypervisorSeen>, wanted: &Wanted, all: &mut Findings) {
    if wanted.vms.is_empty() && wanted.memory_mib == 0 {
        return;
    }
    let free = seen.and_then(|seen| seen.free_memory_mib);
    let Some(free) = free.or(facts.memory_mib) else {
        all.skipped(Check::Memory, "nobody says how much is free");
        return;
    };
    let mib = |mib: u64| bytes(mib.saturating_mul(1 << 20));
    let new = new_vms(seen, wanted);
    if wanted.vms.is_empty() {
        let least = wanted.memory_mib;
        if free < least {
            all.add(
                Check::Memory,
                CheckStatus::Failed,
                format!("{} free", mib(free)),
            )
            .because(format!("{} are needed at the least", mib(least)))
            .fix("stop something, or take a machine with more memory");
        } else {
            all.ok(Check::Memory, format!("{} free", mib(free)));
        }
        return;
    }
    let sum: u64 = new.iter().map(|vm| vm.memory_mib()).sum();
    let found = format!("{} free, {} asked for", mib(free), mib(sum));
    if let Some(vm) = new.iter().find(|vm| vm.memory_mib() > free) {
        all.add(Check::Memory, CheckStatus::Failed, found)
            .because(format!(
                "`{}` alone asks for {}",
                vm.name(),
                mib(vm.memory_mib())
            ))
            .fix("stop another VM, or ask for less memory");
    } else if sum > free {
        all.add(Check::Memory, CheckStatus::Warning, found)
            .because("each fits alone, and all together do not")
            .fix("stop another VM, or ask for less memory");
    } else {
        all.ok(Check::Memory, found);
    }
}

/// The VMs that are not there yet.
fn new_vms<'a>(seen: Option<&HypervisorSeen>, wanted: &'a Wanted) -> Vec<&'a Vm> {
    let there = |index: usize, vm: &Vm| {
        let machine = seen.and_then(|seen| seen.machines.get(index));
        machine.is_some_and(|machine| {
            let mut domains = machine.observed.domains.iter();
            domains.any(|domain| domain.xml.name == vm.name().as_str())
        })
    };
    let all = wanted.vms.iter().enumerate();
    all.filter(|(index, vm)| !there(*index, vm))
        .map(|(_, vm)| vm)
        .collect()
}

fn disk(room: &RoomSeen, wanted: &Wanted, all: &mut Findings) {
    let free = room.facts.available;
    let found = format!("pool {}: {} free", room.pool, bytes(free));
    if !room.facts.active {
        let why = format!(
            "pool `{}` is not active: what it has is known once it is started",
            room.pool
        );
        all.skipped(Check::Disk, why);
        return;
    }
    if room.vms.is_empty() {
        if free < wanted.disk_bytes {
            all.add(Check::Disk, CheckStatus::Failed, found)
                .because(format!(
                    "{} are needed at the least",
                    bytes(wanted.disk_bytes)
                ))
                .fix("make room, or use another pool: `trustnet-vm pool add`");
        } else {
            all.ok(Check::Disk, found);
        }
        return;
    }
    let found = format!("{found}, up to {} asked for", bytes(room.demand.most));
    let names: Vec<&str> = room.vms.iter().map(String::as_str).collect();
    match fits(&room.pool, &room.facts, &names, room.demand) {
        Ok(None) => all.ok(Check::Disk, found),
        Ok(Some(warning)) => all
            .add(Check::Disk, CheckStatus::Warning, found)
            .because(warning)
            .fix("make room in the pool, or use another with `--pool`"),
        Err(refusal) => all
            .add(Check::Disk, CheckStatus::Failed, found)
            .because(refusal.message)
            .fix_if(refusal.hint),
    }
}

/// What else is in the way of volumes: a pool that is missing, a volume that is there. Room itself is told for all
/// together.
fn of_pools(seen: &HypervisorSeen, wanted: &Wanted) -> Option<Vec<super::Finding>> {
    let mut all = Findings::default();
    for (vm, machine) in wanted.vms.iter().zip(&seen.machines) {
        let refusals = obstacles(vm, &machine.observed).into_iter();
        for refusal in refusals.filter(|refusal| refusal.about == About::Volume) {
            all.add(Check::Disk, CheckStatus::Failed, refusal.message)
                .fix_if(refusal.hint);
        }
    }
    (!all.0.is_empty()).then_some(all.0)
}
