//! What is looked at in the end: does everything answer, how quickly, over IPv6, and do they know one another.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use trustnet_api::network::{HealthStatus, NODE_PORT, NodeHealth, RegistryHealth};
use trustnet_core::install::{Aftermath, Installation, Look, Verdict};
use trustnet_core::tnr::{self, judge};
use trustnet_host::dns::Names;
use trustnet_host::interrupt::Interrupt;

use crate::Program;
use crate::contact::{Contact, Sought};
use crate::failure::{Exit, Failure};
use crate::host::Host;

/// How long a connection may take.
const REACH: Duration = Duration::from_secs(2);
/// How long a node's registration is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long between two looks for it.
const EVERY: Duration = Duration::from_secs(2);

/// Who looks at an installation.
pub struct Verify<'a> {
    /// The program.
    pub program: &'a Program,
    /// The hypervisor.
    pub host: &'a Host,
    /// What was installed.
    pub installation: &'a Installation,
    /// Who looks names up.
    pub names: &'a Names,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
}

impl Verify<'_> {
    /// Looks at the rest: the registry, the way to it, the record, the peers.
    pub fn look(&self, node: Option<(NodeHealth, u64)>) -> Aftermath {
        let name = self.installation.name.as_str();
        let registry = ask(self.host, name, Sought::Registry);
        let mut looks = vec![of_registry(registry.as_ref())];
        if self.installation.has_node() {
            looks.push(of_node(node.as_ref()));
        }
        looks.push(over_ipv6(self.installation));
        looks.push(self.record());
        if self.installation.has_node() {
            looks.push(peers(node.as_ref()));
        }
        Aftermath {
            registry,
            node,
            looks,
        }
    }

    /// Whether the record has this registry, or for a node any.
    fn record(&self) -> Look {
        let installation = self.installation;
        let own = installation.is_advertised();
        let wanted = own.then(|| installation.address.addr());
        let wanted: Vec<_> = wanted.into_iter().collect();
        let (verdict, text) = match self.names.sight(&installation.domain) {
            Err(error) => (Verdict::Warning, format!("not known: {error}")),
            Ok(sighting) => {
                let said = judge(&wanted, &sighting);
                let verdict = match said {
                    tnr::Verdict::Published { .. } | tnr::Verdict::Spreading { .. } => Verdict::Ok,
                    _ => Verdict::Warning,
                };
                (verdict, format!("{}: {said}", sighting.name))
            }
        };
        Look {
            what: "DNS record",
            verdict,
            text,
        }
    }

    /// Waits until the node is registered, or time is up: it goes on trying by itself.
    ///
    /// # Errors
    /// The user interrupts.
    pub fn registered(&self) -> Result<Option<(NodeHealth, u64)>, Failure> {
        let name = self.installation.name.as_str();
        let progress = self.program.ui.progress(name);
        let begun = Instant::now();
        loop {
            let node = ask::<NodeHealth>(self.host, name, Sought::Node);
            let registered = node.as_ref();
            let registered = registered.is_some_and(|(node, _)| node.registry.registered);
            let enough = self.installation.root_is_away || begun.elapsed() > PATIENCE;
            if registered || enough {
                return Ok(node);
            }
            if self.interrupt.stop() {
                return Err(Failure::new(
                    Exit::Interrupted,
                    "interrupted; everything is made, and the same `install` once more looks at it",
                ));
            }
            progress.begin("waiting until the node is registered");
            std::thread::sleep(EVERY);
        }
    }
}

/// What a service says of itself, and after how many milliseconds; nothing where it does not answer.
fn ask<T: DeserializeOwned>(host: &Host, name: &str, sought: Sought) -> Option<(T, u64)> {
    let mut contact = Contact::find(host, name, sought, None).ok()?;
    let (health, took) = contact.get::<T>("/api/health").ok()?;
    Some((health, u64::try_from(took.as_millis()).unwrap_or(u64::MAX)))
}

fn of_node(node: Option<&(NodeHealth, u64)>) -> Look {
    let (verdict, text) = match node {
        None => (Verdict::Failed, "the node does not answer".to_owned()),
        Some((health, ms)) => {
            let verdict = if health.registry.registered {
                Verdict::Ok
            } else {
                Verdict::Warning
            };
            let how = match (health.registry.registered, health.registry.queued) {
                (true, _) => "registered",
                (false, true) => "its registration waits for the root",
                (false, false) => "not registered yet: it goes on trying",
            };
            (verdict, format!("answers in {ms} ms, {how}"))
        }
    };
    Look {
        what: "node health",
        verdict,
        text,
    }
}

fn of_registry(registry: Option<&(RegistryHealth, u64)>) -> Look {
    let (verdict, text) = match registry {
        None => (Verdict::Failed, "the registry does not answer".to_owned()),
        Some((health, ms)) => {
            let verdict = match health.status {
                HealthStatus::Ok => Verdict::Ok,
                HealthStatus::Starting | HealthStatus::Degraded => Verdict::Warning,
            };
            let mut text = format!("answers in {ms} ms");
            for problem in &health.problems {
                text.push_str(&format!("; {problem}"));
            }
            (verdict, text)
        }
    };
    Look {
        what: "registry health",
        verdict,
        text,
    }
}

/// Whether this machine reaches it at its address, where there is a way.
fn over_ipv6(installation: &Installation) -> Look {
    let answers = &installation.answers;
    let port = if installation.has_node() {
        NODE_PORT
    } else {
        installation.registry_port
    };
    let at = SocketAddr::new(installation.address.addr().into(), port);
    let (verdict, text) = if answers.bridge.is_none() && answers.network.is_none() {
        (
            Verdict::Skipped,
            "its segment is for VMs of this machine: asked through the guest".to_owned(),
        )
    } else {
        match TcpStream::connect_timeout(&at, REACH) {
            Ok(_) => (Verdict::Ok, format!("{at} is reached from this machine")),
            Err(error) => (
                Verdict::Warning,
                format!("{at} is not reached from this machine: {error}"),
            ),
        }
    };
    Look {
        what: "IPv6 connectivity",
        verdict,
        text,
    }
}

fn peers(node: Option<&(NodeHealth, u64)>) -> Look {
    let (verdict, text) = match node {
        None => (Verdict::Skipped, "the node does not answer".to_owned()),
        Some((health, _)) => match health.peers.known {
            0 => (
                Verdict::Ok,
                "0 peers (first node of the network, or not heard of others yet)".to_owned(),
            ),
            known => (
                Verdict::Ok,
                format!("{known} peers known, {} alive", health.peers.alive),
            ),
        },
    };
    Look {
        what: "peers",
        verdict,
        text,
    }
}
