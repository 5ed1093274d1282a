//! What is gathered of a VM that is diagnosed: as much as can be had, in few exchanges.

use std::time::{Duration, SystemTime};

use trustnet_core::diagnosis::{
    Evidence, GuestFacts, Looked, Reached, ServiceEvidence, Steps, UnitState,
};
use trustnet_core::plan::Verb;
use trustnet_core::provision::Standing;
use trustnet_core::record::ServicePhase;
use trustnet_host::error::chain;
use trustnet_host::examine;
use trustnet_host::journal::Journal;
use trustnet_host::provision::{check, last_lines, log_file};
use trustnet_host::ready;
use trustnet_host::shell::Shell;

use crate::guest::Guest;
use crate::host::Host;
use crate::status;
use crate::subject::{Service, Subject};

/// How long a command of a diagnosis may take.
const LOOK: Duration = Duration::from_secs(20);
/// How long SSH may take to answer: who diagnoses wants to know that it does not.
const CONNECTING: Duration = Duration::from_secs(20);
/// How long the console of a guest that is not reached is listened to.
const CONSOLE: Duration = Duration::from_secs(1);
/// How many of the last lines of the provisioning log are shown.
const LOG_LINES: usize = 10;

/// Gathers what is to be known of a VM.
pub fn gather(host: &Host, subject: &Subject) -> Evidence {
    let uuid = &subject.domain.xml.uuid;
    let active = subject.domain.state.is_active();
    let snapshot = if active {
        ready::snapshot(&*host.hypervisor, uuid, status::ANSWER)
    } else {
        ready::Snapshot::default()
    };
    let log = log_file(&host.paths, &host.uri, &subject.name);
    let mut evidence = Evidence {
        vm: subject.name.clone(),
        state: subject.domain.state,
        interrupted: interrupted(host, &subject.name),
        phase: snapshot.phase,
        failed: snapshot.failed,
        ssh: Reached::NotAsked,
        facts: Err("the VM does not run".to_owned()),
        host_time_s: now(),
        mounts: subject.mounts(),
        steps: Err("the VM does not run".to_owned()),
        services: recorded(subject),
        // What cannot be read is not there to be shown.
        log: last_lines(&log, LOG_LINES)
            .ok()
            .flatten()
            .unwrap_or_default(),
        console: Vec::new(),
    };
    if !active {
        return evidence;
    }
    let connected =
        Guest::find(host, &subject.name).and_then(|guest| guest.connect_within(host, CONNECTING));
    match connected {
        Ok(mut shell) => {
            evidence.ssh = Reached::Yes;
            inside(&mut *shell, subject, &mut evidence);
        }
        Err(failure) => {
            evidence.facts = Err("SSH does not answer".to_owned());
            evidence.steps = Err("SSH does not answer".to_owned());
            // Somebody else may have the console, who sees for himself.
            evidence.console =
                ready::last_lines(&*host.hypervisor, uuid, CONSOLE).unwrap_or_default();
            evidence.ssh = Reached::No {
                why: failure.message,
                hint: failure.hint,
            };
        }
    }
    evidence
}

fn interrupted(host: &Host, name: &str) -> Option<&'static str> {
    // One that cannot be read is told of by whatever would change the VM; here it keeps nothing else from being told.
    let journal = Journal::open(&host.journal_dir(name)).ok()??;
    Some(match journal.plan().verb {
        Verb::Create => "create",
        Verb::Destroy => "destroy",
    })
}

/// What the record says of the services.
fn recorded(subject: &Subject) -> Vec<ServiceEvidence> {
    let known = |name: &str| {
        let mut services = subject.record.services.iter();
        services.find(|one| one.name == name).map(|one| one.state)
    };
    let evidence =
        |name: &str, recorded: Option<ServicePhase>, unknown: Vec<String>| ServiceEvidence {
            name: name.to_owned(),
            recorded,
            unit: None,
            symptoms: Vec::new(),
            unknown,
        };
    match &subject.services {
        Ok(services) => services
            .iter()
            .map(|one| one.instance.name())
            .map(|name| evidence(name, known(name), Vec::new()))
            .collect(),
        Err(why) => {
            let why = format!("its definition is not known: {why}");
            let services = subject.record.services.iter();
            services
                .map(|one| evidence(&one.name, Some(one.state), vec![why.clone()]))
                .collect()
        }
    }
}

/// Looks around in the guest. What fails leaves its part unknown.
fn inside(shell: &mut dyn Shell, subject: &Subject, evidence: &mut Evidence) {
    let before = now();
    evidence.facts = match examine::facts(shell) {
        Ok(Some(facts)) => Ok(facts),
        Ok(None) => Err("it does not say what it has".to_owned()),
        Err(error) => Err(chain(&error)),
    };
    evidence.host_time_s = nearest(&evidence.facts, before, now());
    evidence.steps = steps(shell, subject);
    let Ok(services) = &subject.services else {
        return;
    };
    let names: Vec<Option<examine::UnitNames>> = services.iter().map(unit_names).collect();
    let asked: Vec<examine::UnitNames> = names.iter().flatten().cloned().collect();
    let states = examine::units(shell, &asked);
    let mut states = states.unwrap_or_default().into_iter();
    for ((service, names), gathered) in services.iter().zip(names).zip(&mut evidence.services) {
        let brought = gathered.recorded.is_some();
        if let Some(names) = names {
            match states.next().flatten() {
                // What was never brought has no unit that could run.
                Some(UnitState::Stopped) if !brought => {}
                Some(state) => gathered.unit = Some((names, state)),
                None => gathered
                    .unknown
                    .push("the guest does not say how its unit is".to_owned()),
            }
        }
        if brought {
            symptoms(shell, subject, service, gathered);
        }
    }
}

fn unit_names(service: &Service) -> Option<examine::UnitNames> {
    let scope = service.scope.as_ref().ok()?;
    service.instance.unit_names(scope).ok()?
}

fn symptoms(
    shell: &mut dyn Shell,
    subject: &Subject,
    service: &Service,
    gathered: &mut ServiceEvidence,
) {
    let scope = match &service.scope {
        Ok(scope) => scope,
        Err(why) => return gathered.unknown.push(subject.masks.mask(why)),
    };
    for (name, symptom) in service.instance.symptoms(scope) {
        let looked = match &symptom {
            Ok(symptom) => {
                examine::command(shell, &symptom.command, LOOK).map_err(|error| chain(&error))
            }
            Err(why) => Err(why.to_string()),
        };
        match (symptom, looked) {
            (Ok(symptom), Ok(ended)) if ended.is_success() => {
                gathered.symptoms.push((symptom, Looked::Well));
            }
            (Ok(symptom), Ok(ended)) => {
                let said = ended.last_lines(&subject.masks);
                let looked = Looked::Ill(ended.why(LOOK), said);
                gathered.symptoms.push((symptom, looked));
            }
            (_, looked) => {
                let why = looked.err().unwrap_or_default();
                let why = format!("`{name}` could not be looked at: {why}");
                gathered.unknown.push(subject.masks.mask(&why));
            }
        }
    }
}

fn steps(shell: &mut dyn Shell, subject: &Subject) -> Result<Steps, String> {
    let program = subject.program.as_ref().map_err(Clone::clone)?;
    if program.is_empty() {
        return Ok(Steps::default());
    }
    let report = check(shell, program).map_err(|error| subject.masks.mask(&chain(&error)))?;
    let stale = program
        .steps
        .iter()
        .enumerate()
        .filter_map(|(number, step)| {
            let why = match report.steps.get(&number) {
                Some(Standing::Good) => return None,
                Some(Standing::Stale(why)) => subject.masks.mask(why),
                None => "the guest says nothing of it".to_owned(),
            };
            Some((step.service.clone(), step.id.clone(), why))
        });
    Ok(Steps {
        stale: stale.collect(),
        busy: report.busy,
    })
}

/// The host's time between the question and the answer that is nearest to the guest's.
fn nearest(facts: &Result<GuestFacts, String>, before: u64, after: u64) -> u64 {
    let time = facts.as_ref().ok().and_then(|facts| facts.time_s);
    time.map_or(before, |time| time.clamp(before, after.max(before)))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
