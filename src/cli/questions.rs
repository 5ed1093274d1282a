//! The questions to a VM and to each of its services, asked one after the other over one connection. What cannot
//! be asked is skipped, and says why.

use std::time::{Duration, Instant};

use trustnet_core::diagnosis::{GuestFacts, UnitState};
use trustnet_core::examination::{Case, Examination, Group, Verdict};
use trustnet_core::masks::Masks;
use trustnet_core::provision::{HttpQuestion, ReadyCheck, Report, Standing, ready_check};
use trustnet_core::service::{Ask, Scope, Test};
use trustnet_host::error::chain;
use trustnet_host::examine::{self, Ended};
use trustnet_host::provision::{answers, check};
use trustnet_host::shell::{Shell, ShellError};

use crate::guest::Guest;
use crate::host::Host;
use crate::subject::{Service, Subject};

/// How long a port may take to take a connection.
const DIAL: Duration = Duration::from_secs(10);
/// How long a command that tells readiness may take.
const READY: Duration = Duration::from_secs(30);

/// The questions to one VM.
pub struct Questions<'a> {
    subject: &'a Subject,
    /// The connection, or why there is none.
    shell: Result<Box<dyn Shell>, String>,
}

/// An answer, and what was said.
type Answer = (Verdict, Vec<String>);

/// The questions to the machine itself.
pub fn machine(tests: Vec<Case>) -> Group {
    Group {
        name: "machine".to_owned(),
        version: None,
        tests,
    }
}

impl<'a> Questions<'a> {
    /// Asks everything.
    pub fn ask(host: &Host, subject: &'a Subject) -> Examination {
        let mut questions = Self {
            subject,
            shell: Err("the VM does not run".to_owned()),
        };
        let mut groups = vec![questions.machine(host)];
        match &subject.services {
            Ok(services) => {
                let report = questions.report();
                for service in services {
                    groups.push(questions.service(service, &report));
                }
            }
            Err(why) => groups.push(Group {
                name: "services".to_owned(),
                version: None,
                tests: vec![Case::new(
                    "they are as they are to be",
                    Verdict::Skipped(why.clone()),
                )],
            }),
        }
        Examination::new(subject.name.clone(), groups)
    }

    fn machine(&mut self, host: &Host) -> Group {
        let state = self.subject.domain.state;
        let runs = if state.is_active() {
            Verdict::Passed
        } else {
            Verdict::Failed(format!("libvirt says: {}", state.as_str()))
        };
        let mut tests = vec![Case::new("the domain runs", runs)];
        let name = "SSH answers with the VM's host key";
        if state.is_active() {
            let begun = Instant::now();
            let connected =
                Guest::find(host, &self.subject.name).and_then(|guest| guest.connect(host));
            let verdict = match connected {
                Ok(shell) => {
                    self.shell = Ok(shell);
                    Verdict::Passed
                }
                Err(failure) => {
                    self.shell = Err("SSH does not answer".to_owned());
                    Verdict::Failed(failure.message)
                }
            };
            tests.push(Case::new(name, verdict).took(begun.elapsed().as_secs_f64()));
        } else {
            let why = "the VM does not run".to_owned();
            tests.push(Case::new(name, Verdict::Skipped(why)));
        }
        let mounts = self.subject.mounts();
        if !mounts.is_empty() {
            let facts = self.facts();
            for path in mounts {
                tests.push(Case::new(
                    format!("a data disk is mounted at `{path}`"),
                    mounted(&facts, &path),
                ));
            }
        }
        machine(tests)
    }

    fn facts(&mut self) -> Result<GuestFacts, String> {
        let shell = self.shell.as_mut().map_err(|why| why.clone())?;
        let facts = examine::facts(&mut **shell).map_err(|error| chain(&error))?;
        facts.ok_or_else(|| "the guest does not say what it has".to_owned())
    }

    /// How the steps of all services stand, or why that is not known: a failure, or a reason to skip.
    fn report(&mut self) -> Result<Report, Verdict> {
        let program = self.subject.program.as_ref();
        let program = program.map_err(|why| Verdict::Skipped(why.clone()))?;
        let shell = self.shell.as_mut();
        let shell = shell.map_err(|why| Verdict::Skipped(why.clone()))?;
        check(&mut **shell, program)
            .map_err(|error| Verdict::Failed(self.subject.masks.mask(&chain(&error))))
    }

    fn service(&mut self, service: &Service, report: &Result<Report, Verdict>) -> Group {
        let mut tests = vec![Case::new(
            "its steps are as they are to be",
            self.steps(service, report),
        )];
        match &service.scope {
            Ok(scope) => self.live(service, scope, &mut tests),
            Err(why) => tests.push(Case::new(
                "it answers",
                Verdict::Skipped(self.subject.masks.mask(why)),
            )),
        }
        Group {
            name: service.instance.name().to_owned(),
            version: service.version.clone(),
            tests,
        }
    }

    fn steps(&self, service: &Service, report: &Result<Report, Verdict>) -> Verdict {
        let report = match report {
            Ok(report) => report,
            Err(verdict) => return verdict.clone(),
        };
        if report.busy {
            return Verdict::Failed("an earlier run still works in the guest".to_owned());
        }
        let steps = self.subject.program.iter().flat_map(|one| &one.steps);
        let stale: Vec<String> = steps
            .enumerate()
            .filter(|(_, step)| step.service == service.instance.name())
            .filter_map(|(number, step)| match report.steps.get(&number) {
                Some(Standing::Good) => None,
                Some(Standing::Stale(why)) => Some(format!("{}: {why}", step.id)),
                None => Some(format!("{}: the guest says nothing of it", step.id)),
            })
            .collect();
        if stale.is_empty() {
            Verdict::Passed
        } else {
            Verdict::Failed(self.subject.masks.mask(&stale.join("; ")))
        }
    }

    /// What only a service that runs can answer.
    fn live(&mut self, service: &Service, scope: &Scope, tests: &mut Vec<Case>) {
        let unit = service.instance.unit_names(scope);
        let names = match &unit {
            Ok(Some(names)) => {
                let name = format!("its unit `{}` runs", names.0);
                tests.push(self.case(&name, |shell, _| unit_runs(shell, names)));
                Some(names)
            }
            Ok(None) => None,
            Err(why) => {
                let verdict = Verdict::Failed(why.to_string());
                tests.push(Case::new("its unit runs", verdict));
                None
            }
        };
        for (name, port) in service.instance.listens(scope) {
            let title = match &port {
                Ok(port) => format!("its port {port} ({name}) takes connections"),
                Err(_) => format!("its port {name} takes connections"),
            };
            tests.push(match port {
                Ok(port) => self.case(&title, |shell, _| {
                    open(shell, (scope.address.as_str(), port), DIAL)
                }),
                Err(why) => Case::new(title, Verdict::Failed(why.to_string())),
            });
        }
        if service.instance.definition.spec().ready.is_some() {
            tests.push(match ready_check(&service.instance, scope) {
                Ok(check) => self.case("it is ready", |shell, masks| {
                    ready(shell, &check, names, masks)
                }),
                Err(why) => Case::new("it is ready", Verdict::Failed(why.to_string())),
            });
        }
        for (name, test) in service.instance.tests(scope) {
            tests.push(match test {
                Ok(test) => self.case(&name, |shell, masks| asked(shell, &test, masks)),
                Err(why) => Case::new(name, Verdict::Failed(why.to_string())),
            });
        }
    }

    /// Asks one question, masks what was said, and takes its time.
    fn case(
        &mut self,
        name: &str,
        ask: impl FnOnce(&mut dyn Shell, &Masks) -> Result<Answer, ShellError>,
    ) -> Case {
        let shell = match &mut self.shell {
            Ok(shell) => shell,
            Err(why) => return Case::new(name, Verdict::Skipped(why.clone())),
        };
        let begun = Instant::now();
        let masks = &self.subject.masks;
        let (verdict, said) = ask(&mut **shell, masks)
            .unwrap_or_else(|error| (Verdict::Failed(chain(&error)), Vec::new()));
        let verdict = match verdict {
            Verdict::Failed(why) => Verdict::Failed(masks.mask(&why)),
            Verdict::Skipped(why) => Verdict::Skipped(masks.mask(&why)),
            Verdict::Passed => Verdict::Passed,
        };
        Case::new(masks.mask(name), verdict)
            .took(begun.elapsed().as_secs_f64())
            .said(said)
    }
}

fn mounted(facts: &Result<GuestFacts, String>, path: &str) -> Verdict {
    let facts = match facts {
        Ok(facts) => facts,
        Err(why) => return Verdict::Skipped(why.clone()),
    };
    match facts.mount(path) {
        None => Verdict::Failed("nothing is mounted there".to_owned()),
        Some(mount) if mount.read_only => Verdict::Failed("it takes no writes".to_owned()),
        Some(_) => Verdict::Passed,
    }
}

/// Whether a unit runs.
fn unit_runs(shell: &mut dyn Shell, names: &(String, String)) -> Result<Answer, ShellError> {
    let state = examine::units(shell, std::slice::from_ref(names))?.pop();
    Ok(match state.flatten() {
        Some(UnitState::Active) => (Verdict::Passed, Vec::new()),
        Some(state) => (Verdict::Failed(state.as_str().to_owned()), Vec::new()),
        None => (
            Verdict::Failed("the guest does not say".to_owned()),
            Vec::new(),
        ),
    })
}

/// Whether a port inside the guest takes connections.
pub fn open(
    shell: &mut dyn Shell,
    (host, port): (&str, u16),
    limit: Duration,
) -> Result<Answer, ShellError> {
    let verdict = match shell.dial(host, port, limit) {
        Ok(_) => Verdict::Passed,
        Err(error) if error.is_lost() => return Err(error),
        Err(error) => Verdict::Failed(chain(&error)),
    };
    Ok((verdict, Vec::new()))
}

/// Whether a service is ready; asked once, for nothing is waited for here.
pub fn ready(
    shell: &mut dyn Shell,
    check: &ReadyCheck,
    unit: Option<&(String, String)>,
    masks: &Masks,
) -> Result<Answer, ShellError> {
    match (check, unit) {
        (ReadyCheck::Tcp { host, port }, _) => open(shell, (host, *port), DIAL),
        (ReadyCheck::Http(question), _) => http(shell, question, DIAL),
        (ReadyCheck::Command { command }, _) => ran(shell, command, READY, None, masks),
        (ReadyCheck::Journal { contains }, Some(unit)) => {
            let there = examine::in_journal(shell, unit, contains)?;
            let verdict = if there {
                Verdict::Passed
            } else {
                Verdict::Failed(format!("`{contains}` is not in its log"))
            };
            Ok((verdict, Vec::new()))
        }
        // What came on the console came at the start: a unit that still runs is as ready as it was then.
        (ReadyCheck::Unit | ReadyCheck::Console { .. }, Some(unit)) => unit_runs(shell, unit),
        (ReadyCheck::Journal { .. } | ReadyCheck::Unit | ReadyCheck::Console { .. }, None) => {
            Ok((Verdict::Skipped("it has no unit".to_owned()), Vec::new()))
        }
    }
}

fn asked(shell: &mut dyn Shell, test: &Test, masks: &Masks) -> Result<Answer, ShellError> {
    let limit = Duration::from_secs(u64::from(test.limit_s));
    match &test.ask {
        Ask::Http(question) => http(shell, question, limit),
        Ask::Tcp { host, port } => open(shell, (host, *port), limit),
        Ask::Command { command, contains } => {
            ran(shell, command, limit, contains.as_deref(), masks)
        }
    }
}

fn http(
    shell: &mut dyn Shell,
    question: &HttpQuestion,
    limit: Duration,
) -> Result<Answer, ShellError> {
    let verdict = match answers(shell, question, limit)? {
        Ok(()) => Verdict::Passed,
        Err(why) => Verdict::Failed(why),
    };
    Ok((verdict, Vec::new()))
}

fn ran(
    shell: &mut dyn Shell,
    command: &[String],
    limit: Duration,
    contains: Option<&str>,
    masks: &Masks,
) -> Result<Answer, ShellError> {
    let ended: Ended = examine::command(shell, command, limit)?;
    let verdict = if !ended.is_success() {
        Verdict::Failed(ended.why(limit))
    } else {
        match contains {
            Some(text) if !ended.output.contains(text) => {
                Verdict::Failed(format!("its output does not hold `{text}`"))
            }
            _ => Verdict::Passed,
        }
    };
    let said = if verdict == Verdict::Passed {
        Vec::new()
    } else {
        ended.last_lines(masks)
    };
    Ok((verdict, said))
}
