//! A stage: a definition in a text, what a VM says of it, a guest, and what happened.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use trustnet_api::service_ref::ServiceRef;
use trustnet_core::artifact::{Arch, Digest};
use trustnet_core::load::load_services;
use trustnet_core::provision::{Input, Pinned, Program, ServiceInput, build};
use trustnet_core::service::{Catalogue, Definition, Instance, Origin, select};
use trustnet_host::error::HostError;
use trustnet_host::interrupt::Interrupt;
use trustnet_host::provision::{self, Blobs, Elsewhere, Event, Job, Outcome, ProvisionError};

use crate::sshd::Sshd;

/// Definitions of services.
pub fn catalogue(texts: &[&str]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for text in texts {
        let (documents, problems) = load_services(text.as_bytes());
        assert_eq!(problems, [], "the definition is valid");
        for document in documents {
            let (definition, _) =
                Definition::new(document.object, Origin::BuiltIn).expect("it keeps the rules");
            catalogue.add(definition);
        }
    }
    catalogue
}

/// What a VM asks for, from JSON.
pub fn asked(json: serde_json::Value) -> Vec<ServiceRef> {
    serde_json::from_value(json).expect("references to services")
}

/// What belongs to the services of a VM.
#[derive(Default)]
pub struct Things {
    pub artifacts: BTreeMap<String, Pinned>,
    pub secrets: BTreeMap<String, String>,
    pub mounts: Vec<String>,
}

/// The program of a guest.
pub fn program(instances: &[Instance], things: &Things) -> Program {
    let services: Vec<ServiceInput<'_>> = instances
        .iter()
        .map(|instance| ServiceInput {
            instance,
            scope: instance.scope("web", instance.exact_version().expect("exact"), Arch::Amd64),
            secrets: things.secrets.clone(),
            artifacts: things.artifacts.clone(),
        })
        .collect();
    build(&Input {
        services: &services,
        mounts: &things.mounts,
    })
    .expect("a program")
}

/// From definitions and references to a program.
pub fn program_of(texts: &[&str], services: serde_json::Value, things: &Things) -> Program {
    let instances = select(&asked(services), &catalogue(texts)).expect("valid");
    program(&instances, things)
}

/// Artifacts in a folder, by their digests.
pub struct Folder(pub PathBuf);

impl Blobs for Folder {
    fn take(
        &self,
        digest: &Digest,
    ) -> Result<(PathBuf, u64), Box<dyn std::error::Error + Send + Sync>> {
        let path = self.0.join(digest.to_string());
        let bytes = std::fs::read(&path)?;
        if Digest::of(&bytes) != *digest {
            return Err("its digest is another".into());
        }
        Ok((path, bytes.len() as u64))
    }
}

/// No other VMs, and a silent console.
pub struct Nowhere;

impl Elsewhere for Nowhere {
    fn ready(&self, vm: &str, _: &str) -> Result<Result<(), String>, HostError> {
        Ok(Err(format!("there is no VM `{vm}`")))
    }
    fn on_console(&self, _: &str) -> Result<bool, HostError> {
        Ok(false)
    }
}

/// What came of bringing a program into a guest, and what was said.
pub struct Told {
    pub result: Result<Outcome, ProvisionError>,
    pub lines: Vec<String>,
}

/// Brings a program into a guest.
pub fn bring(guest: &Sshd, program: &Program, blobs: &dyn Blobs) -> Told {
    let lines = Mutex::new(Vec::new());
    let listen = |event: Event<'_>| {
        let line = match event {
            Event::Begun(step) => format!("begun {}", step.title()),
            Event::Done(step, _) => format!("done {}", step.title()),
            Event::Output(line) => format!("| {line}"),
            Event::Note(note) => format!("note {note}"),
            Event::Planned(steps, of) => format!("{steps} of {of} steps"),
            Event::Sending(..) | Event::Facts(_) => return,
        };
        lines.lock().expect("no panic").push(line);
    };
    let job = Job {
        program,
        blobs,
        elsewhere: &Nowhere,
        expects: &|_| Ok(()),
        patience: Duration::from_secs(30),
        interrupt: &Interrupt::default(),
        listen: &listen,
    };
    let result = provision::provision(&|| Ok(guest.connect()), &job);
    Told {
        result,
        lines: lines.into_inner().expect("no panic"),
    }
}
