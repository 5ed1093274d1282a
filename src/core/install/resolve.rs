//! From the answers to what is installed: complete and valid, or everything that is missing and wrong at once.

use std::fmt;

use ipnet::Ipv6Net;
use trustnet_api::dns::DnsSection;
use trustnet_api::install::{Deployment, Install, InstallSpec, RegistryType};
use trustnet_api::network::{NODE_PORT, REGISTRY_PORT};

use super::question::{address, root};
use super::{Form, Found, Key, put, shown};
use crate::network::Endpoint;
use crate::problem::Problem;
use crate::vm::VmName;

/// How far up is looked for a free port.
const PORTS: u16 = 100;

/// What is installed.
#[derive(Debug, Clone, PartialEq)]
pub struct Installation {
    /// What it is.
    pub role: RegistryType,
    /// The network's domain.
    pub domain: String,
    /// The name of the node or registry, and of its VM.
    pub name: VmName,
    /// Where it runs.
    pub deployment: Deployment,
    /// The address at which others reach it.
    pub address: Ipv6Net,
    /// The port of its registry.
    pub registry_port: u16,
    /// The root that is followed, where it is not looked up.
    pub root: Option<Endpoint>,
    /// Whether it is known that no root answers now.
    pub root_is_away: bool,
    /// All answers, defaults among them.
    pub answers: InstallSpec,
    /// What is odd, in words.
    pub warnings: Vec<String>,
}

/// An answer that is missing, or no good one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The flag that gives it.
    pub flag: &'static str,
    /// What is wrong: nothing for an answer that is missing.
    pub wrong: Option<String>,
    /// What the answer is, for who does not know.
    pub help: &'static str,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wrong {
            None => write!(f, "{}: {}", self.flag, self.help),
            Some(why) => write!(f, "{}: {why}", self.flag),
        }
    }
}

impl Installation {
    /// Whether there is a node in it.
    #[must_use]
    pub fn has_node(&self) -> bool {
        self.role == RegistryType::Integrated
    }

    /// Whether its registry is found by the domain's `tnr` record.
    #[must_use]
    pub fn is_advertised(&self) -> bool {
        self.role != RegistryType::Integrated
    }

    /// Who keeps the domain's zone.
    #[must_use]
    pub fn dns(&self) -> DnsSection {
        self.answers.dns.clone().unwrap_or_default()
    }

    /// Where its registry answers.
    #[must_use]
    pub fn registry(&self) -> Endpoint {
        Endpoint::new(self.address.addr().into(), self.registry_port)
    }
}

/// The answers with the defaults that nobody need be asked for.
#[must_use]
pub fn complete(answers: &InstallSpec, found: &Found) -> InstallSpec {
    let mut answers = answers.clone();
    for key in Key::ALL {
        let form = Form {
            answers: &answers,
            found,
        };
        if !form.applies(key) || shown(&answers, key).is_some() {
            continue;
        }
        if let Some(suggestion) = form.suggestion(key).filter(|one| one.silently) {
            put(&mut answers, key, &suggestion.text);
        }
    }
    answers
}

/// What is installed by these answers and defaults.
///
/// # Errors
/// Everything that is missing or wrong, in the order of the questions.
pub fn resolve(answers: &InstallSpec, found: &Found) -> Result<Installation, Vec<Lack>> {
    let answers = complete(answers, found);
    let form = Form {
        answers: &answers,
        found,
    };
    let mut lacks: Vec<Lack> = Key::ALL
        .iter()
        .filter_map(|key| lack(&form, *key))
        .collect();
    lacks.extend(contradictions(&answers));
    let all = (
        answers.domain.clone(),
        answers.registry_type,
        answers.deployment,
        answers
            .node_name
            .as_deref()
            .and_then(|name| VmName::parse(name).ok()),
        shown(&answers, Key::Address).and_then(|text| address(&text).ok()),
    );
    let (Some(domain), Some(role), Some(deployment), Some(name), Some(address)) = all else {
        return Err(lacks);
    };
    let mut warnings = Vec::new();
    let port = registry_port(&answers, role, found, &mut warnings);
    if let Err(lack) = &port {
        lacks.push(lack.clone());
    }
    let Some(registry_port) = port.ok().filter(|_| lacks.is_empty()) else {
        return Err(lacks);
    };
    let root = answers.root_registry_ip.as_deref().and_then(root);
    Ok(Installation {
        role,
        domain: domain.to_ascii_lowercase(),
        name,
        deployment,
        address,
        registry_port,
        root: root.filter(|_| role != RegistryType::Root),
        root_is_away: false,
        answers: InstallSpec {
            registry_port: Some(registry_port),
            ..answers
        },
        warnings,
    })
}

/// What is wrong with a file of answers, by its own fields. What is missing may come from elsewhere.
#[must_use]
pub fn check(install: &Install) -> Vec<Problem> {
    let answers = &install.spec;
    let found = Found::default();
    let form = Form {
        answers,
        found: &found,
    };
    let mut problems = Vec::new();
    for key in Key::ALL {
        // What the domain is may be said by a flag.
        if key != Key::NewRoot
            && let Some(text) = shown(answers, key)
            && let Err(why) = form.check(key, &text)
        {
            problems.push(Problem::error(key.field(), why));
        }
    }
    problems
}

fn lack(form: &Form<'_>, key: Key) -> Option<Lack> {
    let lack = |wrong| Lack {
        flag: key.flag(),
        wrong,
        help: key.help(),
    };
    if !form.applies(key) {
        return None;
    }
    match shown(form.answers, key) {
        Some(text) => form.check(key, &text).err().map(|why| lack(Some(why))),
        None => {
            let optional = form.suggestion(key).is_some_and(|one| one.silently);
            // What depends on an answer that is missing has no default yet: the first one is told.
            let waits = key == Key::NodeName || key == Key::Address;
            let waits = waits && form.answers.registry_type.is_none();
            (!optional && !waits).then(|| lack(None))
        }
    }
}

/// Answers that do not go together.
fn contradictions(answers: &InstallSpec) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let mut refuse = |flag: &'static str, why: &str| {
        lacks.push(Lack {
            flag,
            wrong: Some(why.to_owned()),
            help: "",
        });
    };
    if answers.registry_vm_ip.is_some() {
        if answers.registry_type == Some(RegistryType::Integrated) {
            refuse(
                "--registry-vm-ip IPV6",
                "an integrated registry is in its node's VM: that one's is `--address`",
            );
        } else if answers.address.is_some() && answers.address != answers.registry_vm_ip {
            refuse(
                "--registry-vm-ip IPV6",
                "it is another word for `--address`, which says another one",
            );
        }
    }
    if answers.root_registry_ip.is_some() && answers.registry_type == Some(RegistryType::Root) {
        refuse("--root-registry-ip IPV6", "a root follows nobody");
    }
    if answers.registry_port == Some(0) {
        refuse("--registry-port PORT", "a port is one of 1 to 65535");
    }
    if answers.bridge.is_some() && answers.network.is_some() {
        refuse(
            "--bridge NAME",
            "a VM is attached to a bridge or to a network, not to both",
        );
    }
    if let Some(gateway) = &answers.gateway6
        && gateway.parse::<std::net::Ipv6Addr>().is_err()
    {
        refuse("--gateway6 IPV6", "it is no IPv6 address");
    }
    for server in &answers.dns_servers {
        if server.parse::<std::net::IpAddr>().is_err() {
            refuse("--guest-dns ADDRESS", &format!("`{server}` is no address"));
        }
    }
    lacks
}

/// The port of the registry: as it was said, else 8000, else the next at which nothing answers.
fn registry_port(
    answers: &InstallSpec,
    role: RegistryType,
    found: &Found,
    warnings: &mut Vec<String>,
) -> Result<u16, Lack> {
    let lack = |why: String| Lack {
        flag: "--registry-port PORT",
        wrong: Some(why),
        help: "",
    };
    let own = (role == RegistryType::Integrated).then_some(NODE_PORT);
    let free = |port: &u16| !found.taken.contains(port) && Some(*port) != own;
    // One that is there keeps the port that it was made with.
    let made = found.own.and_then(|own| own.registry_port);
    let port = match answers.registry_port.or(made) {
        Some(port) if Some(port) == own => {
            return Err(lack(format!("port {port} is the node's own")));
        }
        Some(port) if !free(&port) => {
            return Err(lack(format!(
                "something else answers at port {port} there already"
            )));
        }
        Some(port) => port,
        None => {
            let mut ports = REGISTRY_PORT..REGISTRY_PORT + PORTS;
            let port = ports.find(free).ok_or_else(|| {
                lack(format!(
                    "something answers at each of ports {REGISTRY_PORT} to {}",
                    REGISTRY_PORT + PORTS - 1
                ))
            })?;
            if port != REGISTRY_PORT {
                warnings.push(format!(
                    "something else answers at port {REGISTRY_PORT} of the address already: the registry takes port {port}"
                ));
            }
            port
        }
    };
    if port != REGISTRY_PORT && role != RegistryType::Integrated {
        warnings.push(format!(
            "a record in the DNS has no port: others look for registries at port {REGISTRY_PORT}, and find this one by `--root-registry-ip` with port {port} only"
        ));
    }
    Ok(port)
}
