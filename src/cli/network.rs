//! After `create`: a network is there once every node is in the directory, and each knows the others.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use trustnet_api::KIND_LABEL;
use trustnet_api::network::{NodeHealth, NodeState, Peers};
use trustnet_core::kind::{NODE_SERVICE, REGISTRY_SERVICE};
use trustnet_host::interrupt::Interrupt;

use crate::Program;
use crate::contact::{Contact, Sought, text};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::specs::Spec;
use crate::verbs::registry::all_nodes;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(2);

/// A registry or a node of the invocation.
struct Member<'a> {
    name: &'a str,
    domain: String,
    sought: Sought,
    contact: Option<Contact>,
}

impl<'a> Member<'a> {
    fn of(spec: &'a Spec) -> Option<Self> {
        let wire = spec.vm.wire();
        let kind = wire.metadata.labels.get(KIND_LABEL)?;
        let (sought, service) = match kind.as_str() {
            trustnet_api::REGISTRY => (Sought::Registry, REGISTRY_SERVICE),
            trustnet_api::NODE => (Sought::Node, NODE_SERVICE),
            _ => return None,
        };
        let mut services = wire.spec.services.iter();
        let service = services.find(|one| one.name == service)?;
        Some(Self {
            name: spec.vm.name().as_str(),
            domain: text(service, "domain")?.to_owned(),
            sought,
            contact: None,
        })
    }

    /// The names that it knows, its own with them once it is in the directory; a connection that breaks is made anew the next time.
    fn knows(&mut self, host: &Host) -> Result<BTreeSet<String>, Failure> {
        let contact = match &mut self.contact {
            Some(contact) => contact,
            None => self
                .contact
                .insert(Contact::find(host, self.name, self.sought, None)?),
        };
        let known = match self.sought {
            Sought::Registry => all_nodes(contact).map(|(nodes, _)| {
                let active = nodes
                    .into_iter()
                    .filter(|node| node.state == NodeState::Active);
                active.map(|node| node.node_name).collect()
            }),
            Sought::Node => known_to_node(contact, self.name),
        };
        if known.is_err() {
            self.contact = None;
        }
        known
    }

    /// What it does not know of these names, in words.
    fn lacks(&mut self, host: &Host, nodes: &[(String, String)]) -> Vec<String> {
        let wanted = nodes.iter().filter(|(_, domain)| *domain == self.domain);
        let wanted: Vec<&String> = wanted.map(|(name, _)| name).collect();
        let known = match self.knows(host) {
            Ok(known) => known,
            Err(failure) => return vec![failure.message],
        };
        let missing = wanted.into_iter().filter(|name| !known.contains(*name));
        let words = missing.map(|name| match self.sought {
            Sought::Registry => {
                format!("`{name}` is not active in the directory of `{}`", self.name)
            }
            Sought::Node if name == self.name => format!("`{name}` is not registered"),
            Sought::Node => format!("`{}` does not know `{name}`", self.name),
        });
        words.collect()
    }
}

/// Whom a node knows. That it is in the directory itself, only it can say where its registry is not of this invocation.
fn known_to_node(contact: &mut Contact, name: &str) -> Result<BTreeSet<String>, Failure> {
    let (known, _) = contact.get::<Peers>("/api/peers")?;
    let (health, _) = contact.get::<NodeHealth>("/api/health")?;
    let own = health.registry.registered.then(|| name.to_owned());
    let names = known.peers.into_iter().map(|peer| peer.node_name);
    Ok(names.chain(own).collect())
}

/// Waits until the registries and nodes of an invocation know all its nodes; says nothing where there are no nodes.
///
/// # Errors
/// Time is up: what is missing; or the user interrupts.
pub fn settle(
    program: &Program,
    host: &Host,
    specs: &[Spec],
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut members: Vec<Member<'_>> = specs.iter().filter_map(Member::of).collect();
    let nodes: Vec<(String, String)> = members
        .iter()
        .filter(|member| member.sought == Sought::Node)
        .map(|member| (member.name.to_owned(), member.domain.clone()))
        .collect();
    if nodes.is_empty() {
        return Ok(());
    }
    let progress = program.ui.progress("network");
    let begun = Instant::now();
    let limit = program.settings.timeout.value;
    // Who has what it needs need not be asked again.
    while !members.is_empty() {
        let mut missing = Vec::new();
        members.retain_mut(|member| {
            let lacks = member.lacks(host, &nodes);
            let lacks_some = !lacks.is_empty();
            missing.extend(lacks);
            lacks_some
        });
        let Some(first) = missing.first() else { break };
        progress.begin(format!("waiting: {first}"));
        if interrupt.stop() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        if begun.elapsed() > limit {
            let message = format!(
                "the VMs are ready, but not their network:\n  {}",
                missing.join("\n  ")
            );
            return Err(Failure::new(Exit::Provision, message).hint(
                "`trustnet-vm registry status` and `trustnet-vm logs NAME --service trustnet-node` say more",
            ));
        }
        std::thread::sleep(EVERY);
    }
    drop(progress);
    if program.in_words() {
        let names: Vec<&str> = nodes.iter().map(|(name, _)| name.as_str()).collect();
        let tick = program.ui.paint("32", "✓");
        program.ui.result(format!(
            "{tick} Network ready: {} registered, every peer known\n",
            names.join(", ")
        ));
    }
    Ok(())
}
