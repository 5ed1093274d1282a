//! What a VM's services need before its guest is spoken to: versions, artifacts, secrets, and of these the
//! program. Everything that can be refused is refused here, before anything is made.

mod artifacts;
mod offline;
mod secrets;
mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trustnet_api::service_ref::RemoteService;
use trustnet_api::vm::VirtualMachine;
use trustnet_core::artifact::{Arch, Digest};
use trustnet_core::guest_os;
use trustnet_core::lockfile::{Demand, Lock};
use trustnet_core::masks::Masks;
use trustnet_core::observed::Owner;
use trustnet_core::provision::{self, Action, Facts, Input, ServiceInput};
use trustnet_core::service::{At, Instance, Scope};
use trustnet_core::vm::VmName;
use trustnet_host::cache::download::{Progress as Received, Watch};
use trustnet_host::cache::store::Store;
use trustnet_host::interrupt::Interrupt;
use trustnet_host::secrets::Keep;

pub use self::secrets::not_kept;
use crate::Program;
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::lock_file::{LockFile, Use};
use crate::ui::Progress;

/// Whose services.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The VM's name.
    pub name: &'a VmName,
    /// What its file says.
    pub wire: &'a VirtualMachine,
    /// The folder of the file.
    pub folder: &'a Path,
    /// Its services, in the order of their dependencies.
    pub services: &'a [Instance],
}

/// What is brought into a guest, and what belongs to it.
pub struct Prepared {
    /// The program.
    pub program: provision::Program,
    /// Secrets, to be masked in what is said.
    pub masks: Masks,
    /// The services with their versions.
    pub versions: Vec<(String, String)>,
    /// The services of the guest that each of them needs.
    pub needs: BTreeMap<String, Vec<String>>,
    /// The guest's distribution, where something was chosen for it.
    pub guest_os: Option<String>,
    /// The architecture.
    pub arch: Arch,
    /// The artifacts with their sizes.
    pub blobs: Vec<(Digest, u64)>,
}

/// An artifact that was got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// The service.
    pub service: String,
    /// Its version.
    pub version: String,
    /// The artifact's name.
    pub name: String,
    /// How many files it is.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Whether something had to be fetched.
    pub fetched: bool,
}

/// Prepares the services of the VMs of an invocation.
pub struct Preparer<'a> {
    program: &'a Program,
    /// The artifacts.
    pub store: Store,
    arch: Arch,
    offline: bool,
    update: bool,
    looking: bool,
    interrupt: Interrupt,
}

impl<'a> Preparer<'a> {
    /// Opens the cache.
    ///
    /// # Errors
    /// It cannot be opened, or the hypervisor's architecture is not known.
    pub fn new(
        program: &'a Program,
        arch: &str,
        offline: bool,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let arch = Arch::parse(arch).map_err(|why| Failure::new(Exit::Vm, why.to_string()))?;
        let store = Store::open(&program.env.paths()?.artifacts)?;
        Ok(Self {
            program,
            store,
            arch,
            offline,
            update: false,
            looking: false,
            interrupt: interrupt.clone(),
        })
    }

    /// Whether what is locked is looked up anew.
    #[must_use]
    pub fn update(self, update: bool) -> Self {
        Self { update, ..self }
    }

    /// Whether what is in the cache already is hashed again: it costs time, and tells damage before anything is made.
    #[must_use]
    pub fn looking_for_damage(self, looking: bool) -> Self {
        Self { looking, ..self }
    }

    /// Gets everything that a VM's services need, and makes their program.
    ///
    /// # Errors
    /// Something is not to be had, or does not fit.
    pub fn prepare(
        &self,
        asked: &Asked<'_>,
        at: Locate<'_>,
        keep: Keep,
        progress: &Progress<'_>,
    ) -> Result<Prepared, Failure> {
        let os = guest_os::of(asked.wire);
        let mut inputs = Vec::new();
        let mut blobs = Vec::new();
        let mut secrets = Vec::new();
        self.locked(asked.folder, asked.services, os.as_deref(), |lock| {
            let watching = Watching {
                progress,
                interrupt: &self.interrupt,
            };
            for instance in asked.services {
                let version = self.version(instance, lock, &watching)?;
                let scope = self.scope(asked, instance, &version, at)?;
                progress.begin(format!("getting what `{}` needs", instance.name()));
                let had = self.artifacts(instance, &scope, os.as_deref(), lock, &watching)?;
                blobs.extend(had.values().flat_map(|one| one.blobs.clone()));
                let artifacts = had
                    .into_iter()
                    .map(|(name, one)| (name, one.pinned))
                    .collect();
                let values = self.secrets(asked, instance, keep)?;
                secrets.extend(values.values().cloned());
                inputs.push(ServiceInput {
                    instance,
                    scope,
                    secrets: values,
                    artifacts,
                });
            }
            Ok(())
        })?;
        let mounts = asked.wire.spec.data_disks.iter();
        let mounts: Vec<String> = mounts.filter_map(|disk| disk.mount_path.clone()).collect();
        let program = provision::build(&Input {
            services: &inputs,
            mounts: &mounts,
        })
        .map_err(|why| Failure::new(Exit::Spec, format!("`{}`: {why}", asked.name)))?;
        Ok(Prepared {
            program,
            masks: Masks::new(secrets.iter().map(String::as_str)),
            versions: inputs
                .iter()
                .map(|input| {
                    (
                        input.instance.name().to_owned(),
                        input.scope.version.clone(),
                    )
                })
                .collect(),
            needs: needs(asked.services),
            guest_os: os,
            arch: self.arch,
            blobs,
        })
    }

    /// Gets what services need, for no VM in particular.
    ///
    /// # Errors
    /// Something is not to be had.
    pub fn fetch(
        &self,
        services: &[Instance],
        folder: &Path,
        os: Option<&str>,
        progress: &Progress<'_>,
    ) -> Result<Vec<Got>, Failure> {
        let mut all = Vec::new();
        self.locked(folder, services, os, |lock| {
            let watching = Watching {
                progress,
                interrupt: &self.interrupt,
            };
            for instance in services {
                let version = self.version(instance, lock, &watching)?;
                let scope = instance.scope("", &version, self.arch);
                progress.begin(format!("getting what `{}` needs", instance.name()));
                for (name, one) in self.artifacts(instance, &scope, os, lock, &watching)? {
                    all.push(Got {
                        service: instance.name().to_owned(),
                        version: version.clone(),
                        name,
                        files: one.blobs.len(),
                        bytes: one.blobs.iter().map(|(_, size)| size).sum(),
                        fetched: one.fetched,
                    });
                }
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Works with the lock beside the specs of a folder. One at a time does: the second VM finds what the
    /// first one has fetched.
    fn locked(
        &self,
        folder: &Path,
        services: &[Instance],
        os: Option<&str>,
        work: impl FnOnce(&mut Lock) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let how = match (self.offline, self.update) {
            (true, _) => Use::Read,
            (false, true) => Use::Renew(self.arch, os),
            (false, false) => Use::Add,
        };
        let services: Vec<&str> = services.iter().map(Instance::name).collect();
        let file = LockFile {
            paths: self.program.env.paths()?,
            folder,
            interrupt: &self.interrupt,
        };
        file.with(how, &services, work)
    }

    /// Takes out of the lock of a folder what nobody asks for any more, of those services that are `concerned`.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn forget(
        &self,
        folder: &Path,
        demands: &[Demand],
        concerned: impl Fn(&str) -> bool,
    ) -> Result<(), Failure> {
        let file = LockFile {
            paths: self.program.env.paths()?,
            folder,
            interrupt: &self.interrupt,
        };
        file.with(Use::Add, &[], |lock| {
            lock.retain(demands, concerned);
            Ok(())
        })
    }

    /// What the templates of a service may speak of, without secrets.
    ///
    /// # Errors
    /// It is not known where something answers that it depends on.
    pub fn scope(
        &self,
        asked: &Asked<'_>,
        instance: &Instance,
        version: &str,
        at: Locate<'_>,
    ) -> Result<Scope, Failure> {
        let refused =
            |why: String| Failure::new(Exit::Spec, format!("service `{}`: {why}", instance.name()));
        let mut scope = instance.scope(asked.name.as_str(), version, self.arch);
        for need in &instance.dependencies {
            let there = match &need.remote {
                Some(remote) => at(remote)?.ok_or_else(|| {
                    refused(format!("it is not known where `{}` answers", need.service))
                        .hint("give its `host` and `port` under `dependencies`")
                })?,
                None => {
                    let other = asked.services.iter().find(|one| one.name() == need.service);
                    let port = match other {
                        Some(other) => {
                            let scope = other.scope(asked.name.as_str(), version, self.arch);
                            other
                                .port(None, &scope)
                                .map_err(|why| refused(why.to_string()))?
                        }
                        None => None,
                    };
                    At {
                        host: "127.0.0.1".to_owned(),
                        port: port.unwrap_or_default(),
                    }
                }
            };
            scope.dependencies.insert(need.service.clone(), there);
        }
        Ok(scope)
    }

    /// The architecture of the guests.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The artifacts, for sending.
    #[must_use]
    pub fn blobs(&self) -> Stored<'_> {
        Stored(&self.store)
    }
}

/// Tells where a service of another VM answers, as far as that is known.
pub type Locate<'a> = &'a dyn Fn(&RemoteService) -> Result<Option<At>, Failure>;

/// The store, as provisioning takes artifacts from it: each looked at before it leaves.
pub struct Stored<'a>(&'a Store);

impl trustnet_host::provision::Blobs for Stored<'_> {
    fn take(
        &self,
        digest: &Digest,
    ) -> Result<(PathBuf, u64), Box<dyn std::error::Error + Send + Sync>> {
        let path = self.0.verify_one(digest)?;
        Ok((path, self.0.size(digest)?))
    }
}

/// Shows downloads, and stops them.
struct Watching<'a> {
    progress: &'a Progress<'a>,
    interrupt: &'a Interrupt,
}

impl Watch for Watching<'_> {
    fn progress(&self, received: Received) {
        let mib = |bytes: u64| bytes >> 20;
        self.progress.begin(match received.total {
            Some(total) => format!("fetching {} of {} MiB", mib(received.received), mib(total)),
            None => format!("fetching, {} MiB so far", mib(received.received)),
        });
    }
    fn stopped(&self) -> bool {
        self.interrupt.stop()
    }
}

/// What each service needs of the others in its guest.
fn needs(services: &[Instance]) -> BTreeMap<String, Vec<String>> {
    let needs = services.iter().map(|one| {
        let here = one.dependencies.iter().filter(|need| need.here);
        let here = here.map(|need| need.service.clone()).collect();
        (one.name().to_owned(), here)
    });
    needs.collect()
}

/// Refuses a guest that the program was not made for.
///
/// # Errors
/// What is different.
pub fn fits(prepared: &Prepared, facts: &Facts) -> Result<(), String> {
    if facts.machine != prepared.arch.libvirt() && !facts.machine.is_empty() {
        return Err(format!(
            "the guest is {}, and the artifacts are for {}",
            facts.machine, prepared.arch
        ));
    }
    let mut steps = prepared.program.steps.iter();
    let chosen = steps.any(|step| matches!(step.action, Action::Packages { .. }));
    match &prepared.guest_os {
        Some(os) if chosen => guest_os::fits(os, facts),
        _ => Ok(()),
    }
}

/// Where a service of another VM answers, by that VM's spec.
#[must_use]
pub fn address_of(vm: &VirtualMachine) -> Option<String> {
    crate::status::static_addresses(vm)
        .first()
        .map(|address| address.split('/').next().unwrap_or(address).to_owned())
}

/// The spec of a VM of ours; nothing, if there is none.
///
/// # Errors
/// The hypervisor does not say.
pub fn spec_of(host: &Host, name: &str) -> Result<Option<VirtualMachine>, Failure> {
    let Some(domain) = host.hypervisor.domains().find(name)? else {
        return Ok(None);
    };
    Ok(match domain.owner {
        Owner::Ours(record) => Some(record.spec),
        _ => None,
    })
}
