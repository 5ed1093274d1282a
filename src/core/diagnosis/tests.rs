//! Findings from evidence.

use super::{
    Evidence, GuestFacts, Looked, Reached, Repair, ServiceEvidence, Severity, Steps, UnitState,
    findings, is_well,
};
use crate::observed::DomainState;
use crate::record::ServicePhase;
use crate::service::Symptom;

const FACTS: &str = "=init\n systemd\n\n=time\n 1000\n\n=uptime\n 77.25\n\n=memory\n MemTotal: 1000 kB\n MemAvailable: 900 kB\n\n\
=pressure\n some avg10=0.00 avg60=1.50 avg300=0.00 total=1\n\n=mounts\n / ext4 rw,relatime\n /srv/the\\040data ext4 rw\n\n\
=disks\n Filesystem 1024-blocks Used Available Capacity Mounted on\n /dev/vda1 1000 500 500 50% /\n /dev/vdb 1000 100 900 10% /srv/the data\n\n\
=inodes\n\n=oom\n\n=failed\n\n=end\n";

fn evidence() -> Evidence {
    Evidence {
        vm: "web".to_owned(),
        state: DomainState::Running,
        interrupted: None,
        phase: Some(crate::readiness::Phase::Ready),
        failed: None,
        ssh: Reached::Yes,
        facts: Ok(GuestFacts::parse(FACTS).expect("facts")),
        host_time_s: 1003,
        mounts: vec!["/srv/the data".to_owned()],
        steps: Ok(Steps::default()),
        services: vec![service()],
        log: vec!["the last line".to_owned()],
        console: vec!["Kernel panic".to_owned()],
    }
}

fn service() -> ServiceEvidence {
    ServiceEvidence {
        name: "sql".to_owned(),
        recorded: Some(ServicePhase::Ready),
        unit: Some((("sql@15".to_owned(), "sql".to_owned()), UnitState::Active)),
        symptoms: Vec::new(),
        unknown: Vec::new(),
    }
}

#[test]
fn a_vm_that_is_well_has_no_findings() {
    assert_eq!(findings(&evidence()), []);
}

#[test]
fn a_vm_that_does_not_run_is_to_be_started_and_nothing_else_is_guessed() {
    let stopped = Evidence {
        state: DomainState::Shutoff,
        ssh: Reached::NotAsked,
        facts: Err("it does not run".to_owned()),
        steps: Err("it does not run".to_owned()),
        services: vec![ServiceEvidence {
            unit: None,
            ..service()
        }],
        ..evidence()
    };
    let found = findings(&stopped);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].severity, Severity::Critical);
    assert_eq!(found[0].repair, Some(Repair::Start));
    let interrupted = Evidence {
        interrupted: Some("create"),
        ..stopped
    };
    assert!(
        findings(&interrupted)
            .iter()
            .all(|one| one.repair.is_none())
    );
}

#[test]
fn a_guest_that_is_not_reached_shows_its_console() {
    let silent = Evidence {
        ssh: Reached::No {
            why: "refused".to_owned(),
            hint: Some("`trustnet-vm console NAME`".to_owned()),
        },
        facts: Err("no SSH".to_owned()),
        steps: Err("no SSH".to_owned()),
        ..evidence()
    };
    let found = findings(&silent);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].details, ["console: Kernel panic"]);
    assert_eq!(found[0].hint.as_deref(), Some("`trustnet-vm console web`"));
}

#[test]
fn everything_that_is_wrong_is_found_and_the_worst_comes_first() {
    let text = FACTS
        .replace("MemAvailable: 900", "MemAvailable: 20")
        .replace("avg60=1.50", "avg60=45.00")
        .replace("\n /srv/the\\040data ext4 rw", "")
        .replace("500 500", "990 10")
        .replace("=oom\n", "=oom\n Out of memory: Killed process 7 (java)\n")
        .replace(
            "=failed\n",
            "=failed\n ● foo.service loaded failed failed Foo\n sql@15.service x\n",
        );
    let symptom = Symptom {
        name: "it answers".to_owned(),
        command: vec!["ask".to_owned()],
        problem: "it does not answer".to_owned(),
        hint: None,
        fix: vec!["heal".to_owned(), "a b".to_owned()],
    };
    let ill = Evidence {
        facts: Ok(GuestFacts::parse(&text).expect("facts")),
        host_time_s: 2000,
        steps: Ok(Steps {
            stale: vec![("sql".into(), "file /etc/x".into(), "changed".into())],
            busy: false,
        }),
        services: vec![ServiceEvidence {
            unit: Some((("sql@15".to_owned(), "sql".to_owned()), UnitState::Failed)),
            symptoms: vec![(
                symptom,
                Looked::Ill("exit code 1".to_owned(), vec!["no".to_owned()]),
            )],
            unknown: vec!["x is not known".to_owned()],
            ..service()
        }],
        ..evidence()
    };
    let found = findings(&ill);
    let told: Vec<String> = found
        .iter()
        .map(|one| {
            let repair = one.repair.as_ref().map(|repair| repair.command_line("web"));
            format!(
                "{:?} {}: {} [{}]",
                one.severity,
                one.about,
                one.problem,
                repair.unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "Error machine: `/` is 99 % full []",
            "Error machine: no data disk is mounted at `/srv/the data` [mount '/srv/the data']",
            "Error sql: a step is not as it is to be [trustnet-vm provision web]",
            "Error sql: its unit `sql@15` does not run: failed [systemctl restart sql@15]",
            "Error sql: it does not answer [heal 'a b']",
            "Warning machine: the kernel has killed programs for want of memory []",
            "Warning machine: 20 KiB of 1000 KiB memory are left []",
            "Warning machine: programs wait for memory 45 % of the time []",
            "Warning machine: the guest's clock is 1000 s behind the host's []",
            "Warning machine: the unit `foo.service` failed [systemctl restart foo.service]",
            "Note sql: x is not known []",
        ]
    );
    assert!(!is_well(&found) && is_well(&found[10..]));
}

#[test]
fn a_repair_is_shown_as_the_guest_s_init_takes_it() {
    let text = FACTS
        .replace("systemd", "openrc")
        .replace("=failed\n", "=failed\n  foo  [ crashed ]\n");
    let openrc = Evidence {
        facts: Ok(GuestFacts::parse(&text).expect("facts")),
        services: vec![ServiceEvidence {
            unit: Some((("sql@15".to_owned(), "sql".to_owned()), UnitState::Failed)),
            ..service()
        }],
        ..evidence()
    };
    let found = findings(&openrc);
    let lines = found.iter().filter_map(|one| one.repair.as_ref());
    let lines: Vec<String> = lines.map(|repair| repair.command_line("web")).collect();
    assert_eq!(lines, ["rc-service sql restart", "rc-service foo restart"]);
}

#[test]
fn a_run_that_is_busy_is_no_reason_to_provision() {
    let busy = Evidence {
        steps: Ok(Steps {
            stale: vec![("sql".into(), "start".into(), "not done yet".into())],
            busy: true,
        }),
        ..evidence()
    };
    let found = findings(&busy);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].repair, None);
    assert_eq!(found[0].details, ["the last line"]);
}

#[test]
fn what_a_guest_says_half_is_not_taken_for_facts() {
    assert_eq!(GuestFacts::parse(&FACTS[..FACTS.len() - 5]), None);
    // A line of the kernel's log is no section.
    let oom = FACTS.replace("=oom\n", "=oom\n =end\n");
    assert_eq!(GuestFacts::parse(&oom).expect("facts").oom, ["=end"]);
}
