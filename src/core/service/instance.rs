//! A service of a VM: its definition with what the VM says of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use trustnet_api::config_value::ConfigValue;
use trustnet_api::secret::SecretString;
use trustnet_api::service_ref::{DependencyCondition, RemoteService, ServiceRef};

use super::template::{Escape, Scope, TemplateError, render};
use super::{Catalogue, Definition, Wanted, check, order, parameters, seconds, wanted};
use crate::artifact::Arch;
use crate::lockfile::Demand;
use crate::path;
use crate::problem::Problem;
use crate::vm::check_reference;

/// Where a service is reached that listens at every address.
const LOCAL: &str = "localhost";
/// What stands for every address.
const EVERYWHERE: [&str; 4] = ["", "::", "0.0.0.0", "*"];

/// A service of a VM, complete: every parameter has its value, every dependency its place.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The definition.
    pub definition: Arc<Definition>,
    /// The version that was asked for, if one was; a range is still to be looked up.
    pub requested: Option<String>,
    /// What the VM says.
    pub wire: ServiceRef,
    /// The value of every parameter.
    pub params: BTreeMap<String, ConfigValue>,
    /// Where each service is that this one depends on.
    pub dependencies: Vec<DependencyAt>,
}

/// A dependency with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyAt {
    /// The service's name.
    pub service: String,
    /// Whether it runs in the same guest.
    pub here: bool,
    /// Where it is, if in another place.
    pub remote: Option<RemoteService>,
    /// How long is waited for it, in seconds.
    pub timeout_s: u32,
}

impl DependencyAt {
    /// What is waited for.
    #[must_use]
    pub fn condition(&self) -> DependencyCondition {
        match &self.remote {
            None => DependencyCondition::None,
            Some(remote) => remote.condition.unwrap_or(if remote.vm.is_some() {
                DependencyCondition::Ready
            } else {
                DependencyCondition::Reachable
            }),
        }
    }
}

/// Finds the services that a VM asks for, and puts them in the order of their dependencies.
///
/// # Errors
/// Everything that is wrong with what the VM says of them.
pub fn select(
    services: &[ServiceRef],
    catalogue: &Catalogue,
) -> Result<Vec<Instance>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut found: Vec<Instance> = Vec::new();
    for (index, wire) in services.iter().enumerate() {
        let path = path::item("spec.services", index);
        let definition = match catalogue.find(&wire.name) {
            Ok(definition) => definition,
            Err(hint) => {
                let message = format!("there is no service `{}`", wire.name);
                problems.push(Problem::error(path::field(&path, "name"), message).hint(hint));
                continue;
            }
        };
        if found.iter().any(|other| other.name() == definition.name()) {
            let message = format!("the service `{}` is there twice", definition.name());
            problems.push(Problem::error(path::field(&path, "name"), message));
            continue;
        }
        found.push(instance(&path, definition, wire, &mut problems));
    }
    dependencies(services, catalogue, &mut found, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    sorted(found)
}

impl Instance {
    /// A service that a guest has and that its VM no longer asks for, with what the VM once said of it, if
    /// that is known: enough to take it away.
    #[must_use]
    pub fn departed(definition: &Arc<Definition>, known: Option<&ServiceRef>) -> Self {
        let unknown = ServiceRef {
            name: definition.name().to_owned(),
            ..ServiceRef::default()
        };
        // What a VM has to say so that a service can come need not be there when it goes.
        let mut problems = Vec::new();
        instance("", definition, known.unwrap_or(&unknown), &mut problems)
    }
}

fn instance(
    path: &str,
    definition: &Arc<Definition>,
    wire: &ServiceRef,
    problems: &mut Vec<Problem>,
) -> Instance {
    let spec = definition.spec();
    let range = |text: &str| {
        text == "latest" || check::is_version(text.trim_start_matches(['~', '^', '=', '>', '<']))
    };
    if let Some(version) = wire.version.as_deref().filter(|version| !range(version)) {
        problems.push(
            Problem::error(
                path::field(path, "version"),
                format!("`{version}` is no version"),
            )
            .hint(format!("the definition's own is `{}`", spec.version)),
        );
    }
    for (name, _) in wire
        .secrets
        .iter()
        .filter(|(name, _)| !spec.secrets.contains_key(*name))
    {
        let path = path::field(&path::field(path, "secrets"), name);
        problems.push(Problem::error(
            path,
            format!("the service has no secret `{name}`"),
        ));
    }
    for (name, secret) in &wire.secrets {
        if let SecretString::ValueFrom(from) = secret {
            let path = path::field(&path::field(path, "secrets"), name);
            problems.extend(check_reference(&path, from));
        }
    }
    for (name, secret) in &spec.secrets {
        if secret.required == Some(true) && !wire.secrets.contains_key(name) {
            let path = path::field(&path::field(path, "secrets"), name);
            problems.push(
                Problem::error(path, format!("secret `{name}` is missing"))
                    .hint("give it by `valueFrom`"),
            );
        }
        if let Some(SecretString::Redacted(_)) = wire.secrets.get(name) {
            let path = path::field(&path::field(path, "secrets"), name);
            problems.push(
                Problem::error(path, "the value was redacted when the spec was printed")
                    .hint("put the value itself there, or a `valueFrom`"),
            );
        }
    }
    Instance {
        definition: Arc::clone(definition),
        requested: wire.version.clone(),
        params: parameters::complete(
            &path::field(path, "config"),
            &spec.parameters,
            &wire.config,
            problems,
        ),
        wire: wire.clone(),
        dependencies: Vec::new(),
    }
}

/// Finds each dependency: in the same guest, or where the VM says.
fn dependencies(
    services: &[ServiceRef],
    catalogue: &Catalogue,
    found: &mut [Instance],
    problems: &mut Vec<Problem>,
) {
    let names: Vec<String> = found.iter().map(|one| one.name().to_owned()).collect();
    let canonical = |name: &str| {
        catalogue.find(name).map_or_else(
            |_| name.to_owned(),
            |definition| definition.name().to_owned(),
        )
    };
    for instance in found {
        let index = services
            .iter()
            .position(|service| service == &instance.wire)
            .unwrap_or_default();
        let path = path::item("spec.services", index);
        for (number, remote) in instance.wire.dependencies.iter().enumerate() {
            let path = path::item(&path::field(&path, "dependencies"), number);
            if remote.vm.is_none() && remote.host.is_none() {
                problems.push(
                    Problem::error(&path, "it is not said where the service is")
                        .hint("give `vm`, or `host` and `port`"),
                );
            }
            if let Some(time) = remote
                .timeout
                .as_deref()
                .filter(|time| seconds(time).is_none())
            {
                problems.push(Problem::error(
                    path::field(&path, "timeout"),
                    format!("`{time}` is no time"),
                ));
            }
        }
        let definition = Arc::clone(&instance.definition);
        let declared = definition.spec().dependencies.iter();
        let declared = declared.map(|need| (canonical(&need.service), need.optional == Some(true)));
        let extra = instance.wire.dependencies.iter();
        let extra = extra.map(|remote| (canonical(&remote.service), false));
        let mut needs: Vec<(String, bool)> = declared.collect();
        for (service, optional) in extra {
            if !needs.iter().any(|(known, _)| *known == service) {
                needs.push((service, optional));
            }
        }
        for (service, optional) in needs {
            let remote = instance
                .wire
                .dependencies
                .iter()
                .find(|remote| canonical(&remote.service) == service);
            let here = remote.is_none() && names.contains(&service);
            if remote.is_none() && !here {
                if !optional {
                    let message = format!(
                        "`{}` depends on `{service}`, which the VM has not",
                        definition.name()
                    );
                    problems.push(Problem::error(path::field(&path, "name"), message).hint(format!(
                        "add `{service}` to the VM's services, or say under `dependencies` where it is"
                    )));
                }
                continue;
            }
            let time = remote.and_then(|remote| seconds(remote.timeout.as_deref()?));
            instance.dependencies.push(DependencyAt {
                service,
                here,
                remote: remote.cloned(),
                timeout_s: time.unwrap_or(90),
            });
        }
    }
}

fn sorted(found: Vec<Instance>) -> Result<Vec<Instance>, Vec<Problem>> {
    let names: Vec<String> = found.iter().map(|one| one.name().to_owned()).collect();
    let needs = found.iter().map(|one| {
        let here = one.dependencies.iter().filter(|need| need.here);
        let here = here.map(|need| need.service.clone()).collect();
        (one.name().to_owned(), here)
    });
    let order = order::sort(&names, &needs.collect()).map_err(|circle| {
        let message = format!("the services {} depend on each other", circle.join(", "));
        vec![Problem::error("spec.services", message)]
    })?;
    let mut found: BTreeMap<String, Instance> = found
        .into_iter()
        .map(|one| (one.name().to_owned(), one))
        .collect();
    Ok(order.iter().filter_map(|name| found.remove(name)).collect())
}

impl Instance {
    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.definition.name()
    }

    /// A service for no VM in particular: enough to know what it needs.
    #[must_use]
    pub fn bare(definition: &Arc<Definition>, wire: ServiceRef) -> Self {
        let defaults = definition.spec().parameters.iter();
        let params = defaults
            .filter_map(|(name, parameter)| Some((name.clone(), parameter.default.clone()?)));
        Self {
            params: params.collect(),
            requested: wire.version.clone(),
            definition: Arc::clone(definition),
            dependencies: Vec::new(),
            wire,
        }
    }

    /// Whether a name is this service's, or another name of it.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        self.name() == name
            || self
                .definition
                .spec()
                .aliases
                .iter()
                .any(|alias| alias == name)
    }

    /// The version that needs no look-up: the definition's own, or the exact one that was asked for.
    /// None for `latest` and for ranges.
    #[must_use]
    pub fn exact_version(&self) -> Option<&str> {
        match self.requested.as_deref() {
            None => Some(&self.definition.spec().version),
            Some("latest") => None,
            Some(text) if text.starts_with(['~', '^', '=', '>', '<']) => None,
            Some(text) => Some(text),
        }
    }

    /// What the service asks of a lock.
    #[must_use]
    pub fn demand(&self) -> Demand {
        Demand {
            service: self.name().to_owned(),
            requested: self.requested.clone(),
            exact: self.exact_version().map(str::to_owned),
            own: self.definition.spec().version.clone(),
        }
    }

    /// What templates of this service may speak of, without the secrets themselves.
    #[must_use]
    pub fn scope(&self, vm: &str, version: &str, arch: Arch) -> Scope {
        let spec = self.definition.spec();
        let secret_files = spec.secrets.iter().map(|(name, secret)| {
            let own = || format!("/etc/trustnet-vm/secrets/{}/{name}", self.name());
            (name.clone(), secret.path.clone().unwrap_or_else(own))
        });
        let mut scope = Scope {
            version: version.to_owned(),
            arch: arch.to_string(),
            machine: arch.libvirt().to_owned(),
            vm: vm.to_owned(),
            data: spec
                .data
                .as_ref()
                .map(|data| data.path.clone())
                .unwrap_or_default(),
            params: self.params.clone(),
            secret_files: secret_files.collect(),
            secrets: None,
            address: LOCAL.to_owned(),
            dependencies: BTreeMap::new(),
        };
        let address = spec.address.as_deref();
        let address = address.and_then(|text| render(text, &scope, Escape::Whole).ok());
        if let Some(address) = address.filter(|text| !EVERYWHERE.contains(&text.as_str())) {
            scope.address = address;
        }
        scope
    }

    /// The number of the service's port of that name, or of its first that takes connections.
    ///
    /// # Errors
    /// What stands there is no port.
    pub fn port(&self, name: Option<&str>, scope: &Scope) -> Result<Option<u16>, TemplateError> {
        let mut ports = self.definition.spec().ports.iter();
        let Some(port) = ports.find(|port| name.map_or(port.is_tcp(), |name| port.name == name))
        else {
            return Ok(None);
        };
        let text = render(&port.port.to_string(), scope, Escape::Whole)?;
        Ok(text.parse().ok())
    }

    /// What has to be in the cache for this service.
    ///
    /// # Errors
    /// A template cannot be filled.
    pub fn wanted(
        &self,
        scope: &Scope,
        arch: Arch,
        guest_os: &str,
    ) -> Result<Vec<Wanted>, TemplateError> {
        let spec = self.definition.spec();
        let mut all = Vec::new();
        for artifact in &spec.artifacts {
            if let Some(source) = wanted::of(artifact, scope, &spec.version, guest_os)? {
                all.push(Wanted {
                    service: self.name().to_owned(),
                    version: scope.version.clone(),
                    arch,
                    name: artifact.name.clone(),
                    source,
                });
            }
        }
        Ok(all)
    }
}
