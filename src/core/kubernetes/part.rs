//! A workload with all that its objects say, and what of its document has no place in them.

use std::net::Ipv6Addr;

use trustnet_api::KIND_LABEL;
use trustnet_api::network::{NODE_PORT, REGISTRY_PORT};

use super::configuration::{self, Configuration};
use super::token::{self, TokenSecret};
use super::{Exposure, Notice, Options, Refused, Workload, names, notice};
use crate::kind::{NODE_SERVICE, REGISTRY_SERVICE};
use crate::network::Endpoint;
use crate::problem::Problem;
use crate::service::Instance;
use crate::vm::Vm;

/// Which of the two services a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Registry,
    Node,
}

impl Role {
    pub fn component(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Node => "node",
        }
    }
    pub fn service(self) -> &'static str {
        match self {
            Self::Registry => REGISTRY_SERVICE,
            Self::Node => NODE_SERVICE,
        }
    }
}

/// A workload with all that its objects say.
pub(super) struct Part<'a> {
    pub vm: &'a Vm,
    pub role: Role,
    /// The name of its objects.
    pub name: String,
    pub domain: String,
    /// The address of the document.
    pub address: Ipv6Addr,
    /// The port of the document.
    pub port: u16,
    /// The port that the container answers at.
    pub container_port: u16,
    /// The port of the registry that it is to go to, where its document says one.
    pub root_port: Option<u16>,
    pub configuration: Configuration,
    pub token: String,
}

/// Makes a workload's part, and says which Secret has its token.
pub(super) fn part<'a>(
    workload: &Workload<'a>,
    all: &[Workload<'_>],
    options: &Options,
    notices: &mut Vec<Notice>,
) -> Result<(Part<'a>, TokenSecret), Refused> {
    let vm = workload.vm;
    let refuse = |problem: Problem| Refused {
        name: vm.name().to_string(),
        problem,
    };
    let (role, instance) = service_of(workload).map_err(refuse)?;
    let name = names::name_of(vm.name()).map_err(refuse)?;
    let others = workload.services.iter().map(Instance::name);
    notices.extend(
        others
            .filter(|other| *other != role.service())
            .map(|other| {
                let message = format!("the service `{other}` of the VM runs in no container");
                notice(vm, message)
            }),
    );
    let value = |key: &str| instance.params.get(key).map(ToString::to_string);
    let text = |key: &str| value(key).unwrap_or_default();
    let (port, container_port) = match role {
        // It is looked up at the usual port; its Service has the other one.
        Role::Registry => (text("port").parse().unwrap_or(REGISTRY_PORT), REGISTRY_PORT),
        Role::Node => {
            let port = text("port").parse().unwrap_or(NODE_PORT);
            (port, port)
        }
    };
    let domain = text("domain");
    let pod = configuration::in_pod(vm, instance, container_port, all, options, notices);
    let pod = pod.map_err(refuse)?;
    let token = token::token_of(vm, instance, &domain).map_err(refuse)?;
    let root: Option<Endpoint> = text("root").parse().ok();
    let part = Part {
        vm,
        role,
        name,
        address: text("address").parse().unwrap_or(Ipv6Addr::UNSPECIFIED),
        port,
        container_port,
        root_port: root.map(|at| at.socket().port()),
        configuration: Configuration::of(vm, &pod).map_err(refuse)?,
        token: token.name.clone(),
        domain,
    };
    Ok((part, token))
}

/// The service that a workload is: of a registry or a node.
fn service_of<'a>(workload: &Workload<'a>) -> Result<(Role, &'a Instance), Problem> {
    let own = [Role::Registry, Role::Node].into_iter().find_map(|role| {
        let is_it = |one: &&Instance| one.name() == role.service();
        Some((role, workload.services.iter().find(is_it)?))
    });
    let own = own.filter(|_| workload.vm.labels().contains_key(KIND_LABEL));
    own.ok_or_else(|| {
        Problem::error("kind", "only registries and nodes run in containers")
            .hint("`--target kubevirt` makes a VM of any document")
    })
}

/// What is so in a VM and not in a pod.
pub(super) fn unlike(part: &Part<'_>, options: &Options) -> Vec<Notice> {
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
