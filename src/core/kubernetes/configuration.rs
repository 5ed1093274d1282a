//! The configuration of a service in a pod: the file that its definition has, filled for a pod.

use trustnet_api::config_value::ConfigValue;

use super::{Notice, Options, Workload, notice};
use crate::artifact::Arch;
use crate::kind::REGISTRY_SERVICE;
use crate::problem::Problem;
use crate::provision::{ReadyCheck, format_of, ready_check};
use crate::service::{Escape, Instance, Scope, TemplateError, render};
use crate::vm::Vm;

/// A service, filled for a pod.
pub(super) struct Configuration {
    /// The service's version.
    pub version: String,
    /// The folder of its file, the file's name, and what it holds.
    pub folder: String,
    pub file: String,
    pub content: String,
    /// The path of the file with the join token.
    pub token_path: String,
    /// Where its data is.
    pub data: String,
    /// What runs it.
    pub command: Vec<String>,
    /// The path that answers well once it does its work.
    pub ready: String,
}

impl Configuration {
    /// Fills the templates of a service's definition.
    pub fn of(vm: &Vm, instance: &Instance) -> Result<Self, Problem> {
        Self::filled(vm, instance).map_err(|why| {
            let message = format!("the definition of `{}`: {why}", instance.name());
            Problem::error("spec.services[0]", message)
                .hint("is there one of your own in the folder of services?")
        })
    }

    fn filled(vm: &Vm, instance: &Instance) -> Result<Self, TemplateError> {
        let spec = instance.definition.spec();
        let version = instance.exact_version().unwrap_or(&spec.version);
        // No file of these services speaks of the architecture.
        let scope = instance.scope(vm.name().as_str(), version, Arch::Amd64);
        let whole = |template: &str| render(template, &scope, Escape::Whole);
        let missing = |what: &str| TemplateError::new(format!("it has no {what}"));
        let file = spec.files.first().ok_or_else(|| missing("file"))?;
        let path = whole(&file.path)?;
        let (folder, name) = path
            .rsplit_once('/')
            .ok_or_else(|| missing("absolute path"))?;
        let format = file.format.unwrap_or_else(|| format_of(&path));
        let unit = spec.unit.as_ref().ok_or_else(|| missing("unit"))?;
        let command = unit.command.iter().map(|word| whole(word));
        let data = spec.data.as_ref().ok_or_else(|| missing("data"))?;
        let token = scope.secret_files.get(crate::kind::JOIN_TOKEN);
        Ok(Self {
            version: version.to_owned(),
            content: render(&file.content, &scope, Escape::Text(format))?,
            folder: folder.to_owned(),
            file: name.to_owned(),
            token_path: token.ok_or_else(|| missing("join token"))?.clone(),
            data: whole(&data.path)?,
            command: command.collect::<Result<_, _>>()?,
            ready: ready_path(instance, &scope)?,
        })
    }
}

fn ready_path(instance: &Instance, scope: &Scope) -> Result<String, TemplateError> {
    match ready_check(instance, scope)? {
        ReadyCheck::Http(question) => Ok(question.path),
        _ => Err(TemplateError::new("its readiness is not asked for by HTTP")),
    }
}

/// The service as it is in a pod: it answers at every address of the pod, and what it depends on is found by the
/// cluster's DNS.
pub(super) fn in_pod(
    vm: &Vm,
    instance: &Instance,
    port: u16,
    all: &[Workload<'_>],
    options: &Options,
    notices: &mut Vec<Notice>,
) -> Result<Instance, Problem> {
    let mut pod = instance.clone();
    let mut set = |key: &str, value| pod.params.insert(key.to_owned(), value);
    set("address", text("::"));
    set("port", ConfigValue::Integer(i64::from(port)));
    let given = |key: &str| {
        instance
            .params
            .get(key)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let wants = instance.wire.dependencies.iter();
    let wanted: Option<&str> = wants.filter_map(|need| need.vm.as_deref()).next();
    let is_registry = |one: &&Workload<'_>| {
        let mut own = one.services.iter();
        own.any(|service| service.name() == REGISTRY_SERVICE)
    };
    let mut registries = all.iter().filter(is_registry);
    let here = match wanted {
        Some(name) => {
            let found = registries.any(|one| one.vm.name().as_str() == name);
            if !found {
                let message = format!("the registry `{name}` is not among the documents");
                return Err(Problem::error("spec.services[0].dependencies[0]", message)
                    .hint("give its document too, or write its address"));
            }
            if given("registry") == "external" {
                notices.push(notice(
                    vm,
                    format!(
                        "it asks any registry of the network in the cluster, and not `{name}` alone"
                    ),
                ));
            }
            true
        }
        None => given("root").is_empty() && registries.any(|one| one.vm.name() != vm.name()),
    };
    if here {
        set("lookup", text(lookup_domain(options)));
    }
    pod.dependencies.clear();
    Ok(pod)
}

/// The domain in which `tnr` is the Service with a network's registries.
fn lookup_domain(options: &Options) -> String {
    format!("{}.svc.{}", options.namespace, options.cluster_domain)
}

/// A parameter's value as text.
fn text(value: impl Into<String>) -> ConfigValue {
    ConfigValue::Text(value.into())
}
