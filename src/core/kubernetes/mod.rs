//! Registries and nodes as objects of Kubernetes: what would be a VM with a service is a StatefulSet with a container.
//!
//! Each service gets the configuration file that it would get in a VM, but for what a pod has otherwise: it answers at
//! every address that the pod has, and finds registries of its own file by the cluster's DNS.

mod access;
mod configuration;
mod names;
mod services;
mod workload;

use std::net::Ipv6Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trustnet_api::KIND_LABEL;
use trustnet_api::config_value::ConfigValue;
use trustnet_api::network::{NODE_PORT, REGISTRY_PORT};
use trustnet_api::secret::{SecretString, ValueFrom};

use self::configuration::Configuration;
pub(crate) use self::names::{bad_labels, check_places, namespace, own_labels};
pub use self::names::{is_namespace, name_of};
pub(crate) use self::workload::quantity;
use crate::kind::{JOIN_TOKEN, NODE_SERVICE, REGISTRY_SERVICE};
use crate::network::Endpoint;
use crate::problem::Problem;
use crate::service::Instance;
use crate::vm::{Vm, VmName};

/// Who applies the objects: the field manager of server-side apply, and `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "trustnet-vm";
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
pub struct Member<'a> {
    /// The VM that its document becomes.
    pub vm: &'a Vm,
    /// That VM's services.
    pub services: &'a [Instance],
}

/// What the members become.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifests {
    /// The objects, in the order in which they are applied. None of them holds a secret.
    pub objects: Vec<Value>,
    /// The Secrets that they need and that are not among them.
    pub tokens: Vec<TokenSecret>,
    /// What has no place in Kubernetes.
    pub notices: Vec<Notice>,
}

/// A Secret with a network's join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSecret {
    /// What it is called.
    pub name: String,
    /// Where its value is from.
    pub from: ValueFrom,
    /// The VM whose secret it would be.
    pub vm: VmName,
    domain: String,
}

impl TokenSecret {
    /// The object, with the token itself in it.
    #[must_use]
    pub fn object(&self, token: &str, options: &Options) -> Value {
        let mut labels = names::common(&self.domain);
        labels.insert("app.kubernetes.io/component".into(), "join-token".into());
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name,
                "namespace": options.namespace,
                "labels": labels,
            },
            "type": "Opaque",
            // `stringData` does not go well with server-side apply.
            "data": { TOKEN_KEY: STANDARD.encode(token) },
        })
    }
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

/// Which of the two services a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Registry,
    Node,
}

impl Role {
    fn component(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Node => "node",
        }
    }
    fn service(self) -> &'static str {
        match self {
            Self::Registry => REGISTRY_SERVICE,
            Self::Node => NODE_SERVICE,
        }
    }
}

/// A member with all that its objects say.
struct Part<'a> {
    vm: &'a Vm,
    role: Role,
    /// The name of its objects.
    name: String,
    domain: String,
    /// The address of the document.
    address: Ipv6Addr,
    /// The port of the document.
    port: u16,
    /// The port that the container answers at.
    container_port: u16,
    /// The port of the registry that it is to go to, where its document says one.
    root_port: Option<u16>,
    configuration: Configuration,
    token: String,
}

/// The objects of registries and nodes: those that all of them share, then each member's own.
///
/// # Errors
/// Everything of the documents that cannot be so in Kubernetes.
pub fn manifests(members: &[Member<'_>], options: &Options) -> Result<Manifests, Vec<Refused>> {
    let mut refused = names::check(options);
    let mut notices = Vec::new();
    let mut tokens: Vec<TokenSecret> = Vec::new();
    let mut parts: Vec<Part<'_>> = Vec::new();
    for member in members {
        match part(member, members, options, &mut notices) {
            Ok((part, token)) => {
                let told = |problem| Refused {
                    name: member.vm.name().to_string(),
                    problem,
                };
                refused.extend(clashes(&parts, &part).map(told));
                refused.extend(add_token(&mut tokens, token).map(told));
                parts.push(part);
            }
            Err(problems) => refused.extend(problems),
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

fn part<'a>(
    member: &Member<'a>,
    all: &[Member<'_>],
    options: &Options,
    notices: &mut Vec<Notice>,
) -> Result<(Part<'a>, TokenSecret), Vec<Refused>> {
    let vm = member.vm;
    let refuse = |problem: Problem| {
        vec![Refused {
            name: vm.name().to_string(),
            problem,
        }]
    };
    let roles = [Role::Registry, Role::Node];
    let own = roles.into_iter().find_map(|role| {
        let is_it = |one: &&Instance| one.name() == role.service();
        Some((role, member.services.iter().find(is_it)?))
    });
    let Some((role, instance)) = own.filter(|_| vm.labels().contains_key(KIND_LABEL)) else {
        return Err(refuse(
            Problem::error("kind", "only registries and nodes run in containers")
                .hint("`--target kubevirt` makes a VM of any document"),
        ));
    };
    let name = name_of(vm.name()).map_err(refuse)?;
    let others = member.services.iter().map(Instance::name);
    notices.extend(
        others
            .filter(|other| *other != role.service())
            .map(|other| {
                let message = format!("the service `{other}` of the VM runs in no container");
                notice(vm, message)
            }),
    );
    let text = |key: &str| match instance.params.get(key) {
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let (default, listens) = match role {
        Role::Registry => (REGISTRY_PORT, Some(REGISTRY_PORT)),
        Role::Node => (NODE_PORT, None),
    };
    let port = text("port").parse().unwrap_or(default);
    // A registry is looked up at the usual port; the Service has the other one.
    let container_port = listens.unwrap_or(port);
    let domain = text("domain");
    let pod = configuration::in_pod(vm, instance, container_port, all, options, notices);
    let pod = pod.map_err(refuse)?;
    let configuration = Configuration::of(vm, &pod).map_err(refuse)?;
    let token = token_of(vm, instance, &domain).map_err(refuse)?;
    let part = Part {
        vm,
        role,
        name,
        address: text("address").parse().unwrap_or(Ipv6Addr::UNSPECIFIED),
        port,
        container_port,
        root_port: text("root")
            .parse::<Endpoint>()
            .ok()
            .map(|at| at.socket().port()),
        configuration,
        token: token.name.clone(),
        domain,
    };
    Ok((part, token))
}

fn notice(vm: &Vm, message: impl Into<String>) -> Notice {
    Notice {
        name: vm.name().to_string(),
        message: message.into(),
    }
}

/// The Secret of a member's join token: named like what is kept on this machine, where that is it.
fn token_of(vm: &Vm, instance: &Instance, domain: &str) -> Result<TokenSecret, Problem> {
    let path = "spec.services[0].secrets.joinToken";
    let Some(SecretString::ValueFrom(from)) = instance.wire.secrets.get(JOIN_TOKEN) else {
        return Err(Problem::error(
            path,
            "the join token is not given by reference",
        ));
    };
    let usual = || names::bounded("join-token", domain);
    let name = match from {
        ValueFrom::Generate(one) if names::is_subdomain(&one.name) => one.name.clone(),
        _ => usual(),
    };
    Ok(TokenSecret {
        name,
        from: from.clone(),
        vm: vm.name().clone(),
        domain: domain.to_owned(),
    })
}

/// Another token may not have the same name.
fn add_token(tokens: &mut Vec<TokenSecret>, token: TokenSecret) -> Option<Problem> {
    match tokens.iter().find(|one| one.name == token.name) {
        None => tokens.push(token),
        Some(one) if one.from == token.from => {}
        Some(one) => {
            let path = "spec.services[0].secrets.joinToken";
            let message = format!("`{}` has another join token, of the same network", one.vm);
            return Some(Problem::error(path, message).hint("a network has one"));
        }
    }
    None
}

/// What another member has already.
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

/// What is so in a VM and not in a pod.
fn unlike(part: &Part<'_>, options: &Options) -> Vec<Notice> {
    let vm = part.vm;
    let mut all = Vec::new();
    let address = part.address;
    match (part.role, options.exposure) {
        (Role::Registry, Exposure::LoadBalancer) => {}
        (Role::Registry, Exposure::Cluster) => all.push(format!(
            "nothing outside of the cluster reaches it: nobody there has its address {address}"
        )),
        (Role::Node, _) => all.push(format!(
            "it tells others its pod's address, and not {address}: nodes elsewhere reach it only where \
             pods' addresses are routed"
        )),
    }
    let disks = vm.data_disks();
    if disks.len() > 1 {
        let more: Vec<&str> = disks[1..].iter().map(|disk| disk.device.as_str()).collect();
        all.push(format!(
            "it has one volume: no place for the data disks {}",
            more.join(", ")
        ));
    }
    let written = &vm.wire().spec;
    for (given, what) in [
        (written.cloud_init.is_some(), "cloudInit"),
        (written.cache_disk.is_some(), "cacheDisk"),
        (vm.tpm(), "tpm"),
        (vm.protected(), "protected"),
        (written.autostart == Some(false), "autostart"),
        (written.firmware.is_some(), "firmware"),
        (written.cpu_mode.is_some(), "cpuMode"),
        (
            names::has_own_interfaces(vm, &part.domain),
            "networkInterfaces",
        ),
    ] {
        if given {
            all.push(format!("`{what}` of its VM has no meaning for a container"));
        }
    }
    if !vm.wire().metadata.annotations.is_empty() {
        all.push("its annotations stay in its document".to_owned());
    }
    all.into_iter().map(|message| notice(vm, message)).collect()
}

/// A parameter's value as text.
fn text(value: impl Into<String>) -> ConfigValue {
    ConfigValue::Text(value.into())
}
