//! A stage: a definition in a text, what a VM says of it, a guest, and what happened.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use trustnet_api::service_ref::ServiceRef;
use trustnet_core::artifact::{Arch, Digest};
use trustnet_core::load::load_services;
use trustnet_core::provision::{Facts, Input, Pinned, Program, ServiceInput, build, uninstall};
use trustnet_core::service::{Catalogue, Definition, Instance, Origin, select};
use trustnet_host::error::HostError;
use trustnet_host::interrupt::Interrupt;
use trustnet_host::provision::{
    self, Blobs, Connect, Elsewhere, Event, Job, Outcome, ProvisionError,
};

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

/// The program that takes the first of services out.
pub fn uninstall_of(texts: &[&str], services: serde_json::Value) -> Program {
    let instances = select(&asked(services), &catalogue(texts)).expect("valid");
    let instance = instances.first().expect("a service");
    uninstall(&ServiceInput {
        instance,
        scope: instance.scope("web", instance.exact_version().expect("exact"), Arch::Amd64),
        secrets: BTreeMap::new(),
        artifacts: BTreeMap::new(),
    })
    .expect("a program")
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
    bring_over(&|| Ok(guest.connect()), program, blobs, PATIENCE, &|_| {})
}

/// Brings a program into a guest that is to be of a kind.
pub fn bring_expecting(
    guest: &Sshd,
    program: &Program,
    blobs: &dyn Blobs,
    expects: &dyn Fn(&Facts) -> Result<(), String>,
) -> Told {
    let connect = || Ok(guest.connect());
    take(&connect, program, blobs, PATIENCE, &|_| {}, expects)
}

/// How long a guest of these tests may be away.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Brings a program over connections of one's own, and hears each line as it comes.
pub fn bring_over(
    connect: &Connect<'_>,
    program: &Program,
    blobs: &dyn Blobs,
    patience: Duration,
    hear: &(dyn Fn(&str) + Sync),
) -> Told {
    take(connect, program, blobs, patience, hear, &|_| Ok(()))
}

fn take(
    connect: &Connect<'_>,
    program: &Program,
    blobs: &dyn Blobs,
    patience: Duration,
    hear: &(dyn Fn(&str) + Sync),
    expects: &dyn Fn(&Facts) -> Result<(), String>,
) -> Told {
    let lines = Mutex::new(Vec::new());
    let listen = |event: Event<'_>| {
        let line = match event {
            Event::Begun(step) => format!("begun {}", step.title()),
            Event::Done(step, _) => format!("done {}", step.title()),
            Event::Output(line) => format!("| {line}"),
            Event::Note(note) => format!("note {note}"),
            Event::Planned(pending, of) => {
                format!("{} of {of} steps", pending.values().sum::<usize>())
            }
            Event::Sending(..) | Event::Facts(_) => return,
        };
        hear(&line);
        lines.lock().expect("no panic").push(line);
    };
    let job = Job {
        program,
        blobs,
        elsewhere: &Nowhere,
        expects,
        patience,
        interrupt: &Interrupt::default(),
        listen: &listen,
    };
    let result = provision::provision(connect, &job);
    Told {
        result,
        lines: lines.into_inner().expect("no panic"),
    }
}

impl Told {
    /// Expects that it came to its end; how many steps were taken.
    pub fn taken(self) -> usize {
        match self.result {
            Ok(outcome) => outcome.taken,
            Err(error) => panic!("{error}\n{:#?}", self.lines),
        }
    }

    /// Expects that it did not; why.
    pub fn error(&self) -> String {
        let error = self.result.as_ref().expect_err("an error");
        trustnet_host::error::chain(error)
    }
}

/// Runs a script in a guest, expects it to succeed, and gives what it says.
pub fn inside(guest: &Sshd, script: &str) -> String {
    let mut out = Vec::new();
    let mut shell = guest.connect();
    let exit = shell
        .run(
            "sh -s 2>&1",
            &mut script.as_bytes(),
            PATIENCE,
            &mut |_, bytes| {
                out.extend_from_slice(bytes);
            },
        )
        .expect("it runs");
    let out = String::from_utf8(out).expect("UTF-8");
    assert!(exit.is_success(), "{script}: {exit}: {out}");
    out
}

impl Folder {
    /// A folder of artifacts beside a guest.
    pub fn beside(guest: &Sshd) -> Self {
        let folder = guest.shared("artifacts");
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    /// Puts an artifact there.
    pub fn put(&self, bytes: &[u8]) -> Pinned {
        let digest = Digest::of(bytes);
        std::fs::write(self.0.join(digest.to_string()), bytes).expect("a file");
        Pinned::Blob(digest)
    }
}
