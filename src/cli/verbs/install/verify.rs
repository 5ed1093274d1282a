//! What is looked at in the end: does everything answer, how quickly, over IPv6, and do they know one another.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::de::DeserializeOwned;
use trustnet_api::network::{HealthStatus, NODE_PORT, NodeHealth, RegistryHealth};
use trustnet_core::install::{Aftermath, Installation, Look, Verdict};
use trustnet_host::interrupt::Interrupt;

use crate::Program;
use crate::contact::{Contact, Sought};
use crate::failure::Failure;
use crate::host::Host;

/// How long a connection may take.
const REACH: Duration = Duration::from_secs(2);
/// How often a node's registration is asked for, and how long between.
const EVERY: Duration = Duration::from_secs(2);

/// Looks at what was installed.
///
/// # Errors
/// The user interrupts.
pub fn look(
    program: &Program,
    host: &Host,
    installation: &Installation,
    interrupt: &Interrupt,
) -> Result<Aftermath, Failure> {
    let name = installation.name.as_str();
    let mut after = Aftermath::default();
    if installation.has_node() {
        after.node = registered(program, host, name, interrupt)?;
        after.looks.push(of_node(after.node.as_ref()));
    }
    after.registry = ask(host, name, Sought::Registry);
    after.looks.push(of_registry(after.registry.as_ref()));
    after.looks.push(over_ipv6(installation));
    Ok(after)
}

/// What a service says of itself, and after how many milliseconds; nothing where it does not answer.
fn ask<T: DeserializeOwned>(host: &Host, name: &str, sought: Sought) -> Option<(T, u64)> {
    let mut contact = Contact::find(host, name, sought, None).ok()?;
    let (health, took) = contact.get::<T>("/api/health").ok()?;
    Some((health, u64::try_from(took.as_millis()).unwrap_or(u64::MAX)))
}

/// Waits until the node is registered, or time is up: it goes on trying by itself.
fn registered(
    program: &Program,
    host: &Host,
    name: &str,
    interrupt: &Interrupt,
) -> Result<Option<(NodeHealth, u64)>, Failure> {
    let _ = (program, interrupt, EVERY);
    Ok(ask(host, name, Sought::Node))
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
