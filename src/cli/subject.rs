//! What is known of a VM before its guest is asked: its record, its services with all values filled in, the
//! program that they are, and the secrets that are not to be shown. What is not known says why; nothing is fetched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trustnet_api::secret::SecretString;
use trustnet_api::service_ref::RemoteService;
use trustnet_core::masks::Masks;
use trustnet_core::observed::DomainFacts;
use trustnet_core::problem::Problem;
use trustnet_core::provision;
use trustnet_core::record::Record;
use trustnet_core::service::{At, Catalogue, Instance, Scope, select};
use trustnet_core::vm::VmName;
use trustnet_host::interrupt::Interrupt;
use trustnet_host::secrets::Keep;

use crate::Program;
use crate::failure::{Exit, Failure};
use crate::fleet::locate;
use crate::host::Host;
use crate::prepare::{Asked, Preparer, not_kept};
use crate::verbs::power::ours;

/// A VM that is looked at.
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: DomainFacts,
    /// Its record.
    pub record: Record,
    /// Its services, each after those that it depends on; or why they are not known.
    pub services: Result<Vec<Service>, String>,
    /// The steps of all of them, or why they are not known.
    pub program: Result<provision::Program, String>,
    /// What is not to be shown.
    pub masks: Masks,
}

/// A service of a VM.
pub struct Service {
    /// The service.
    pub instance: Instance,
    /// Its version, where it is known.
    pub version: Option<String>,
    /// What its templates may speak of, or why they cannot be filled in.
    pub scope: Result<Scope, String>,
}

/// Finds out what is known of VMs.
pub struct Lookup<'a> {
    program: &'a Program,
    host: &'a Host,
    catalogue: Result<Catalogue, String>,
    preparer: Result<Preparer<'a>, String>,
    steps: bool,
}

impl<'a> Lookup<'a> {
    /// Opens the catalogue and the cache. Where that fails, there is less to know.
    pub fn new(program: &'a Program, host: &'a Host) -> Self {
        let info = host.hypervisor.survey().host();
        let preparer = info.map_err(Failure::from).and_then(|info| {
            // Nothing is waited for here that a signal would have to stop.
            Preparer::new(program, &info.arch, true, &Interrupt::default())
        });
        Self {
            program,
            host,
            catalogue: program.catalogue().map_err(|failure| failure.message),
            preparer: preparer.map_err(|failure| failure.message),
            steps: true,
        }
    }

    /// The same, without the steps of the services, which cost a look at every artifact.
    #[must_use]
    pub fn without_steps(self) -> Self {
        Self {
            steps: false,
            ..self
        }
    }

    /// What is known of a VM.
    ///
    /// # Errors
    /// It is not there, or not ours.
    pub fn subject(&self, name: &str) -> Result<Subject, Failure> {
        let (domain, record) = ours(self.host, name)?;
        let mut subject = Subject {
            name: domain.xml.name.clone(),
            domain,
            record,
            services: Ok(Vec::new()),
            program: Ok(provision::Program::default()),
            masks: Masks::default(),
        };
        if subject.record.spec.spec.services.is_empty() {
            return Ok(subject);
        }
        match self.instances(&subject.record) {
            Ok(instances) => self.fill(&mut subject, instances),
            Err(why) => {
                subject.services = Err(why.clone());
                subject.program = Err(why);
            }
        }
        Ok(subject)
    }

    /// The services of a record. A secret that was redacted there is no reason not to know them.
    fn instances(&self, record: &Record) -> Result<Vec<Instance>, String> {
        let catalogue = self.catalogue.as_ref()?;
        let mut wanted = record.spec.spec.services.clone();
        for secret in wanted.iter_mut().flat_map(|one| one.secrets.values_mut()) {
            if matches!(secret, SecretString::Redacted(_)) {
                *secret = SecretString::Inline(String::new());
            }
        }
        select(&wanted, catalogue).map_err(|problems| {
            let problems = problems.iter().map(Problem::to_string);
            problems.collect::<Vec<_>>().join("; ")
        })
    }

    fn fill(&self, subject: &mut Subject, instances: Vec<Instance>) {
        let preparer = match &self.preparer {
            Ok(preparer) => preparer,
            Err(why) => {
                subject.services = Err(why.clone());
                subject.program = Err(why.clone());
                return;
            }
        };
        let Ok(name) = VmName::parse(&subject.name) else {
            subject.services = Err("its name is none of ours".to_owned());
            return;
        };
        let folder = subject.record.folder.as_ref();
        let folder = folder.map_or_else(|| PathBuf::from("."), PathBuf::from);
        let asked = asked(&name, &subject.record, &folder, &instances);
        let at = |remote: &RemoteService| self.locate(&asked, preparer, remote);
        let secrets = instances
            .iter()
            .flat_map(|one| preparer.known_secrets(&asked, one));
        let secrets: Vec<String> = secrets.collect();
        subject.masks = Masks::new(secrets.iter().map(String::as_str));
        let program = match lost_secret(&subject.record) {
            Some((service, secret)) => Err(not_kept(&service, &secret)),
            None if !self.steps => Err(Failure::new(Exit::Usage, "they were not looked at")),
            None => {
                let progress = self.program.ui.progress(&subject.name);
                preparer.prepare(&asked, &at, Keep::No, &progress)
            }
        };
        let versions: BTreeMap<String, String> = match &program {
            Ok(prepared) => prepared.versions.iter().cloned().collect(),
            Err(_) => {
                let known = subject.record.services.iter();
                known
                    .map(|one| (one.name.clone(), one.version.clone()))
                    .collect()
            }
        };
        let scopes: Vec<(Option<String>, Result<Scope, String>)> = instances
            .iter()
            .map(|one| {
                let known = versions.get(one.name()).map(String::as_str);
                let Some(version) = known.or(one.exact_version()) else {
                    return (None, Err("its version is not known".to_owned()));
                };
                let scope = preparer.scope(&asked, one, version, &at);
                (
                    Some(version.to_owned()),
                    scope.map_err(|failure| failure.message),
                )
            })
            .collect();
        subject.program = program
            .map(|prepared| prepared.program)
            .map_err(|failure| failure.message);
        let services = instances.into_iter().zip(scopes);
        subject.services = Ok(services
            .map(|(instance, (version, scope))| Service {
                instance,
                version,
                scope,
            })
            .collect());
    }

    /// Where a service of another VM answers: by what the spec says, else by that VM's own.
    fn locate(
        &self,
        asked: &Asked<'_>,
        preparer: &Preparer<'_>,
        remote: &RemoteService,
    ) -> Result<Option<At>, Failure> {
        let Ok(catalogue) = &self.catalogue else {
            return Ok(None);
        };
        let known = BTreeMap::from([(asked.name.as_str(), (asked.wire, asked.services))]);
        locate(self.host, catalogue, &known, preparer.arch(), remote)
    }
}

fn asked<'a>(
    name: &'a VmName,
    record: &'a Record,
    folder: &'a Path,
    services: &'a [Instance],
) -> Asked<'a> {
    Asked {
        name,
        wire: &record.spec,
        folder,
        services,
    }
}

/// A secret that stood in the spec: its service and its name.
fn lost_secret(record: &Record) -> Option<(String, String)> {
    let services = record.spec.spec.services.iter();
    services
        .flat_map(|service| service.secrets.iter().map(move |one| (service, one)))
        .find(|(_, (_, secret))| matches!(secret, SecretString::Redacted(_)))
        .map(|(service, (name, _))| (service.name.clone(), name.clone()))
}

impl Subject {
    /// Where its data disks are to be mounted.
    #[must_use]
    pub fn mounts(&self) -> Vec<String> {
        let disks = self.record.spec.spec.data_disks.iter();
        disks.filter_map(|disk| disk.mount_path.clone()).collect()
    }

    /// The service of that name, or with that other name.
    ///
    /// # Errors
    /// The VM has none such.
    pub fn service(&self, name: &str) -> Result<&Service, Failure> {
        let services = self.services.as_ref().map_err(|why| {
            Failure::new(
                Exit::Vm,
                format!("the services of `{}` are not known: {why}", self.name),
            )
        })?;
        let found = services.iter().find(|one| one.instance.answers_to(name));
        found.ok_or_else(|| {
            let names: Vec<&str> = services.iter().map(|one| one.instance.name()).collect();
            let failure =
                Failure::new(Exit::Vm, format!("`{}` has no service `{name}`", self.name));
            if names.is_empty() {
                failure
            } else {
                failure.hint(format!("it has {}", names.join(", ")))
            }
        })
    }
}
