//! How a VM and its services are now: from the guest where it answers in time, else from the record.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde::Serialize;
use trustnet_api::network::{NodeHealth, RegistryHealth, RegistryRole};
use trustnet_api::status::Phase;
use trustnet_core::diagnosis::{GuestFacts, UnitState};
use trustnet_core::examination::Verdict;
use trustnet_core::kind::{NODE_SERVICE, REGISTRY_SERVICE};
use trustnet_core::provision::ready_check;
use trustnet_core::record::{Role, ServicePhase};
use trustnet_core::service::Scope;
use trustnet_host::examine;
use trustnet_host::inquiry::{self, Question};
use trustnet_host::shell::{self, Fetched, ReadWrite, Shell, ShellError, Stream};

use crate::guest::Guest;
use crate::host::Host;
use crate::questions::{open, ready};
use crate::status;
use crate::subject::{Service, Subject};

/// How long looking at one guest may take, all in all.
const WHOLE: Duration = Duration::from_secs(15);
/// How long its SSH may take to answer.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long a port may take to take a connection.
const DIAL: Duration = Duration::from_secs(3);

/// A VM as it is now: an item of `status -o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The VM's name.
    pub name: String,
    /// libvirt's state.
    pub state: &'static str,
    /// Where the VM is in its life.
    pub phase: Phase,
    /// What is said of the guest's readiness.
    pub ready_message: Option<String>,
    /// Addresses without prefix length.
    pub addresses: Vec<String>,
    /// Where SSH answers, as `address:port`.
    pub ssh: Option<String>,
    /// Why the guest was not asked; absent where it was.
    pub unreachable: Option<String>,
    /// Its disks, in the order of the spec.
    pub disks: Vec<Disk>,
    /// Its services, each after those that it depends on.
    pub services: Vec<ServiceHealth>,
}

/// A disk of a VM.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// `boot` or `data`.
    pub role: &'static str,
    /// The volume's name.
    pub volume: String,
    /// Its pool.
    pub pool: String,
    /// Its size as the guest sees it.
    pub size_bytes: u64,
    /// Where the guest is to mount it.
    pub mount_path: Option<String>,
    /// Whether it does; absent where the guest was not asked.
    pub mounted: Option<bool>,
    /// How full it is, in percent; absent where that is not known.
    pub used_percent: Option<u64>,
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Its unit runs, its ports are open, it is ready.
    Healthy,
    /// One of these is not so.
    Unhealthy,
    /// It could not be asked: `state` and `since` are of the record.
    Unknown,
}

/// A service of a VM.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceHealth {
    /// Its name.
    pub name: String,
    /// Its version, where it is known.
    pub version: Option<String>,
    /// How it is now.
    pub health: Health,
    /// Why it is not healthy.
    pub why: Option<String>,
    /// How its unit is; absent where it has none or was not asked.
    pub unit: Option<UnitState>,
    /// Its ports; empty where they were not asked.
    pub ports: Vec<PortHealth>,
    /// How it was when its guest was last provisioned; absent where that never was.
    pub state: Option<ServicePhase>,
    /// Since when, in RFC 3339.
    pub since: Option<String>,
    /// What a registry or a node says of itself at `/api/health`; absent for other services, and where it does not
    /// answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
}

/// What a service of a network says of itself.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Live {
    /// A registry.
    Registry(RegistryHealth),
    /// A node.
    Node(NodeHealth),
}

impl Live {
    /// Asks a service of a network; none for another one.
    fn ask(
        shell: &mut dyn Shell,
        service: &Service,
        scope: &Scope,
        port: u16,
    ) -> Result<Option<Self>, ShellError> {
        let name = service.instance.name();
        if ![REGISTRY_SERVICE, NODE_SERVICE].contains(&name) {
            return Ok(None);
        }
        let question = Question::get("/api/health");
        let at = (scope.address.as_str(), port);
        let Ok(answer) = inquiry::through(shell, at, None, &question, DIAL)? else {
            return Ok(None);
        };
        let body = answer.body.as_slice();
        Ok(match name {
            REGISTRY_SERVICE => serde_json::from_slice(body).ok().map(Self::Registry),
            _ => serde_json::from_slice(body).ok().map(Self::Node),
        })
    }

    /// In words, for a tree.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Registry(health) => {
                let (nodes, replication) = (health.nodes, &health.replication);
                let role = match health.role {
                    RegistryRole::Root => "root".to_owned(),
                    RegistryRole::Secondary if replication.connected => {
                        format!("secondary, {:.1} s behind", replication.lag_seconds)
                    }
                    RegistryRole::Secondary => "secondary, the root is away".to_owned(),
                };
                format!(
                    "{role}, nodes {} active {} offline {} inactive, version {}, {} queued",
                    nodes.active,
                    nodes.offline,
                    nodes.inactive,
                    replication.version,
                    replication.queued_writes
                )
            }
            Self::Node(health) => {
                let registry = &health.registry;
                let at = registry.address.as_deref().unwrap_or("no registry");
                let word = match (registry.registered, registry.queued) {
                    (true, _) => "registered",
                    (false, true) => "registration queued",
                    (false, false) => "not registered",
                };
                let (peers, id) = (health.peers, &health.node_id);
                format!(
                    "{id}, {word} at {at}, peers {} known {} alive, consensus not included",
                    peers.known, peers.alive
                )
            }
        }
    }
}

/// A port of a service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PortHealth {
    /// What it is for.
    pub name: String,
    /// The number.
    pub port: u16,
    /// Whether it takes connections inside the guest.
    pub open: bool,
}

/// Looks at a VM.
pub fn look(host: &Host, subject: &Subject) -> Seen {
    let known = status::of(host, &subject.domain, &subject.record);
    let ready = known.conditions.iter().find(|one| one.kind == "Ready");
    let mut shell = connect(host, subject);
    let facts = match &mut shell {
        Ok(shell) => examine::facts(shell).ok().flatten(),
        Err(_) => None,
    };
    let services = services(subject, shell.as_mut().ok());
    Seen {
        name: subject.name.clone(),
        state: subject.domain.state.as_str(),
        phase: known.phase,
        ready_message: ready.map(|one| one.message.clone()),
        addresses: known.addresses,
        ssh: known.ssh,
        unreachable: shell.err(),
        disks: disks(subject, facts.as_ref()),
        services,
    }
}

fn connect(host: &Host, subject: &Subject) -> Result<Hurried, String> {
    if !subject.domain.state.is_active() {
        return Err("the VM does not run".to_owned());
    }
    let end = Instant::now() + WHOLE;
    let shell = Guest::find(host, &subject.name)
        .and_then(|guest| guest.connect_within(host, CONNECTING))
        .map_err(|failure| failure.message)?;
    Ok(Hurried { shell, end })
}

fn disks(subject: &Subject, facts: Option<&GuestFacts>) -> Vec<Disk> {
    let mut mounts = subject.record.spec.spec.data_disks.iter();
    let volumes = subject.record.volumes.iter();
    volumes
        .filter_map(|volume| {
            let (role, mount_path) = match volume.role {
                Role::Boot => ("boot", Some("/".to_owned())),
                Role::Data => (
                    "data",
                    mounts.next().and_then(|disk| disk.mount_path.clone()),
                ),
                _ => return None,
            };
            let usage = |path: &String| {
                facts?
                    .usage(path)
                    .map(trustnet_core::diagnosis::Usage::percent)
            };
            let mounted = |path: &String| Some(facts?.mount(path).is_some());
            let is_mounted = mount_path.as_ref().and_then(mounted);
            Some(Disk {
                role,
                volume: volume.name.clone(),
                pool: volume.pool.clone(),
                size_bytes: volume.size,
                mounted: is_mounted,
                used_percent: mount_path
                    .as_ref()
                    .and_then(usage)
                    .filter(|_| is_mounted == Some(true)),
                mount_path,
            })
        })
        .collect()
}

fn services(subject: &Subject, shell: Option<&mut Hurried>) -> Vec<ServiceHealth> {
    let recorded = |name: &str, version: Option<String>| {
        let mut all = subject.record.services.iter();
        let found = all.find(|one| one.name == name);
        ServiceHealth {
            name: name.to_owned(),
            version: version.or_else(|| found.map(|one| one.version.clone())),
            health: Health::Unknown,
            why: None,
            unit: None,
            ports: Vec::new(),
            state: found.map(|one| one.state),
            since: found.and_then(|one| status::rfc3339(one.at)),
            live: None,
        }
    };
    let services = match &subject.services {
        Ok(services) => services,
        Err(why) => {
            let all = subject.record.services.iter();
            let unknown = all.map(|one| ServiceHealth {
                why: Some(format!("its definition is not known: {why}")),
                ..recorded(&one.name, None)
            });
            return unknown.collect();
        }
    };
    let mut all: Vec<ServiceHealth> = services
        .iter()
        .map(|one| recorded(one.instance.name(), one.version.clone()))
        .collect();
    if let Some(shell) = shell {
        for (service, health) in services.iter().zip(&mut all) {
            // What does not answer in time stays unknown, and says so.
            if let Err(error) = of_service(shell, subject, service, health) {
                health.health = Health::Unknown;
                health.why = Some(subject.masks.mask(&error.to_string()));
            }
        }
    }
    all
}

fn of_service(
    shell: &mut Hurried,
    subject: &Subject,
    service: &Service,
    health: &mut ServiceHealth,
) -> Result<(), ShellError> {
    let scope = match &service.scope {
        Ok(scope) => scope,
        Err(why) => {
            health.why = Some(subject.masks.mask(why));
            return Ok(());
        }
    };
    let mut wrong = Vec::new();
    let names = service.instance.unit_names(scope).ok().flatten();
    if let Some(names) = &names {
        health.unit = examine::units(shell, std::slice::from_ref(names))?
            .pop()
            .flatten();
        if health.unit != Some(UnitState::Active) {
            wrong.push(format!("its unit `{}` does not run", names.0));
        }
    }
    for (name, port) in service.instance.listens(scope) {
        let Ok(port) = port else { continue };
        let is_open = open(shell, (scope.address.as_str(), port), DIAL)?.0 == Verdict::Passed;
        if !is_open {
            wrong.push(format!("its port {port} is closed"));
        }
        if is_open && health.live.is_none() {
            health.live = Live::ask(shell, service, scope, port)?;
        }
        health.ports.push(PortHealth {
            name,
            port,
            open: is_open,
        });
    }
    let check = service.instance.definition.spec().ready.as_ref();
    if check.is_some()
        && let Ok(check) = ready_check(&service.instance, scope)
        && let (Verdict::Failed(why), _) = ready(shell, &check, names.as_ref(), &subject.masks)?
    {
        wrong.push(format!("it is not ready: {why}"));
    }
    health.health = if wrong.is_empty() {
        Health::Healthy
    } else {
        Health::Unhealthy
    };
    health.why = wrong.first().map(|why| subject.masks.mask(why));
    Ok(())
}

/// A connection whose time is up at some point, whatever is asked.
struct Hurried {
    shell: Box<dyn Shell>,
    end: Instant,
}

impl Hurried {
    fn within(&self, limit: Duration) -> Duration {
        limit.min(self.end.saturating_duration_since(Instant::now()))
    }
}

impl Shell for Hurried {
    fn run(
        &mut self,
        command: &str,
        input: &mut dyn Read,
        limit: Duration,
        each: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<shell::Exit, ShellError> {
        let limit = self.within(limit);
        self.shell.run(command, input, limit, each)
    }

    fn put(
        &mut self,
        source: &mut dyn Read,
        size: u64,
        path: &str,
        mode: u32,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ShellError> {
        self.shell.put(source, size, path, mode, progress)
    }

    fn get(
        &mut self,
        path: &str,
        sink: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Fetched, ShellError> {
        self.shell.get(path, sink, progress)
    }

    fn dial(
        &mut self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Box<dyn ReadWrite + '_>, ShellError> {
        let limit = self.within(limit);
        self.shell.dial(host, port, limit)
    }
}
