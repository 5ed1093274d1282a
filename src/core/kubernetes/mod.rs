//! Registries and nodes as objects of Kubernetes: what would be a VM with a service is a StatefulSet with a container.
//!
//! Each service gets the configuration file that it would get in a VM, but for what a pod has otherwise: it answers at
//! every address that the pod has, and finds registries of its own file by the cluster's DNS.

mod access;
mod configuration;
mod names;
mod part;
mod services;
mod token;
mod workload;

use serde_json::Value;

pub(crate) use self::names::{bad_labels, check_places, namespace, own_labels};
pub use self::names::{is_namespace, name_of};
use self::part::{Part, Role, part, unlike};
pub use self::token::TokenSecret;
pub(crate) use self::workload::quantity;
use crate::problem::Problem;
use crate::service::Instance;
use crate::vm::Vm;

/// Who applies the objects: the field manager of server-side apply, and `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "trustnet-vm";
/// The label that says who made an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label with the network's domain.
pub const DOMAIN_LABEL: &str = "trustnet.io/domain";
/// The key of a Secret under which the join token is.
pub const TOKEN_KEY: &str = "token";
/// The namespace, where none is named.
pub const NAMESPACE: &str = "trustnet";
/// The container image, where none is named: as `images/oci/Containerfile` says to call it.
pub const IMAGE: &str = concat!("localhost/trustnet:", env!("CARGO_PKG_VERSION"));
/// The domain of a cluster's own names, where no other is said.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// How the objects are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The namespace of all of them.
    pub namespace: String,
    /// The container image with both services.
    pub image: String,
    /// The storage class of their volumes; none for the cluster's default.
    pub storage_class: Option<String>,
    /// How registries are reached from outside of the cluster.
    pub exposure: Exposure,
    /// Which addresses Services have.
    pub families: IpFamilies,
    /// The domain of the cluster's own names.
    pub cluster_domain: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: NAMESPACE.to_owned(),
            image: IMAGE.to_owned(),
            storage_class: None,
            exposure: Exposure::LoadBalancer,
            families: IpFamilies::Ipv6,
            cluster_domain: CLUSTER_DOMAIN.to_owned(),
        }
    }
}

/// How registries are reached from outside of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// At the address of the document, which the cluster's load balancer is asked for.
    LoadBalancer,
    /// Not at all.
    Cluster,
}

/// Which addresses Services have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamilies {
    /// IPv6 alone, as the network itself.
    Ipv6,
    /// IPv6 first, and IPv4 where the cluster has it.
    DualStack,
}

/// A registry or a node.
#[derive(Debug, Clone, Copy)]
pub struct Workload<'a> {
    /// The VM that its document becomes.
    pub vm: &'a Vm,
    /// That VM's services.
    pub services: &'a [Instance],
}

/// What workloads become.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifests {
    /// The objects, in the order in which they are applied. None of them holds a secret.
    pub objects: Vec<Value>,
    /// The Secrets that they need and that are not among them.
    pub tokens: Vec<TokenSecret>,
    /// What has no place in Kubernetes.
    pub notices: Vec<Notice>,
}

/// Something of a document that has no equivalent, or another one than may be thought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The document's name.
    pub name: String,
    /// What is so, as a lower-case fragment.
    pub message: String,
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.name, self.message)
    }
}

/// What is wrong with a document, for Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: {problem}")]
pub struct Refused {
    /// The document's name; empty for the options.
    pub name: String,
    /// What is wrong, by the paths of the VM.
    pub problem: Problem,
}

/// The objects of registries and nodes: those that all of them share, then each workload's own.
///
/// # Errors
/// Everything of the documents that cannot be so in Kubernetes.
pub fn manifests(workloads: &[Workload<'_>], options: &Options) -> Result<Manifests, Vec<Refused>> {
    let mut refused = names::check(options);
    let mut notices = Vec::new();
    let mut tokens: Vec<TokenSecret> = Vec::new();
    let mut parts: Vec<Part<'_>> = Vec::new();
    for workload in workloads {
        match part(workload, workloads, options, &mut notices) {
            Ok((part, token)) => {
                let told = |problem| Refused {
                    name: workload.vm.name().to_string(),
                    problem,
                };
                refused.extend(clashes(&parts, &part).map(told));
                refused.extend(token::add_token(&mut tokens, token).map(told));
                parts.push(part);
            }
            Err(one) => refused.push(one),
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    for part in &parts {
        notices.extend(unlike(part, options));
    }
    let ports = access::Ports::of(&parts);
    let mut objects: Vec<Value> = namespace(&options.namespace, true).into_iter().collect();
    objects.extend(parts.first().and_then(|first| {
        let registries = parts.iter().any(|part| part.role == Role::Registry);
        registries.then(|| services::discovery(&first.domain, options))
    }));
    objects.extend(access::disruption_budgets(&parts, options));
    for part in &parts {
        objects.push(workload::config_map(part, options));
        objects.push(services::headless(part, options));
        objects.push(services::client(part, options));
        objects.push(access::network_policy(part, &ports, options));
        objects.push(workload::stateful_set(part, options));
    }
    Ok(Manifests {
        objects,
        tokens,
        notices,
    })
}

fn notice(vm: &Vm, message: impl Into<String>) -> Notice {
    Notice {
        name: vm.name().to_string(),
        message: message.into(),
    }
}

/// What another workload has already.
fn clashes(parts: &[Part<'_>], part: &Part<'_>) -> impl Iterator<Item = Problem> {
    let same_name = parts.iter().find(|one| one.name == part.name).map(|one| {
        let message = format!(
            "`{}` and `{}` have one name in Kubernetes",
            one.vm.name(),
            part.vm.name()
        );
        Problem::error("metadata.name", message).hint("`_` becomes `-` there; choose another name")
    });
    let other = parts.iter().find(|one| one.domain != part.domain);
    let other_domain = other.map(|one| {
        let message = format!(
            "a namespace has one network: `{}` is of another one",
            one.vm.name()
        );
        Problem::error("spec.services[0].config.domain", message)
            .hint("apply each network's documents with a `--namespace` of its own")
    });
    [same_name, other_domain].into_iter().flatten()
}
