//! What is looked at before anything is changed: facts for `trustnet_core::preflight`. Nothing is changed here, and what
//! does not apply is not looked at.

mod clock;
mod domain;
mod hypervisor;
mod ports;

use std::fs;
use std::path::Path;
use std::time::Duration;

pub use domain::{by_names, domain};
pub use hypervisor::Connected;
use trustnet_core::ipv6::Ipv6Facts;
use trustnet_core::preflight::{Echo, Facts, Need, Resolved, Unmet, Wanted, WantedPort};
use trustnet_core::vm::Attachment;

use crate::error::HostError;
use crate::ipv6;

/// How long the gateway may take: the kernel looks for a neighbour three times, a second each, before it says that there
/// is none.
const PATIENCE: Duration = Duration::from_secs(4);

/// With what is looked.
pub struct Look<'a> {
    /// Below which folder the machine's `/proc`, `/sys`, `/etc` and `/run` are: `/` for this machine. Of another one
    /// nobody is asked anything.
    pub root: &'a Path,
    /// Looks a name up: all its addresses.
    pub resolve: &'a dyn Fn(&str) -> Resolved,
    /// The hypervisor, or why it is not reached; none where guests do not run here.
    pub hypervisor: Option<Result<Connected<'a>, Unmet>>,
}

/// Looks at all that is asked for. Who has the catalogue of images and the cache adds what those say.
///
/// # Errors
/// The hypervisor refuses to tell.
pub fn gather(wanted: &Wanted, look: Look<'_>) -> Result<Facts, HostError> {
    let root = look.root;
    let asked = |one: &&WantedPort| one.need != Need::No;
    let mut ports: Vec<u16> = wanted
        .ports
        .iter()
        .filter(asked)
        .map(|one| one.port)
        .collect();
    let interfaces = wanted.vms.iter().flat_map(|vm| vm.interfaces());
    ports.extend(interfaces.filter_map(|one| match one.attachment {
        Attachment::User { ssh_port } => ssh_port,
        _ => None,
    }));
    let mut facts = Facts {
        domain: wanted.domain.as_ref().map(|asked| {
            if wanted.offline {
                return domain::not_asked();
            }
            domain(&asked.name, look.resolve)
        }),
        listeners: ports::listeners(root, &ports),
        clock: clock::look(root),
        memory_mib: memory_mib(root),
        hypervisor: match look.hypervisor {
            Some(Ok(connected)) => Some(Ok(hypervisor::look(wanted, &connected)?)),
            Some(Err(unmet)) => Some(Err(unmet)),
            None => None,
        },
        ..Facts::default()
    };
    look_again(wanted, root, &mut facts);
    Ok(facts)
}

/// Looks at IPv6 again, once something was changed.
pub fn look_again(wanted: &Wanted, root: &Path, facts: &mut Facts) {
    let seen = (wanted.ipv6 != Need::No).then(|| ipv6::look(root));
    facts.echo = seen.as_ref().map_or(Echo::Nobody, |seen| echo(root, seen));
    facts.ipv6 = seen;
}

/// Asks the gateway, of this machine only.
fn echo(root: &Path, facts: &Ipv6Facts) -> Echo {
    let Some((route, gateway)) = facts
        .way_out()
        .and_then(|route| Some((route, route.gateway?)))
    else {
        return Echo::Nobody;
    };
    if root != Path::new("/") {
        return Echo::NotAsked("it is not this machine".to_owned());
    }
    let interface = facts.interface(&route.interface);
    let scope = interface.map_or(0, |interface| interface.index);
    ipv6::ask(gateway, scope, PATIENCE)
}

/// Memory that programs can have without others giving theirs up (proc_meminfo(5)).
fn memory_mib(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}
