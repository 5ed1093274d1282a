//! What a VM's services need before its guest is spoken to: versions, artifacts, secrets, and of these the
//! program. Everything that can be refused is refused here, before anything is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use trustnet_api::secret::{Alphabet, Generate, SecretString, ValueFrom};
use trustnet_api::service::ServiceSecret;
use trustnet_api::service_ref::RemoteService;
use trustnet_api::vm::VirtualMachine;
use trustnet_core::artifact::{Arch, Digest};
use trustnet_core::guest_os;
use trustnet_core::lockfile::{Lock, Missing};
use trustnet_core::masks::{Masks, SHORTEST};
use trustnet_core::observed::Owner;
use trustnet_core::provision::{self, Action, Facts, Input, ServiceInput};
use trustnet_core::service::{At, Instance, Origin, Scope, Wanted};
use trustnet_core::version;
use trustnet_core::vm::VmName;
use trustnet_host::cache::deb::Mirrors;
use trustnet_host::cache::download::{Http, Limits, Progress as Received, Watch};
use trustnet_host::cache::obtain::{ObtainError, Obtained, Obtainer};
use trustnet_host::cache::store::Store;
use trustnet_host::cache::versions::{VersionList, look_up};
use trustnet_host::error::chain;
use trustnet_host::interrupt::Interrupt;
use trustnet_host::secrets::{Keep, Sources};

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
            interrupt: interrupt.clone(),
        })
    }

    /// Whether what is locked is looked up anew.
    #[must_use]
    pub fn update(self, update: bool) -> Self {
        Self { update, ..self }
    }

    /// Gets everything that a VM's services need, and makes their program.
    ///
    /// # Errors
    /// Something is not to be had, or does not fit.
    pub fn prepare(
        &self,
        asked: &Asked<'_>,
        at: &dyn Fn(&RemoteService) -> Option<At>,
        keep: Keep,
        progress: &Progress<'_>,
    ) -> Result<Prepared, Failure> {
        let os = guest_os::of(asked.wire);
        let mut inputs = Vec::new();
        let mut blobs = Vec::new();
        let mut secrets = Vec::new();
        self.locked(asked.folder, asked.services, |lock| {
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
        self.locked(folder, services, |lock| {
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
        work: impl FnOnce(&mut Lock) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let how = match (self.offline, self.update) {
            (true, _) => Use::Read,
            (false, true) => Use::Renew,
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

    /// Where nothing may be fetched: refuses all that is missing, at once.
    ///
    /// # Errors
    /// Something is not in the cache, or a version is not locked.
    pub fn refuse_missing<'b>(
        &self,
        asks: impl IntoIterator<Item = (&'b [Instance], &'b Path, Option<String>)>,
        progress: &Progress<'_>,
    ) -> Result<(), Failure> {
        let mut missing = BTreeSet::new();
        if !self.offline {
            return Ok(());
        }
        let watching = Watching {
            progress,
            interrupt: &self.interrupt,
        };
        for (services, folder, os) in asks {
            self.locked(folder, services, |lock| {
                for instance in services {
                    let Ok(version) = self.version(instance, lock, &watching) else {
                        let requested = instance.requested.as_deref().unwrap_or_default();
                        let name = instance.name();
                        missing.insert(format!("version `{requested}` of `{name}` is not locked"));
                        continue;
                    };
                    let scope = instance.scope("", &version, self.arch);
                    let (wanted, folder) = self.wanted(instance, &scope, os.as_deref())?;
                    let obtainer = self.obtainer(&watching)?;
                    for one in &wanted {
                        if let Err(ObtainError::Offline { what, files }) =
                            obtainer.obtain(one, &folder, lock)
                        {
                            let mut lines = vec![format!("{what} is not in the cache")];
                            let files = Missing::lines(&files);
                            lines.extend(files.iter().map(|file| format!("  {file}")));
                            missing.insert(lines.join("\n  "));
                        }
                    }
                }
                Ok(())
            })?;
        }
        let all: Vec<String> = missing.into_iter().collect();
        let message = match all.as_slice() {
            [] => return Ok(()),
            [one] if !one.contains('\n') => format!("{one}, and nothing may be fetched"),
            all => format!("nothing may be fetched, and\n  {}", all.join("\n  ")),
        };
        Err(Failure::new(Exit::Provision, message).hint(
            "fetch it with a network: `trustnet-vm cache fetch`, or `cache import` an archive",
        ))
    }

    /// The version: exact, or locked, or looked up.
    fn version(
        &self,
        instance: &Instance,
        lock: &mut Lock,
        watching: &Watching<'_>,
    ) -> Result<String, Failure> {
        if let Some(exact) = instance.exact_version() {
            return Ok(exact.to_owned());
        }
        let requested = instance.requested.as_deref().unwrap_or_default();
        if let Some(locked) = lock.version(instance.name(), requested) {
            return Ok(locked.to_owned());
        }
        let what = format!("version `{requested}` of `{}`", instance.name());
        let refused =
            |why: String| Failure::new(Exit::Spec, format!("failed to find {what}: {why}"));
        if self.offline {
            return Err(Failure::new(
                Exit::Provision,
                format!("{what} is not locked, and nothing may be fetched"),
            )
            .hint("look it up with a network: `trustnet-vm cache fetch`"));
        }
        let wanted = version::Request::parse(requested).map_err(|why| refused(why.to_string()))?;
        let spec = instance.definition.spec();
        let Some(source) = &spec.version_source else {
            // Without a list there is one version that is known.
            if wanted.choose([spec.version.as_str()]).is_some() {
                return Ok(spec.version.clone());
            }
            let why = format!("its definition lists no versions but `{}`", spec.version);
            return Err(refused(why).hint("write an exact version"));
        };
        let list = match (&source.text, &source.github, &source.page) {
            (Some(url), ..) => VersionList::Text { url: url.clone() },
            (_, Some(repository), _) => VersionList::github(repository),
            (.., page) => VersionList::Page {
                url: page.clone().unwrap_or_default(),
                pattern: None,
            },
        };
        let http = Http::new(Limits::default()).map_err(|error| refused(chain(&error)))?;
        let found = look_up(&http, &list, &wanted, watching).map_err(|error| {
            Failure::new(
                Exit::Provision,
                format!("failed to find {what}: {}", chain(&error)),
            )
        })?;
        let found = found
            .trim_start_matches(|c: char| c.is_ascii_alphabetic())
            .to_owned();
        lock.set_version(instance.name(), requested, &found);
        Ok(found)
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
        at: &dyn Fn(&RemoteService) -> Option<At>,
    ) -> Result<Scope, Failure> {
        let refused =
            |why: String| Failure::new(Exit::Spec, format!("service `{}`: {why}", instance.name()));
        let mut scope = instance.scope(asked.name.as_str(), version, self.arch);
        for need in &instance.dependencies {
            let there = match &need.remote {
                Some(remote) => at(remote).ok_or_else(|| {
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

    fn artifacts(
        &self,
        instance: &Instance,
        scope: &Scope,
        os: Option<&str>,
        lock: &mut Lock,
        watching: &Watching<'_>,
    ) -> Result<BTreeMap<String, Obtained>, Failure> {
        let (wanted, folder) = self.wanted(instance, scope, os)?;
        let obtainer = self.obtainer(watching)?;
        let mut all = BTreeMap::new();
        for one in &wanted {
            let obtained = obtainer
                .obtain(one, &folder, lock)
                .map_err(|error| not_had(&error))?;
            all.insert(one.name.clone(), obtained);
        }
        Ok(all)
    }

    /// The artifacts of a service, and the folder that local ones begin at.
    fn wanted(
        &self,
        instance: &Instance,
        scope: &Scope,
        os: Option<&str>,
    ) -> Result<(Vec<Wanted>, PathBuf), Failure> {
        let refused =
            |why: String| Failure::new(Exit::Spec, format!("service `{}`: {why}", instance.name()));
        let apt = instance.definition.spec().artifacts.iter();
        let needs_os = apt.into_iter().any(|artifact| artifact.packages.is_some());
        if needs_os && os.is_none() {
            return Err(refused(
                "its packages depend on the guest's distribution, which is not known".to_owned(),
            )
            .hint("write it into the VM's spec, such as `guestOS: debian-12`"));
        }
        let wanted = instance
            .wanted(scope, self.arch, os.unwrap_or_default())
            .map_err(|why| refused(why.to_string()))?;
        let folder = match instance.definition.origin() {
            Origin::File(path) => Path::new(path).parent().map(Path::to_owned),
            Origin::BuiltIn => None,
        };
        Ok((wanted, folder.unwrap_or_else(|| PathBuf::from("."))))
    }

    fn obtainer<'b>(&'b self, watching: &'b Watching<'b>) -> Result<Obtainer<'b>, Failure> {
        Ok(Obtainer {
            store: &self.store,
            offline: self.offline,
            mirrors: self.mirrors(),
            indexes: self.program.env.paths()?.cache.join("indexes"),
            now: now(),
            watch: watching,
        })
    }

    fn mirrors(&self) -> Mirrors {
        Mirrors {
            archive: self.program.env.text("TRUSTNET_VM_DEB_MIRROR"),
            security: self.program.env.text("TRUSTNET_VM_DEB_SECURITY_MIRROR"),
        }
    }

    fn secrets(
        &self,
        asked: &Asked<'_>,
        instance: &Instance,
        keep: Keep,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let var = |name: &str| self.program.env.var(name);
        let sources = Sources {
            folder: asked.folder,
            paths: self.program.env.paths()?,
            var: &var,
            keep,
        };
        let secrets = instance.definition.spec().secrets.iter();
        secrets
            .map(|(name, secret)| {
                let value = secret_of(&sources, asked.name, instance, (name, secret))?;
                Ok((name.clone(), value))
            })
            .collect()
    }

    /// The secrets of a service, as far as they are known, to be masked in what is said.
    #[must_use]
    pub fn known_secrets(&self, asked: &Asked<'_>, instance: &Instance) -> Vec<String> {
        let var = |name: &str| self.program.env.var(name);
        let Ok(paths) = self.program.env.paths() else {
            return Vec::new();
        };
        let sources = Sources {
            folder: asked.folder,
            paths,
            var: &var,
            keep: Keep::No,
        };
        let secrets = instance.definition.spec().secrets.iter();
        secrets
            .filter_map(|one| secret_of(&sources, asked.name, instance, one).ok())
            .collect()
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

/// The value of one secret of a service.
fn secret_of(
    sources: &Sources<'_>,
    vm: &VmName,
    instance: &Instance,
    (name, secret): (&String, &ServiceSecret),
) -> Result<String, Failure> {
    let value = match instance.wire.secrets.get(name) {
        Some(SecretString::Inline(value)) => value.clone(),
        Some(SecretString::ValueFrom(from)) => sources.read(vm, from)?,
        Some(SecretString::Redacted(_)) => return Err(not_kept(instance.name(), name)),
        None => sources.read(vm, &generated(instance.name(), name, secret.length))?,
    };
    if value.trim().len() < SHORTEST {
        return Err(Failure::new(
            Exit::Spec,
            format!(
                "secret `{name}` of `{}` has fewer than {SHORTEST} bytes, and could not be kept out of logs",
                instance.name()
            ),
        )
        .hint("give a longer one, or none: then one is generated"));
    }
    Ok(value)
}

/// Why a secret that stood in a spec is not known any more.
#[must_use]
pub fn not_kept(service: &str, name: &str) -> Failure {
    Failure::new(
        Exit::Spec,
        format!("secret `{name}` of `{service}` was given in the spec itself, and is not kept"),
    )
    .hint("provision with the spec's file, or give the secret by `valueFrom`")
}

/// A secret that nobody gave: made once, and kept.
fn generated(service: &str, name: &str, length: Option<u32>) -> ValueFrom {
    ValueFrom::Generate(Generate {
        name: format!("{service}.{name}"),
        length,
        alphabet: Some(Alphabet::Alphanumeric),
        shared: None,
    })
}

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

fn not_had(error: &ObtainError) -> Failure {
    let failure = Failure::new(Exit::Provision, chain(error));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
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

/// The spec of a VM that is there.
#[must_use]
pub fn spec_of(host: &Host, name: &str) -> Option<VirtualMachine> {
    let domain = host.hypervisor.domains().find(name).ok()??;
    match domain.owner {
        Owner::Ours(record) => Some(record.spec),
        _ => None,
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
