//! From what was gathered to what is wrong.

use super::{
    Evidence, Finding, GuestFacts, Looked, Reached, Repair, ServiceEvidence, Severity, UnitState,
    Usage,
};
use crate::readiness::Phase;
use crate::record::ServicePhase;
use crate::units;

/// A clock that differs by more seconds is wrong: certificates and logs suffer.
const SKEW: u64 = 10;
/// A file system that is this full, in percent, will be full soon.
const NEARLY_FULL: u64 = 90;
/// A file system that is this full, in percent, is full for most programs.
const FULL: u64 = 98;
/// Less memory than this, in percent, is little.
const LITTLE_MEMORY: u64 = 5;
/// Programs that wait for memory more than this, in percent, are slow.
const STALLED: f64 = 20.0;
/// File systems that are always full, or not the guest's own.
const NOT_DISKS: [&str; 9] = [
    "iso9660", "squashfs", "overlay", "proc", "sysfs", "devpts", "efivarfs", "fuse", "erofs",
];

/// What is wrong, the worst first.
#[must_use]
pub fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut all = Findings::default();
    machine(evidence, &mut all);
    if let Ok(facts) = &evidence.facts {
        resources(facts, &mut all);
        clock(evidence, facts, &mut all);
        disks(evidence, facts, &mut all);
    } else if let (Err(why), Reached::Yes) = (&evidence.facts, &evidence.ssh) {
        all.note(
            "machine",
            format!("the guest could not be looked at: {why}"),
        );
    }
    steps(evidence, &mut all);
    for service in &evidence.services {
        of_service(evidence, service, &mut all);
    }
    if let Ok(facts) = &evidence.facts {
        failed_units(evidence, facts, &mut all);
    }
    all.0.sort_by_key(|finding| finding.severity);
    all.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, about: &str, problem: impl Into<String>) -> &mut Finding {
        self.0.push(Finding {
            severity,
            about: about.to_owned(),
            problem: problem.into(),
            details: Vec::new(),
            hint: None,
            repair: None,
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    fn machine(&mut self, severity: Severity, problem: impl Into<String>) -> &mut Finding {
        self.add(severity, "machine", problem)
    }

    fn note(&mut self, about: &str, problem: String) {
        self.add(Severity::Note, about, problem);
    }
}

fn machine(evidence: &Evidence, all: &mut Findings) {
    let vm = &evidence.vm;
    if let Some(verb) = evidence.interrupted {
        let finding = all.machine(Severity::Error, format!("`{verb}` was interrupted"));
        finding.hint = Some(format!(
            "`trustnet-vm resume {vm}` finishes it, `trustnet-vm rollback {vm}` undoes it"
        ));
    }
    if !evidence.state.is_active() {
        let problem = format!("the VM does not run: {}", evidence.state.as_str());
        let startable = evidence.interrupted.is_none();
        let finding = all.machine(Severity::Critical, problem);
        if startable {
            finding.hint = Some(format!("`trustnet-vm start {vm}`"));
            finding.repair = Some(Repair::Start);
        }
    } else if evidence.state != crate::observed::DomainState::Running
        && evidence.state != crate::observed::DomainState::Blocked
    {
        let problem = format!("the VM is {}", evidence.state.as_str());
        let finding = all.machine(Severity::Critical, problem);
        finding.hint = Some(format!("`virsh resume {vm}` lets a paused VM go on"));
    }
    if let Some(why) = &evidence.failed {
        let finding = all.machine(
            Severity::Error,
            format!("the guest failed while it came up: {why}"),
        );
        finding.hint = Some(format!(
            "look with `trustnet-vm ssh {vm}` at /var/log/cloud-init-output.log"
        ));
    }
    if let Reached::No { why, hint } = &evidence.ssh {
        let coming = evidence.phase.is_some_and(|phase| phase < Phase::Ready);
        let finding = all.machine(Severity::Critical, why.clone());
        finding.hint = hint.as_ref().map(|hint| hint.replace("NAME", vm));
        if coming && let Some(phase) = evidence.phase {
            let line = format!("the guest says that it has come to: {phase}");
            finding.details.push(line);
        }
        let console = evidence.console.iter();
        finding
            .details
            .extend(console.map(|line| format!("console: {line}")));
    }
}

fn resources(facts: &GuestFacts, all: &mut Findings) {
    let disk = |usage: &&Usage| {
        let kind = facts.mount(&usage.path).map(|mount| &mount.filesystem);
        kind.is_some_and(|kind| !NOT_DISKS.iter().any(|not| kind.starts_with(not)))
            && usage.total > 0
    };
    for (list, what) in [(&facts.disks, "full"), (&facts.inodes, "out of inodes")] {
        for usage in list.iter().filter(disk) {
            let percent = usage.percent();
            if percent < NEARLY_FULL {
                continue;
            }
            let severity = if percent >= FULL {
                Severity::Error
            } else {
                Severity::Warning
            };
            let problem = format!("`{}` is {percent} % {what}", usage.path);
            let finding = all.machine(severity, problem);
            if what == "full" {
                let left = units::bytes(usage.free.saturating_mul(1024));
                finding.details.push(format!("{left} are left"));
            }
            finding.hint = Some("delete what is not needed, or make the disk larger".to_owned());
        }
    }
    if !facts.oom.is_empty() {
        let problem = "the kernel has killed programs for want of memory";
        let finding = all.machine(Severity::Warning, problem);
        finding.details.clone_from(&facts.oom);
        finding.hint = Some("give the VM more memory, or its services less to do".to_owned());
    }
    let little = facts
        .memory_kib
        .filter(|(total, left)| *total > 0 && left.saturating_mul(100) / total < LITTLE_MEMORY);
    if let Some((total, left)) = little {
        let bytes = |kib: u64| units::bytes(kib.saturating_mul(1024));
        let problem = format!("{} of {} memory are left", bytes(left), bytes(total));
        let finding = all.machine(Severity::Warning, problem);
        finding.hint = Some("give the VM more memory".to_owned());
    }
    if let Some(stalled) = facts.stalled_percent.filter(|percent| *percent > STALLED) {
        let problem = format!("programs wait for memory {stalled:.0} % of the time");
        let finding = all.machine(Severity::Warning, problem);
        finding.hint = Some("give the VM more memory".to_owned());
    }
}

fn clock(evidence: &Evidence, facts: &GuestFacts, all: &mut Findings) {
    let Some(time) = facts.time_s else { return };
    let skew = time.abs_diff(evidence.host_time_s);
    if skew <= SKEW {
        return;
    }
    let side = if time > evidence.host_time_s {
        "ahead of"
    } else {
        "behind"
    };
    let problem = format!("the guest's clock is {skew} s {side} the host's");
    let finding = all.machine(Severity::Warning, problem);
    finding.hint = Some("run a time service in the guest, such as chrony".to_owned());
}

fn disks(evidence: &Evidence, facts: &GuestFacts, all: &mut Findings) {
    for path in &evidence.mounts {
        match facts.mount(path) {
            None => {
                let problem = format!("no data disk is mounted at `{path}`");
                let finding = all.machine(Severity::Error, problem);
                finding.hint = Some("what is written there now goes to another disk".to_owned());
                let path = path.clone();
                finding.repair = Some(Repair::Mount { path });
            }
            Some(mount) if mount.read_only => {
                let problem = format!("the data disk at `{path}` takes no writes");
                let finding = all.machine(Severity::Error, problem);
                let why = "the kernel makes a file system read-only after an error: see `dmesg`, run fsck";
                finding.hint = Some(why.to_owned());
            }
            Some(_) => {}
        }
    }
}

fn steps(evidence: &Evidence, all: &mut Findings) {
    if evidence.ssh != Reached::Yes || evidence.services.is_empty() {
        return;
    }
    let steps = match &evidence.steps {
        Ok(steps) => steps,
        Err(why) => {
            let problem = format!("the steps of the services were not looked at: {why}");
            return all.note("machine", problem);
        }
    };
    if steps.busy {
        let finding = all.machine(
            Severity::Warning,
            "an earlier run of `provision` still works in the guest",
        );
        finding.hint = Some(format!(
            "`trustnet-vm provision {}` waits for it",
            evidence.vm
        ));
        finding.details = evidence.log.clone();
        return;
    }
    for service in &evidence.services {
        let stale: Vec<_> = steps
            .stale
            .iter()
            .filter(|(of, ..)| *of == service.name)
            .collect();
        if stale.is_empty() {
            continue;
        }
        let problem = match stale.len() {
            1 => "a step is not as it is to be".to_owned(),
            count => format!("{count} steps are not as they are to be"),
        };
        let finding = all.add(Severity::Error, &service.name, problem);
        let lines = stale.iter().map(|(_, step, why)| format!("{step}: {why}"));
        finding.details = lines.collect();
        finding.hint = Some(format!(
            "`trustnet-vm provision {}` puts them right",
            evidence.vm
        ));
        finding.repair = Some(Repair::Provision);
    }
}

fn of_service(evidence: &Evidence, service: &ServiceEvidence, all: &mut Findings) {
    let name = &service.name;
    if service.recorded == Some(ServicePhase::Failed) {
        let finding = all.add(
            Severity::Error,
            name,
            "the last `provision` of its VM failed",
        );
        finding.details = evidence.log.clone();
        finding.hint = Some(format!("`trustnet-vm provision {}` goes on", evidence.vm));
        finding.repair = (evidence.ssh == Reached::Yes).then_some(Repair::Provision);
    }
    if let Some(((unit, openrc), state)) = &service.unit
        && *state != UnitState::Active
    {
        let (severity, problem) = match state {
            UnitState::Starting => (
                Severity::Warning,
                format!("its unit `{unit}` is still starting"),
            ),
            _ => (
                Severity::Error,
                format!("its unit `{unit}` does not run: {}", state.as_str()),
            ),
        };
        let finding = all.add(severity, name, problem);
        finding.hint = Some(format!(
            "`trustnet-vm logs {} --service {name}` says why",
            evidence.vm
        ));
        if *state != UnitState::Starting {
            finding.repair = Some(Repair::Restart {
                unit: unit.clone(),
                openrc: openrc.clone(),
                init: init(evidence),
            });
        }
    }
    for (symptom, looked) in &service.symptoms {
        let Looked::Ill(ended, said) = looked else {
            continue;
        };
        let finding = all.add(Severity::Error, name, symptom.problem.clone());
        finding.details = std::iter::once(format!("{}: {ended}", symptom.name))
            .chain(said.iter().cloned())
            .collect();
        finding.hint.clone_from(&symptom.hint);
        if !symptom.fix.is_empty() {
            finding.repair = Some(Repair::Command {
                service: name.clone(),
                command: symptom.fix.clone(),
            });
        }
    }
    for why in &service.unknown {
        all.note(name, why.clone());
    }
}

/// Units of nobody's services: those of services were told already.
fn failed_units(evidence: &Evidence, facts: &GuestFacts, all: &mut Findings) {
    let short = |name: &str| name.trim_end_matches(".service").to_owned();
    for unit in &facts.failed_units {
        let known = evidence
            .services
            .iter()
            .filter_map(|service| service.unit.as_ref())
            .any(|((name, openrc), _)| short(name) == short(unit) || openrc == unit);
        if known {
            continue;
        }
        let status = if facts.init == "openrc" {
            format!("rc-service {unit} status")
        } else {
            format!("systemctl status {unit}")
        };
        let finding = all.machine(Severity::Warning, format!("the unit `{unit}` failed"));
        finding.hint = Some(format!(
            "`trustnet-vm exec {} -- {status}` says why",
            evidence.vm
        ));
        finding.repair = Some(Repair::Restart {
            unit: unit.clone(),
            openrc: unit.clone(),
            init: facts.init.clone(),
        });
    }
}

/// The guest's init, as far as it is known.
fn init(evidence: &Evidence) -> String {
    let facts = evidence.facts.as_ref();
    facts.map(|facts| facts.init.clone()).unwrap_or_default()
}
