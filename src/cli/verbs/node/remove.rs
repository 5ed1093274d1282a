//! A node is removed by its own key, in its guest.

use trustnet_core::kind::NODE_SERVICE;
use trustnet_core::network::signature::SigningKey;
use trustnet_host::examine::{self, UnitVerb};
use trustnet_host::shell::Shell;

use super::super::promote::{confirm, succeeded};
use super::{Came, Decision, registry, tell};
use crate::Program;
use crate::args::ToldRegistry;
use crate::contact;
use crate::failure::{Exit, Failure};
use crate::guest::Guest;

/// The node's key in its guest.
const IDENTITY: &str = "/var/lib/trustnet-node/identity.pem";
/// The most of a key's file that is read.
const MOST: usize = 1 << 16;

/// Stops it, removes it, and disables it, so that it does not come back with its guest.
///
/// # Errors
/// It is not there, nobody says yes, or the registry refuses: then it runs on.
pub fn by_itself(program: &Program, node: &str, told: &ToldRegistry) -> Result<Came, Failure> {
    let host = program.connect()?;
    let guest = Guest::find(&host, node)?;
    if contact::service(&guest.record, NODE_SERVICE).is_none() {
        let message = format!("`{}` has no node", guest.name);
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut registry = registry(program, told)?;
    program.ui.always(format!(
        "removing `{}`:\n  - stop {NODE_SERVICE} in its guest\n  - take it out of the directory of `{}`, signed with its own key\n  - disable {NODE_SERVICE}, so that the guest's next start does not register it again",
        guest.name, registry.name
    ));
    confirm(program, Decision::Remove.doing())?;
    let mut shell = guest.connect(&host)?;
    control(&mut *shell, &guest, UnitVerb::Stop, "stop the node")?;
    let deleted = identity(&mut *shell, &guest).and_then(|key| {
        tell(
            &mut registry,
            Decision::Remove,
            key.public().node_id(),
            &key,
        )
    });
    let came = match deleted {
        Ok(came) => came,
        Err(failure) => {
            // A node that is still in the directory runs as it did.
            control(&mut *shell, &guest, UnitVerb::Start, "start the node again")?;
            return Err(failure);
        }
    };
    let what = "disable the node, which is out of the directory until its guest starts again";
    control(&mut *shell, &guest, UnitVerb::Disable, what)?;
    Ok(came)
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
