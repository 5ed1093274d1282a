//! Cache disks that no VM uses any more.

use serde_json::json;
use trustnet_core::units::bytes;
use trustnet_host::cache_disk::{UnusedVolume, unused_cache_volumes};
use trustnet_host::doors::VolumeRef;
use trustnet_host::lock::Lock;

use super::print;
use crate::Program;
use crate::args::CachePrune;
use crate::failure::{Exit, Failure};
use crate::images::left_plans;

/// Removes the cache disks of the hypervisor that no VM uses.
pub fn prune(program: &Program, args: &CachePrune) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let interrupt = crate::interruption()?;
    // What another run has just found there is not deleted under it.
    let _planning =
        Lock::take_unless(&host.planning_lock(), || interrupt.stop())?.ok_or_else(|| {
            Failure::new(Exit::Interrupted, "interrupted before anything was removed")
        })?;
    let unused = unused_cache_volumes(&*host.hypervisor, &left_plans(&host)?)?;
    let lines = unused.iter().map(|one| {
        format!(
            "cache disk {}/{} ({})",
            one.pool,
            one.name,
            bytes(one.allocation)
        )
    });
    let lines: Vec<String> = lines.collect();
    if !args.dry_run && !unused.is_empty() {
        program.ui.say(format!("removing from {}:", host.uri));
        lines
            .iter()
            .for_each(|line| program.ui.say(format!("  - {line}")));
        super::care::confirm(program)?;
        for UnusedVolume { pool, name, .. } in &unused {
            host.hypervisor
                .volumes()
                .delete(VolumeRef::Named(pool, name))?;
        }
    }
    let total: u64 = unused.iter().map(|one| one.allocation).sum();
    let items: Vec<_> = unused
        .iter()
        .map(|one| json!({ "pool": one.pool, "volume": one.name, "bytes": one.allocation }))
        .collect();
    let value =
        json!({ "kind": "CachePruned", "dryRun": args.dry_run, "volumes": items, "bytes": total });
    print(program, &value, || {
        if unused.is_empty() {
            return "nothing to remove\n".to_owned();
        }
        let mut text = String::new();
        if args.dry_run {
            lines
                .iter()
                .for_each(|line| text.push_str(&format!("{line}\n")));
        }
        let done = if args.dry_run { "would free" } else { "freed" };
        text.push_str(&format!("{done} {}\n", bytes(total)));
        text
    })?;
    Ok(Exit::Done)
}
