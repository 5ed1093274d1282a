//! `node remove|ban|unban`: what becomes of a node in its network's directory, by a signed request.

mod administrator;
mod remove;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use trustnet_core::network::NodeId;
use trustnet_core::network::signature::{Message, SigningKey, sign};
use trustnet_host::inquiry::Question;

use super::registry::root;
use crate::Program;
use crate::args::{NodeVerb, ToldRegistry};
use crate::contact::{Contact, Sought};
use crate::failure::{Exit, Failure};
use crate::outcome::{self, Outcome};

/// What becomes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// It is taken out.
    Remove,
    /// It is kept out.
    Ban,
    /// It is let in again.
    Unban,
}

impl Decision {
    /// What is done, as it is asked for.
    fn doing(self) -> &'static str {
        match self {
            Self::Remove => "removing a node",
            Self::Ban => "banning a node",
            Self::Unban => "letting a node in again",
        }
    }

    fn request(self, id: NodeId) -> (&'static str, String) {
        match self {
            Self::Remove => ("DELETE", format!("/api/nodes/{id}")),
            Self::Ban => ("PUT", format!("/api/nodes/{id}/ban")),
            Self::Unban => ("DELETE", format!("/api/nodes/{id}/ban")),
        }
    }

    /// What it is when it is done: in a word, and of a node.
    fn done(self) -> (&'static str, &'static str) {
        match self {
            Self::Remove => ("removed", "out of the directory"),
            Self::Ban => ("banned", "kept out, by every registry and every peer"),
            Self::Unban => ("unbanned", "let in again, when it is heard of next"),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It is done.
    Done,
    /// A secondary takes it to a root that is away.
    Queued,
}

/// Does it.
///
/// # Errors
/// The node is not there, nobody says yes, or the registry refuses.
pub fn run(program: &Program, verb: &NodeVerb) -> Result<Exit, Failure> {
    let (decision, node, told, key) = match verb {
        NodeVerb::Remove(args) => (
            Decision::Remove,
            &args.node,
            &args.told,
            args.key.as_deref(),
        ),
        NodeVerb::Ban(args) => (
            Decision::Ban,
            &args.node,
            &args.told,
            Some(args.key.as_path()),
        ),
        NodeVerb::Unban(args) => (
            Decision::Unban,
            &args.node,
            &args.told,
            Some(args.key.as_path()),
        ),
    };
    let came = match key {
        Some(key) => administrator::decide(program, decision, told, node, key)?,
        None => remove::by_itself(program, node, told)?,
    };
    let (word, then) = decision.done();
    let (word, text) = match came {
        Came::Queued => (
            "queued",
            format!("`{node}` will be {then} once the root is back: the secondary has queued it"),
        ),
        // By its own key it was stopped first.
        Came::Done if decision == Decision::Remove && key.is_some() => (
            word,
            format!(
                "`{node}` is {then}; while it runs with the join token it registers again: stop it there, or ban it"
            ),
        ),
        Came::Done => (word, format!("`{node}` is {then}")),
    };
    let outcome = Outcome::new(word, text);
    if program.in_words() {
        program.ui.result(outcome.text);
    }
    program.print_entries(&[outcome::entry(node, Ok(outcome.result))])?;
    Ok(Exit::Done)
}

fn registry(program: &Program, told: &ToldRegistry) -> Result<Contact, Failure> {
    let ca: Option<&Path> = told.ca.as_deref();
    let Some(place) = &told.registry else {
        return root(&program.connect()?, ca);
    };
    match Contact::at_address(place, ca)? {
        Some(contact) => Ok(contact),
        None => Contact::find(&program.connect()?, place, Sought::Registry, ca),
    }
}

/// Tells a registry, signed.
fn tell(
    registry: &mut Contact,
    decision: Decision,
    id: NodeId,
    key: &SigningKey,
) -> Result<Came, Failure> {
    let (method, path) = decision.request(id);
    let message = Message {
        method,
        path: &path,
        body: b"",
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let signed = sign(key, &message, now.map_or(0, |since| since.as_secs()));
    let headers = signed.pairs();
    let question = Question {
        method,
        path: &path,
        headers: &headers,
    };
    let answer = registry.ask(&question)?;
    match answer.status {
        200 | 204 => Ok(Came::Done),
        202 => Ok(Came::Queued),
        _ => Err(registry.refused(decision.doing(), &answer, "it says nothing more")),
    }
}
