//! The hypervisor, and what guests ask of it. Whatever stands in the way of a VM's plan is told here in the same words.

use trustnet_api::vm::Firmware;

use super::facts::{Accelerator, Facts, HypervisorSeen, MachineSeen};
use super::wanted::Wanted;
use super::{Check, CheckStatus, Findings};
use crate::plan::{About, Refusal, obstacles};
use crate::vm::{Attachment, BootSource, Vm};
use crate::xml::DomainType;

pub(super) fn judge(facts: &Facts, wanted: &Wanted, all: &mut Findings) {
    let seen = match &facts.hypervisor {
        Some(Ok(seen)) => seen,
        Some(Err(unmet)) => {
            all.add(Check::Libvirt, CheckStatus::Failed, "not reached")
                .because(unmet.why.clone())
                .fix_if(unmet.fix.clone());
            for check in behind(wanted) {
                all.skipped(check, "libvirt is not reached");
            }
            return;
        }
        None => {
            all.skipped(Check::Libvirt, "nobody was asked");
            return;
        }
    };
    all.ok(Check::Libvirt, seen.uri.clone());
    if let Some(accelerator) = &seen.accelerator {
        let refusals = refusals(wanted, seen, &[About::Kvm]);
        kvm(accelerator, refusals.first(), all);
    }
    let asks = wanted.vms.iter().any(asks_firmware);
    of_machines(
        Check::Firmware,
        About::Firmware,
        asks,
        wanted,
        seen,
        all,
        || "all that is asked for is there".to_owned(),
    );
    let networks = attached(wanted);
    of_machines(
        Check::Bridge,
        About::Network,
        !networks.is_empty(),
        wanted,
        seen,
        all,
        || networks.join(", "),
    );
    of_machines(
        Check::Identity,
        About::Identity,
        true,
        wanted,
        seen,
        all,
        || {
            let names: Vec<&str> = wanted.vms.iter().map(|vm| vm.name().as_str()).collect();
            names.join(", ")
        },
    );
    // A port that the plan finds taken, and of which nobody is known that listens: a domain forwards it.
    let known = all
        .0
        .iter()
        .any(|finding| finding.check == Check::Ports && finding.status != CheckStatus::Ok);
    if !known {
        tell(
            Check::Ports,
            wanted,
            refusals(wanted, seen, &[About::Port]),
            all,
        );
        let failed =
            |one: &super::Finding| one.check == Check::Ports && one.status == CheckStatus::Failed;
        if all.0.iter().any(failed) {
            all.0.retain(|one| one.check != Check::Ports || failed(one));
        }
    }
}

/// What cannot be looked at without the hypervisor.
fn behind(wanted: &Wanted) -> Vec<Check> {
    let mut checks = vec![Check::Kvm];
    if wanted.vms.iter().any(asks_firmware) {
        checks.push(Check::Firmware);
    }
    if !attached(wanted).is_empty() {
        checks.push(Check::Bridge);
    }
    if !wanted.vms.is_empty() {
        checks.extend([Check::Identity, Check::Disk, Check::Image]);
    }
    checks
}

fn kvm(accelerator: &Accelerator, refusal: Option<&(&Vm, Refusal)>, all: &mut Findings) {
    let found = format!("{}: {}", accelerator.kind.as_str(), accelerator.reason);
    let mends = "is /dev/kvm there, and may this user open it (group `kvm`)? Turn VT-x or SVM on in the firmware, or nested virtualization in the hypervisor below";
    if let Some((_, refusal)) = refusal {
        all.add(Check::Kvm, CheckStatus::Failed, found)
            .because(refusal.message.clone())
            .fix_if(refusal.hint.clone());
    } else if accelerator.kind == DomainType::Qemu && !accelerator.asked {
        all.add(Check::Kvm, CheckStatus::Warning, found)
            .because("guests run in QEMU's own translator, ten to thirty times slower")
            .fix(mends);
    } else {
        all.ok(Check::Kvm, found);
    }
}

/// The refusals about these things, each with its VM.
fn refusals<'a>(
    wanted: &'a Wanted,
    seen: &HypervisorSeen,
    about: &[About],
) -> Vec<(&'a Vm, Refusal)> {
    let pairs = wanted.vms.iter().zip(&seen.machines);
    pairs
        .flat_map(|(vm, machine)| {
            let all = obstacles(vm, &machine.observed).into_iter();
            all.map(move |refusal| (vm, refusal))
        })
        .filter(|(_, refusal)| about.contains(&refusal.about))
        .collect()
}

fn of_machines(
    check: Check,
    about: About,
    applies: bool,
    wanted: &Wanted,
    seen: &HypervisorSeen,
    all: &mut Findings,
    fine: impl FnOnce() -> String,
) {
    let refusals = refusals(wanted, seen, &[about]);
    if refusals.is_empty() && applies && !wanted.vms.is_empty() {
        all.ok(check, fine());
    }
    tell(check, wanted, refusals, all);
}

/// What several VMs are refused in the same words is told once.
fn tell(check: Check, wanted: &Wanted, refusals: Vec<(&Vm, Refusal)>, all: &mut Findings) {
    let mut told: Vec<(Refusal, Vec<&str>)> = Vec::new();
    for (vm, refusal) in refusals {
        let name = vm.name().as_str();
        match told.iter_mut().find(|(known, _)| *known == refusal) {
            Some((_, names)) => names.push(name),
            None => told.push((refusal, vec![name])),
        }
    }
    for (refusal, names) in told {
        let found = match wanted.vms.len() {
            1 => refusal.message,
            _ => format!("`{}`: {}", names.join("`, `"), refusal.message),
        };
        all.add(check, CheckStatus::Failed, found)
            .fix_if(refusal.hint);
    }
}

fn asks_firmware(vm: &Vm) -> bool {
    vm.firmware() != Firmware::Bios || vm.tpm()
}

/// The bridges and networks that VMs ask for.
fn attached(wanted: &Wanted) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for interface in wanted.vms.iter().flat_map(Vm::interfaces) {
        let name = match &interface.attachment {
            Attachment::Bridge(name) => format!("bridge {name}"),
            Attachment::Network(name) => format!("network {name}"),
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The images: there, or to be had.
pub(super) fn images(facts: &Facts, wanted: &Wanted, all: &mut Findings) {
    let Some(Ok(seen)) = &facts.hypervisor else {
        return;
    };
    let mut there: Vec<String> = Vec::new();
    let mut refused = Vec::new();
    for (vm, machine) in wanted.vms.iter().zip(&seen.machines) {
        match image(vm, machine, wanted, all) {
            Some(Ok(name)) => there.push(name),
            Some(Err(refusals)) => refused.extend(refusals.into_iter().map(|one| (vm, one))),
            None => {}
        }
    }
    tell(Check::Image, wanted, refused, all);
    there.sort();
    there.dedup();
    if !there.is_empty() {
        all.ok(Check::Image, there.join(", "));
    }
}

/// The image of a VM that is to be made, where it is there or to be had; else why a plan refuses it. None where it needs
/// none, or what is wrong was told.
fn image(
    vm: &Vm,
    machine: &MachineSeen,
    wanted: &Wanted,
    all: &mut Findings,
) -> Option<Result<String, Vec<Refusal>>> {
    let name = match &vm.boot_disk().source {
        BootSource::Empty => return None,
        BootSource::Volume { volume, .. } => volume.clone(),
        BootSource::Path(path) => path.clone(),
    };
    let mut domains = machine.observed.domains.iter();
    if domains.any(|domain| domain.xml.name == vm.name().as_str()) {
        return None;
    }
    if let Some(changed) = &machine.changed {
        all.add(Check::Image, CheckStatus::Failed, changed.why.clone())
            .fix_if(changed.fix.clone());
        return None;
    }
    if let Some(from) = &machine.obtainable {
        if !wanted.offline {
            return Some(Ok(format!("{name} (to be fetched from {from})")));
        }
        let found = format!("`{name}` is not there");
        all.add(Check::Image, CheckStatus::Failed, found)
            .because("nothing may be fetched")
            .fix(format!("with a network: `trustnet-vm image pull {name}`"));
        return None;
    }
    let refusals = obstacles(vm, &machine.observed).into_iter();
    let refusals: Vec<Refusal> = refusals
        .filter(|refusal| refusal.about == About::Image)
        .collect();
    Some(if refusals.is_empty() {
        Ok(name)
    } else {
        Err(refusals)
    })
}

/// The cache, where nothing may be fetched.
pub(super) fn cache(facts: &Facts, all: &mut Findings) {
    match &facts.cache {
        None => {}
        Some(Ok(())) => all.ok(Check::Cache, "it has everything that services need"),
        Some(Err(unmet)) => all
            .add(Check::Cache, CheckStatus::Failed, "something is missing")
            .because(unmet.why.clone())
            .fix_if(unmet.fix.clone()),
    }
}
