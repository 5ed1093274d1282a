//! A program brought into the guest of a VM: shown, logged, and noted on the domain.

use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use trustnet_api::vm::VirtualMachine;
use trustnet_core::observed::Owner;
use trustnet_core::provision::{Action, End, Fared, ReadyCheck};
use trustnet_core::record::{Record, ServicePhase, ServiceState};
use trustnet_host::doors::Signal;
use trustnet_host::error::{HostError, chain};
use trustnet_host::interrupt::Interrupt;
use trustnet_host::provision::{
    self, Blobs, Elsewhere, Event, Job, Log, Outcome, ProvisionError, log_file,
};
use trustnet_host::shell;

use crate::Program;
use crate::failure::{Exit, Failure};
use crate::guest::Guest;
use crate::host::Host;
use crate::prepare::{Prepared, fits};
use crate::ui::Progress;

/// How long connecting may take: the guest may have much to do.
const CONNECTING: Duration = Duration::from_secs(60);

/// The most of a console that is kept for the next look.
const MOST_SEEN: usize = 1 << 20;
/// The most pieces of a console that are taken before it is looked at.
const MOST_PIECES: usize = 256;

/// What bringing services into guests needs, for all of an invocation.
pub struct Bringer<'a> {
    /// The program.
    pub program: &'a Program,
    /// The hypervisor.
    pub host: &'a Host,
    /// Where artifacts are taken from.
    pub blobs: &'a dyn Blobs,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
}

impl Bringer<'_> {
    /// Brings a program into the guest of a VM, and notes on the domain what it has then. `wire` is the spec
    /// whose services they are.
    ///
    /// # Errors
    /// The guest is not reached, or something fails in it; the VM stays, and the next run goes on.
    pub fn bring(
        &self,
        name: &str,
        wire: &VirtualMachine,
        prepared: &Prepared,
        progress: &Progress<'_>,
    ) -> Result<Outcome, Failure> {
        let guest = Guest::find(self.host, name)?;
        let log = Log::open(&log_file(&self.host.paths, &self.host.uri, name))?;
        log.line(&format!("== provisioning `{name}`"));
        let elsewhere = Others::of(self.host, &guest, prepared)?;
        let noted = Noted {
            host: self.host,
            uuid: &guest.uuid,
            record: Mutex::new(guest.record.clone()),
            fared: Mutex::new(Fared {
                needs: prepared.needs.clone(),
                ..Fared::default()
            }),
            wire,
            prepared,
        };
        let listen = |event: Event<'_>| self.hear(&event, &log, prepared, progress, &noted);
        let session = guest.session(self.host);
        let connect =
            || shell::connect_unless(&session, &guest.endpoint, CONNECTING, self.interrupt);
        let job = Job {
            program: &prepared.program,
            blobs: self.blobs,
            elsewhere: &elsewhere,
            expects: &|facts| fits(prepared, facts),
            patience: self.program.settings.timeout.value,
            interrupt: self.interrupt,
            listen: &listen,
        };
        progress.begin("connecting to the guest");
        let outcome = provision::provision(&connect, &job);
        match outcome {
            Ok(outcome) => {
                noted.note(&End::Good)?;
                log.line(&format!("== done: {} steps", outcome.taken));
                Ok(outcome)
            }
            Err(error) => {
                log.line(&format!(
                    "== failed: {}",
                    prepared.masks.mask(&chain(&error))
                ));
                let end = match &error {
                    ProvisionError::Interrupted => End::NotYet,
                    ProvisionError::Step { service, .. } => End::Failed(service.clone()),
                    _ => End::Lost,
                };
                if noted.begun() {
                    // The failure itself says more than that it could not be noted.
                    let _ = noted.note(&end);
                }
                Err(failure(name, &error, prepared, &log))
            }
        }
    }

    fn hear(
        &self,
        event: &Event<'_>,
        log: &Log,
        prepared: &Prepared,
        progress: &Progress<'_>,
        noted: &Noted<'_>,
    ) {
        match event {
            Event::Facts(facts) => log.line(&format!(
                "guest: {} {}, {}",
                facts.os, facts.machine, facts.init
            )),
            Event::Planned(pending, of) => {
                let steps: usize = pending.values().sum();
                log.line(&format!("{steps} of {of} steps to take"));
                noted.fared().pending.clone_from(pending);
                if steps > 0 {
                    // What the record says of services is for others; the work goes on without.
                    if let Err(error) = noted.note(&End::NotYet) {
                        progress.note(format!("failed to note on the domain: {}", error.message));
                    }
                }
            }
            Event::Sending(sent, total) => {
                progress.begin(format!("sending {} of {} MiB", sent >> 20, total >> 20));
            }
            Event::Begun(step) => {
                log.line(&format!("-- {}", step.title()));
                progress.begin(step.title());
            }
            Event::Done(step, took) => {
                noted.fared().done(&step.service);
                progress.done(step.title(), *took);
            }
            Event::Output(line) => {
                let line = prepared.masks.mask(line);
                log.line(&line);
                if self.program.ui.verbose() {
                    progress.note(format!("| {line}"));
                }
            }
            Event::Note(note) => {
                log.line(note);
                progress.note(note);
            }
        }
    }
}

/// Says which services a guest has that its spec no longer asks for.
pub fn warn_of_left(program: &Program, name: &str, outcome: &Outcome) {
    for (service, version) in &outcome.left {
        warn_of(program, name, service, version);
    }
}

/// Says the same of a VM whose spec asks for no service at all, by what was noted on its domain.
pub fn warn_of_recorded(program: &Program, name: &str, owner: &Owner) {
    if let Owner::Ours(record) = owner {
        for one in &record.services {
            warn_of(program, name, &one.name, &one.version);
        }
    }
}

fn warn_of(program: &Program, name: &str, service: &str, version: &str) {
    program.ui.warn(format!(
        "`{name}` still has {service} {version}, which its spec no longer asks for; `trustnet-vm provision {name} --prune` takes it away"
    ));
}

/// What came of a VM whose services were brought, after so many steps.
#[must_use]
pub fn brought(name: &str, steps: usize) -> String {
    if steps == 0 {
        format!("VM '{name}': services are as they are to be, nothing to do\n")
    } else {
        format!("VM '{name}': services are ready ({steps} steps)\n")
    }
}

fn failure(name: &str, error: &ProvisionError, prepared: &Prepared, log: &Log) -> Failure {
    let message = format!("`{name}`: {}", prepared.masks.mask(&chain(error)));
    let (exit, hint) = match error {
        ProvisionError::Interrupted => (
            Exit::Interrupted,
            Some(format!("`trustnet-vm provision {name}` goes on from there")),
        ),
        ProvisionError::Shell(error) => (
            Exit::Provision,
            error.hint().map(|hint| hint.replace("NAME", name)),
        ),
        ProvisionError::Artifact { .. } => (
            Exit::Provision,
            Some(
                "`trustnet-vm cache fetch` gets it again; `trustnet-vm cache verify` looks at all"
                    .to_owned(),
            ),
        ),
        _ => (
            Exit::Provision,
            Some(format!(
                "all of it is in `{}`; `trustnet-vm provision {name}` goes on from there",
                log.path().display()
            )),
        ),
    };
    let failure = Failure::new(exit, message);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What is noted on the domain of a guest's services.
struct Noted<'a> {
    host: &'a Host,
    uuid: &'a str,
    record: Mutex<Record>,
    fared: Mutex<Fared>,
    wire: &'a VirtualMachine,
    prepared: &'a Prepared,
}

impl Noted<'_> {
    fn fared(&self) -> MutexGuard<'_, Fared> {
        self.fared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was anything to do.
    fn begun(&self) -> bool {
        !self.fared().pending.is_empty()
    }

    /// Notes how the services are, unless that is what the record says.
    fn note(&self, end: &End) -> Result<(), Failure> {
        let Ok(mut record) = self.record.lock() else {
            return Ok(());
        };
        let fared = self.fared().clone();
        let known = |name: &str, version: &str| {
            let state = fared.phase(name, end);
            record
                .services
                .iter()
                .any(|one| one.name == name && one.version == version && one.state == state)
        };
        let versions = &self.prepared.versions;
        let same = record.services.len() == versions.len()
            && versions.iter().all(|(name, version)| known(name, version))
            && record.spec.spec.services == redacted(self.wire).spec.services;
        if same {
            return Ok(());
        }
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at = at.map_or(0, |since| since.as_secs());
        record.services = versions
            .iter()
            .map(|(name, version)| ServiceState {
                name: name.clone(),
                version: version.clone(),
                state: fared.phase(name, end),
                at,
            })
            .collect();
        record.spec.spec.services = redacted(self.wire).spec.services;
        self.host
            .hypervisor
            .records()
            .write(self.uuid, &record.to_text())?;
        Ok(())
    }
}

/// The spec as it is recorded: without inline secrets.
fn redacted(wire: &VirtualMachine) -> VirtualMachine {
    let mut wire = wire.clone();
    for service in &mut wire.spec.services {
        for secret in service.secrets.values_mut() {
            *secret = secret.redact();
        }
    }
    wire
}

/// Other VMs of the hypervisor, and the guest's console.
struct Others<'a> {
    host: &'a Host,
    console: Option<Console>,
}

struct Console {
    output: Receiver<Signal>,
    seen: Mutex<Vec<u8>>,
}

impl<'a> Others<'a> {
    /// Listens to the console only where something is expected on it.
    fn of(host: &'a Host, guest: &Guest, prepared: &Prepared) -> Result<Self, Failure> {
        let steps = &prepared.program.steps;
        let listens = steps.iter().any(|step| {
            let Action::Ready { check, .. } = &step.action else {
                return false;
            };
            matches!(check, ReadyCheck::Console { .. })
        });
        let console = if listens {
            let console = host.hypervisor.guests().console(&guest.uuid)?;
            Some(Console {
                output: console.output,
                seen: Mutex::default(),
            })
        } else {
            None
        };
        Ok(Self { host, console })
    }
}

impl Elsewhere for Others<'_> {
    fn ready(&self, vm: &str, service: &str) -> Result<Result<(), String>, HostError> {
        let Some(domain) = self.host.hypervisor.domains().find(vm)? else {
            return Ok(Err(format!("there is no VM `{vm}`")));
        };
        let owner = &domain.owner;
        let Owner::Ours(record) = owner else {
            return Ok(Err(format!("`{vm}` is no VM of ours")));
        };
        Ok(
            match record.services.iter().find(|one| one.name == service) {
                Some(one) if one.state == ServicePhase::Ready => Ok(()),
                Some(_) => Err(format!("`{service}` of `{vm}` is not ready")),
                None => Err(format!("`{vm}` has no service `{service}` yet")),
            },
        )
    }

    fn on_console(&self, text: &str) -> Result<bool, HostError> {
        let Some(console) = &self.console else {
            return Ok(false);
        };
        let Ok(mut seen) = console.seen.lock() else {
            return Ok(false);
        };
        // A guest that never stops talking holds nobody up, and fills no memory.
        for _ in 0..MOST_PIECES {
            match console.output.recv_timeout(Duration::from_millis(10)) {
                Ok(Signal::Bytes(bytes)) => seen.extend_from_slice(&bytes),
                _ => break,
            }
        }
        let found = String::from_utf8_lossy(&seen).contains(text);
        let old = seen.len().saturating_sub(MOST_SEEN);
        seen.drain(..old);
        Ok(found)
    }
}
