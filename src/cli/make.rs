//! Making one VM: lock, look, plan, journal, apply.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use trustnet_core::artifact::ArtifactSet;
use trustnet_core::observed::Observed;
use trustnet_core::plan::{self, Artifacts, CreateInput, Goal, Plan, PublicKeys, Step};
use trustnet_core::seed::{HostKey, Seed, SeedInput};
use trustnet_core::vm::{BootSource, Vm, VmName};
use trustnet_host::apply::{self, Context, Event};
use trustnet_host::doors::HostInfo;
use trustnet_host::interrupt::Interrupt;
use trustnet_host::journal::{self, Journal, Payload};
use trustnet_host::keys::KeyPair;
use trustnet_host::lock::Lock;
use trustnet_host::ready::ReadyOptions;
use trustnet_host::secrets::{Keep, Sources};
use trustnet_host::{observe, secrets};

use trustnet_core::xml::DomainType;

use crate::Program;
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::images::{Images, Order};
use crate::specs::Spec;
use crate::ui::Progress;

/// What one invocation knows, for all its VMs.
pub struct Maker<'a> {
    /// The program.
    pub program: &'a Program,
    /// The hypervisor.
    pub host: &'a Host,
    /// What the hypervisor said of itself.
    pub info: HostInfo,
    /// The domain type, and why.
    pub domain_type: (DomainType, String),
    /// The images that VMs are made from.
    pub images: Images<'a>,
    /// Interruption by the user.
    pub interrupt: Interrupt,
    /// Whether to wait for guests.
    pub wait: bool,
    /// Whether it makes one VM only: then it looks at its pool's room, which otherwise was done for all.
    pub alone: bool,
    /// Whether nothing is fetched.
    pub offline: bool,
    /// What the services of each VM need, by the VM's name; a VM that is not there needs nothing.
    pub artifacts: BTreeMap<String, ArtifactSet>,
}

/// What came of one VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was made.
    Created,
    /// It was there already, made from the same spec.
    Unchanged,
}

/// A plan with what applying it needs.
pub struct Planned {
    /// The goal.
    pub goal: Goal,
    /// What is made of secrets, and new each time; none of a VM that is there.
    pub made: Option<MadeNew>,
}

/// A VM's keys, and the seed that has them.
pub struct MadeNew {
    seed: Vec<u8>,
    host_key: KeyPair,
    login_key: KeyPair,
}

/// The planning lock, held until the domain is defined: what we found free stays free until it is ours.
pub struct UntilDefined(Mutex<Option<Lock>>);

impl UntilDefined {
    /// Holds the lock.
    pub fn held(lock: Lock) -> Self {
        Self(Mutex::new(Some(lock)))
    }

    /// Lets go of it once the domain is defined, or what was made is being undone.
    pub fn see(&self, event: &Event<'_>) {
        if matches!(
            event,
            Event::Finished(_, Step::DefineDomain { .. }, _) | Event::Undoing(..)
        ) && let Ok(mut lock) = self.0.lock()
        {
            lock.take();
        }
    }
}

impl Maker<'_> {
    /// Makes one VM.
    ///
    /// # Errors
    /// Anything that stands in the way, or fails.
    pub fn make(&self, spec: &Spec, progress: &Progress<'_>) -> Result<Made, Failure> {
        let name = spec.vm.name().as_str();
        let _mine = lock_vm(self.host, name)?;
        refuse_leftover(self.host, name)?;
        progress.begin("looking at the host");
        let mut planning = self.planning()?;
        let mut observed = self.observe(spec)?;
        if let Some(order) = self.images.missing(&spec.vm, &mut observed)? {
            // It may take long, and others need the lock.
            drop(planning);
            self.pull(spec, &order, progress)?;
            planning = self.planning()?;
            observed = self.observe(spec)?;
        }
        if !self.images.looks_known(&spec.vm, &observed)? {
            // All of it is read, and others need the lock.
            drop(planning);
            let read = self.images.stamp(&observed);
            self.images.check(&spec.vm, &observed, progress)?;
            planning = self.planning()?;
            observed = self.observe(spec)?;
            if self.images.stamp(&observed) != read {
                self.images.check(&spec.vm, &observed, progress)?;
            }
        }
        let planning = UntilDefined::held(planning);
        let Planned { goal, made } = self.plan(spec, &observed, Keep::Yes)?;
        let (Goal::Steps(plan), Some(made)) = (goal, made) else {
            return Ok(Made::Unchanged);
        };
        let payload = Payload {
            seed: &made.seed,
            login_key: &made.login_key.private_pem()?,
        };
        let journal = Journal::begin(&self.host.journal_dir(name), *plan, Some(payload))?;
        let listen = |event: Event<'_>| {
            planning.see(&event);
            show(progress, event);
        };
        let ready = ready_options(self.program, self.host);
        let context = Context {
            hypervisor: &*self.host.hypervisor,
            ready,
            interrupt: &self.interrupt,
            listen: &listen,
        };
        apply::apply(journal, &context)?;
        Ok(Made::Created)
    }

    /// Pulls the image that a spec asks for.
    fn pull(&self, spec: &Spec, order: &Order, progress: &Progress<'_>) -> Result<(), Failure> {
        let BootSource::Volume { pool, volume } = &spec.vm.boot_disk().source else {
            return Ok(());
        };
        if self.offline {
            let message = format!(
                "there is no image `{volume}` in pool `{pool}`, and nothing is fetched offline"
            );
            return Err(Failure::new(Exit::Storage, message).hint(format!(
                "`trustnet-vm image pull {volume} --pool {pool}` brings it before"
            )));
        }
        progress.note(format!(
            "pulling the image `{volume}` from {}",
            order.wanted.url
        ));
        let begun = Instant::now();
        self.images.pull(pool, order, None, progress)?;
        progress.done(
            format!("image `{volume}` pulled into pool `{pool}`"),
            begun.elapsed(),
        );
        Ok(())
    }

    /// What the services of a VM need, and how many VMs of this invocation need the same.
    fn artifacts_of(&self, name: &str) -> Option<Artifacts<'_>> {
        let set = self.artifacts.get(name)?;
        let sharing = self
            .artifacts
            .values()
            .filter(|other| *other == set)
            .count();
        Some(Artifacts { set, sharing })
    }

    /// The lock that is held while the host is looked at: no pool is looked through while another run
    /// writes to it.
    ///
    /// # Errors
    /// The user interrupts the waiting for it.
    pub fn planning(&self) -> Result<Lock, Failure> {
        self.host.lock_planning(&self.interrupt)
    }

    /// Looks at everything that a VM needs of the host.
    ///
    /// # Errors
    /// The hypervisor refuses to tell.
    pub fn observe(&self, spec: &Spec) -> Result<Observed, Failure> {
        let vm = &spec.vm;
        let data_dir = self.host.data_dir(&self.info);
        let domain_type = Some(self.domain_type.clone());
        Ok(observe::observe(
            &*self.host.hypervisor,
            vm,
            &self.info,
            domain_type,
            &data_dir,
            self.artifacts_of(vm.name().as_str())
                .map(|wanted| wanted.set),
        )?)
    }

    /// Plans one VM from what was seen of the host: reads its secrets, makes its keys. Secrets that are generated
    /// are kept where something is made of the plan.
    ///
    /// # Errors
    /// Anything that stands in the way.
    pub fn plan(&self, spec: &Spec, observed: &Observed, keep: Keep) -> Result<Planned, Failure> {
        let vm = &spec.vm;
        let there = observed
            .domains
            .iter()
            .find(|domain| domain.xml.name == vm.name().as_str());
        let exists = there.is_some();
        let as_made = there
            .and_then(|domain| domain.owner.record())
            .and_then(|record| spec.unsaid.as_made(vm, record));
        let vm = as_made.as_ref().unwrap_or(vm);
        // Of a VM that is there only the digest counts: no secret is read, no key made for it.
        let made = if exists {
            None
        } else {
            Some(self.make_new(spec, keep)?)
        };
        // Only what is looked up later, when services are brought, needs to know where the spec was.
        let folder = std::path::absolute(&spec.folder).ok();
        let folder = folder.filter(|_| !vm.wire().spec.services.is_empty());
        let folder = folder.map(|folder| folder.to_string_lossy().into_owned());
        let seed_size = made.as_ref().map_or(0, |made| made.seed.len() as u64);
        let goal = plan::create(&CreateInput {
            vm,
            observed,
            keys: PublicKeys {
                host: made.as_ref().map_or("", |made| made.host_key.public()),
                login: made.as_ref().map_or("", |made| made.login_key.public()),
            },
            seed_size,
            folder: folder.as_deref(),
            wait: self.wait,
            version: env!("CARGO_PKG_VERSION"),
            artifacts: self.artifacts_of(vm.name().as_str()),
        })?;
        if self.alone && !exists {
            self.warn_of_room(vm, observed, seed_size)?;
        }
        Ok(Planned { goal, made })
    }

    /// Warns where a VM's disks can come to take more than its pool has.
    fn warn_of_room(&self, vm: &Vm, observed: &Observed, seed_size: u64) -> Result<(), Failure> {
        let Some(pool) = observed.pools.get(vm.pool()) else {
            return Ok(());
        };
        let demand = plan::demand(vm, Some(pool), seed_size);
        let fits = plan::fits(vm.pool(), pool, &[vm.name().as_str()], demand);
        if let Some(warning) = fits.map_err(|refusal| Failure::from(vec![refusal]))? {
            self.program.ui.warn(warning);
        }
        Ok(())
    }

    /// Reads the secrets of a VM, and makes its keys and its seed.
    fn make_new(&self, spec: &Spec, keep: Keep) -> Result<MadeNew, Failure> {
        let vm = &spec.vm;
        if let Some(path) = vm.redacted_secrets().first() {
            return Err(Failure::new(
                Exit::Spec,
                format!("`{path}` was redacted when the spec was printed"),
            )
            .hint("put the value itself there, or a `valueFrom`"));
        }
        let secrets = secrets::read(
            vm,
            &Sources {
                folder: &spec.folder,
                paths: &self.host.paths,
                var: &|name| self.program.env.var(name),
                keep,
            },
        )?;
        vm.check_secrets(&secrets).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::new(Exit::Spec, problems.join("; "))
        })?;
        let comment = format!("trustnet-vm {}", vm.name());
        let host_key = KeyPair::generate(&comment)?;
        let login_key = KeyPair::generate(&comment)?;
        let private = host_key.private_pem()?;
        let seed = Seed::render(&SeedInput {
            vm,
            secrets: &secrets,
            host_key: Some(HostKey {
                private_openssh: &private,
                public_openssh: host_key.public(),
            }),
            login_key: Some(login_key.public()),
        })
        .map_err(|error| {
            Failure::new(
                Exit::Spec,
                format!("failed to make the seed of `{}`: {error}", vm.name()),
            )
        })?;
        Ok(MadeNew {
            seed: seed.to_iso(),
            host_key,
            login_key,
        })
    }
}

/// Takes the lock of a VM; of two runs on the same name one wins, and the other is told.
///
/// # Errors
/// Another run has it, or no VM can have this name.
pub fn lock_vm(host: &Host, name: &str) -> Result<Lock, Failure> {
    // A name is a file's name too.
    VmName::parse(name)
        .map_err(|why| Failure::new(Exit::Usage, format!("`{name}` is no VM's name: {why}")))?;
    let lock = Lock::try_take(&host.vm_lock(name))?.ok_or_else(|| {
        Failure::new(
            Exit::Vm,
            format!("another trustnet-vm is working on `{name}`"),
        )
        .hint("wait until it is done, then look with `trustnet-vm list`")
    })?;
    journal::sweep(&host.journal_dir(name))?;
    Ok(lock)
}

/// Refuses to work on a VM with a journal.
///
/// # Errors
/// There is one.
pub fn refuse_leftover(host: &Host, name: &str) -> Result<(), Failure> {
    match Journal::open(&host.journal_dir(name))? {
        None => Ok(()),
        Some(journal) => {
            let Plan { verb, .. } = journal.plan();
            Err(Failure::new(
                Exit::Interrupted,
                format!("a {} of `{name}` was interrupted", verb_word(*verb)),
            )
            .hint(format!(
                "`trustnet-vm resume {name}` finishes it, `trustnet-vm rollback {name}` undoes it"
            )))
        }
    }
}

/// Says that there is a journal of a VM, where that keeps nothing from being done. While a run holds
/// the VM, the journal is that run's, and nothing was interrupted.
///
/// # Errors
/// It cannot be told whether a run holds the VM.
pub fn warn_of_leftover(program: &Program, host: &Host, name: &str) -> Result<(), Failure> {
    if Lock::try_take(&host.vm_lock(name))?.is_some() {
        program.ui.warn(format!(
            "work on `{name}` was interrupted: `trustnet-vm resume {name}` finishes it, `rollback` undoes it"
        ));
    }
    Ok(())
}

/// The verb as a word.
#[must_use]
pub fn verb_word(verb: plan::Verb) -> &'static str {
    match verb {
        plan::Verb::Create => "create",
        plan::Verb::Destroy => "destroy",
    }
}

/// How to wait for guests.
pub fn ready_options<'a>(program: &Program, host: &'a Host) -> ReadyOptions<'a> {
    ReadyOptions {
        until: trustnet_core::readiness::Phase::Ready,
        timeout: program.settings.timeout.value,
        paths: &host.paths,
        uri: &host.uri,
    }
}

/// Shows an event.
pub fn show(progress: &Progress<'_>, event: Event<'_>) {
    match event {
        Event::Started(_, step) => progress.begin(step),
        Event::Finished(_, step, took) => progress.done(step, took),
        Event::Guest(phase) => progress.reached(phase),
        Event::Note(note) => progress.note(note),
        Event::Undoing(_, step) => progress.begin(format!("undoing: {step}")),
    }
}
