//! What guests say.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use trustnet_core::observed::DomainState;
use trustnet_core::xml::read_domain;

use super::domains::no_domain;
use super::state::{Domain, Guest, Reports, State};
use super::{Fake, not_found};
use crate::doors::{Console, ConsoleInput, Guests, Signal};
use crate::error::{BackendError, HostError};

/// When every guest comes up, in seconds since 1970.
const THEN: u64 = 1_767_225_600;
/// How often a guest's end is looked for.
const LOOK: Duration = Duration::from_millis(25);

impl Guests for Fake {
    fn reports(&self, uuid: &str) -> Result<Receiver<Signal>, HostError> {
        let said = self.call("guests.reports", |state| {
            let (domain, guest) = running(state, uuid)?;
            Ok((
                reports(&domain, guest.reports),
                guest.reports == Reports::Down,
            ))
        });
        let (lines, down) = said.map_err(HostError::vm(format!(
            "listen to the guest of domain {uuid}"
        )))?;
        if down {
            let off = |state: &mut State| {
                if let Some(domain) = state.domains.get_mut(uuid) {
                    domain.state = DomainState::Shutoff;
                }
            };
            self.edit(off)
                .map_err(HostError::vm("let the guest go down"))?;
        }
        Ok(self.speak(uuid, &lines))
    }

    fn console(&self, uuid: &str) -> Result<Console, HostError> {
        let said = self.call("guests.console", |state| {
            Ok(running(state, uuid)?.1.console)
        });
        let lines = said.map_err(HostError::vm(format!("open the console of domain {uuid}")))?;
        Ok(Console {
            output: self.speak(uuid, &lines),
            input: Box::new(Nobody),
        })
    }
}

/// Nobody reads what is typed.
struct Nobody;

impl ConsoleInput for Nobody {
    fn send(&self, _bytes: &[u8]) -> Result<(), HostError> {
        Ok(())
    }
}

impl Fake {
    /// Says the lines at once; then waits for the end of the guest, or of whoever listens.
    fn speak(&self, uuid: &str, lines: &[String]) -> Receiver<Signal> {
        let (sender, receiver) = channel();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (host, uuid) = (self.clone(), uuid.to_owned());
        thread::spawn(move || {
            let up = |state: State| {
                state
                    .domains
                    .get(&uuid)
                    .is_some_and(|domain| domain.state.is_active())
            };
            let mut said = sender.send(Signal::Bytes(text.into_bytes()));
            while said.is_ok() && host.peek().is_ok_and(up) {
                thread::sleep(LOOK);
                said = sender.send(Signal::Bytes(Vec::new()));
            }
            // Whoever listened may be gone.
            let _ = sender.send(Signal::Closed("the guest went down".to_owned()));
        });
        receiver
    }
}

fn running(state: &State, uuid: &str) -> Result<(Domain, Guest), BackendError> {
    let domain = state.domains.get(uuid).ok_or_else(|| no_domain(uuid))?;
    if !domain.state.is_active() {
        return Err(not_found(
            "Requested operation is not valid: domain is not running",
        ));
    }
    let guest = state
        .guests
        .get(&read_domain(&domain.xml).name)
        .cloned()
        .unwrap_or_default();
    Ok((domain.clone(), guest))
}

/// The lines of `images/guest/guest.sh`.
fn reports(domain: &Domain, what: Reports) -> Vec<String> {
    let file = |value: serde_json::Value| STANDARD.encode(value.to_string());
    let (mut errors, mut recovered, mut log) = (json!([]), json!({}), "all is well\n");
    if what == Reports::Failed {
        errors = json!(["('scripts_user', RuntimeError('Runparts: 1 failures (runcmd)'))"]);
        log = "+ false\nRunparts: 1 failures (runcmd)\n";
    }
    if what == Reports::Degraded {
        recovered = json!({ "WARNING": ["Unable to set the locale"] });
    }
    let status = file(json!({ "v1": {
        "datasource": "DataSourceNoCloud",
        "modules-final": { "errors": errors, "recoverable_errors": recovered, "start": 1.0, "finished": 2.0 },
    }}));
    let result = file(json!({ "v1": { "datasource": "DataSourceNoCloud", "errors": errors } }));
    let phases = [
        json!({ "phase": "booted" }),
        json!({ "phase": "network" }),
        json!({ "phase": "cloud-init", "status": status, "result": result, "log": STANDARD.encode(log) }),
        json!({ "phase": "ready" }),
    ];
    let count = match what {
        Reports::Ready | Reports::Degraded => 4,
        Reports::Failed => 3,
        Reports::Booted | Reports::Down => 1,
        Reports::Nothing => 0,
    };
    let line = |(seq, mut line): (u64, serde_json::Value)| {
        line["v"] = json!(1);
        line["seq"] = json!(seq);
        line["boot"] = json!(format!("boot-{}", domain.boots));
        line["at"] = json!(THEN + seq);
        line.to_string()
    };
    (1..).zip(phases).take(count).map(line).collect()
}
