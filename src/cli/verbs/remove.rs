//! `node remove`: a node is taken out of its network's directory, by a signed request.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use trustnet_api::network::NodeRecord;
use trustnet_core::kind::NODE_SERVICE;
use trustnet_core::network::NodeId;
use trustnet_core::network::signature::{Message, SigningKey, sign};
use trustnet_core::readiness::clean;
use trustnet_host::examine::{self, UnitVerb};
use trustnet_host::inquiry::Question;
use trustnet_host::shell::Shell;

use super::promote::{confirm, succeeded};
use super::registry::{all_nodes, root};
use crate::Program;
use crate::args::NodeRemove;
use crate::contact::{self, Contact, Sought};
use crate::failure::{Exit, Failure};
use crate::guest::Guest;
use crate::outcome::{self, Outcome};

/// The node's key in its guest.
const IDENTITY: &str = "/var/lib/trustnet-node/identity.pem";
/// The most of a key's file that is read.
const MOST: usize = 1 << 16;

/// Removes a node.
///
/// # Errors
/// It is not there, nobody says yes, or the registry refuses.
pub fn run(program: &Program, args: &NodeRemove) -> Result<Exit, Failure> {
    let word = match &args.key {
        Some(file) => by_administrator(program, args, file)?,
        None => by_itself(program, args)?,
    };
    let text = match word {
        "removed" if args.key.is_some() => format!(
            "`{}` is out of the directory; while it runs with the join token it registers again: stop it there",
            args.node
        ),
        "removed" => format!("`{}` is out of the directory", args.node),
        _ => format!(
            "`{}` will be out of the directory once the root is back: the secondary has queued it",
            args.node
        ),
    };
    let outcome = Outcome::new(word, text);
    if program.in_words() {
        program.ui.result(outcome.text);
    }
    program.print_entries(&[outcome::entry(&args.node, Ok(outcome.result))])?;
    Ok(Exit::Done)
}

/// By the node's own key, in its guest.
fn by_itself(program: &Program, args: &NodeRemove) -> Result<&'static str, Failure> {
    let host = program.connect()?;
    let guest = Guest::find(&host, &args.node)?;
    if contact::service(&guest.record, NODE_SERVICE).is_none() {
        let message = format!("`{}` has no node", guest.name);
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut registry = registry(program, args)?;
    program.ui.always(format!(
        "removing `{}`:\n  - stop {NODE_SERVICE} in its guest\n  - take it out of the directory of `{}`, signed with its own key\n  - disable {NODE_SERVICE}, so that the guest's next start does not register it again",
        guest.name, registry.name
    ));
    confirm(program, "removing a node")?;
    let mut shell = guest.connect(&host)?;
    control(&mut *shell, &guest, UnitVerb::Stop, "stop the node")?;
    let deleted = identity(&mut *shell, &guest)
        .and_then(|key| delete(&mut registry, key.public().node_id(), &key));
    let word = match deleted {
        Ok(word) => word,
        Err(failure) => {
            // A node that is still in the directory runs as it did.
            control(&mut *shell, &guest, UnitVerb::Start, "start the node again")?;
            return Err(failure);
        }
    };
    let what = "disable the node, which is out of the directory until its guest starts again";
    control(&mut *shell, &guest, UnitVerb::Disable, what)?;
    Ok(word)
}

fn control(
    shell: &mut dyn Shell,
    guest: &Guest,
    verb: UnitVerb,
    what: &str,
) -> Result<(), Failure> {
    let ended = examine::unit(shell, verb, (NODE_SERVICE, NODE_SERVICE));
    succeeded(what, &ended.map_err(|error| guest.failure(error))?)
}

/// By the administrator's key, wherever the node is.
fn by_administrator(
    program: &Program,
    args: &NodeRemove,
    file: &Path,
) -> Result<&'static str, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("failed to read `{}`: {error}", file.display()),
        )
    })?;
    let key = SigningKey::from_pem(&text).ok_or_else(|| {
        let message = format!("`{}` holds no Ed25519 key", file.display());
        Failure::new(Exit::Usage, message)
            .hint("make one with `openssl genpkey -algorithm ed25519`; PKCS#8 in PEM is read")
    })?;
    let mut registry = registry(program, args)?;
    let node = wanted(&mut registry, &args.node)?;
    let id = node.node_id.parse::<NodeId>().map_err(|error| {
        Failure::new(
            Exit::Provision,
            format!("`{}`: {error}", clean(&node.node_id)),
        )
    })?;
    program.ui.always(format!(
        "removing `{}` ({id}, [{}]:{}) from the directory of `{}`, with the administrator's key",
        clean(&node.node_name),
        node.ipv6_address,
        node.port,
        registry.name
    ));
    confirm(program, "removing a node")?;
    delete(&mut registry, id, &key)
}

fn registry(program: &Program, args: &NodeRemove) -> Result<Contact, Failure> {
    let ca = args.ca.as_deref();
    let Some(place) = &args.registry else {
        return root(&program.connect()?, ca);
    };
    match Contact::at_address(place, ca)? {
        Some(contact) => Ok(contact),
        None => Contact::find(&program.connect()?, place, Sought::Registry, ca),
    }
}

/// The node of that name or id.
fn wanted(registry: &mut Contact, node: &str) -> Result<NodeRecord, Failure> {
    let (nodes, _) = all_nodes(registry)?;
    let mut nodes = nodes.into_iter();
    nodes
        .find(|one| one.node_name == node || one.node_id == node)
        .ok_or_else(|| {
            let message = format!(
                "the directory of `{}` has no node `{}`",
                registry.name,
                clean(node)
            );
            Failure::new(Exit::Usage, message).hint("`trustnet-vm registry nodes` lists them")
        })
}

fn identity(shell: &mut dyn Shell, guest: &Guest) -> Result<SigningKey, Failure> {
    let mut text = Vec::new();
    shell
        .get(IDENTITY, &mut text, &mut |_| {})
        .map_err(|error| guest.failure(error))?;
    let text = String::from_utf8_lossy(&text[..text.len().min(MOST)]).into_owned();
    SigningKey::from_pem(&text).ok_or_else(|| {
        let message = format!("`{IDENTITY}` of `{}` holds no Ed25519 key", guest.name);
        Failure::new(Exit::Provision, message)
            .hint("remove it with the administrator's key: `--key FILE`")
    })
}

/// What came of it: `removed`, or `queued` where a secondary takes it to a root that is away.
fn delete(registry: &mut Contact, id: NodeId, key: &SigningKey) -> Result<&'static str, Failure> {
    let path = format!("/api/nodes/{id}");
    let message = Message {
        method: "DELETE",
        path: &path,
        body: b"",
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let signed = sign(key, &message, now.map_or(0, |since| since.as_secs()));
    let headers = signed.pairs();
    let question = Question {
        method: message.method,
        path: &path,
        headers: &headers,
    };
    let answer = registry.ask(&question)?;
    match answer.status {
        200 | 204 => Ok("removed"),
        202 => Ok("queued"),
        _ => Err(registry.refused("the removal", &answer, "it says nothing more")),
    }
}
