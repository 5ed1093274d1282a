//! `ssh`: find, pin the host key, hand over to the user's ssh.

use std::os::unix::process::CommandExt;

use trustnet_host::ready;
use trustnet_host::shell::quote;
use trustnet_host::ssh::{self, Endpoint, Session};

use crate::args::Ssh;
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::verbs::power::ours;
use crate::{Program, status};

/// Logs in, or runs a command. The program becomes ssh(1), whose exit code is then its own.
///
/// # Errors
/// The VM is not there or does not run, or ssh cannot be started.
pub fn run(program: &Program, args: &Ssh) -> Result<Exit, Failure> {
    let host = program.connect()?;
    let (domain, record) = ours(&host, &args.name)?;
    if !domain.state.is_active() {
        return Err(
            Failure::new(Exit::Vm, format!("`{}` does not run", domain.xml.name))
                .hint(format!("`trustnet-vm start {}`", domain.xml.name)),
        );
    }
    let login = host.login_key()?;
    let endpoint = ssh::endpoint(&record).or_else(|| reported(&host, &domain.xml.uuid)).ok_or_else(|| {
        Failure::new(Exit::Vm, format!("`{}` has no address that is known from here", domain.xml.name))
            .hint("the guest reports its addresses when it has its network: `trustnet-vm wait NAME --for network`")
    })?;
    let session = Session {
        paths: &host.paths,
        login: &login,
        uri: &host.uri,
        uuid: &domain.xml.uuid,
        record: &record,
    };
    let mut command = ssh::command(&session, &endpoint, &[])?;
    // ssh joins its arguments with blanks and the guest's shell reads them again: quote each.
    command.args(args.command.iter().map(|word| quote(word)));
    let error = command.exec();
    Err(
        Failure::new(Exit::Usage, format!("failed to start `ssh`: {error}"))
            .hint("install `openssh-client`"),
    )
}

/// Where a guest with a leased address answers: where it says that it is.
fn reported(host: &Host, uuid: &str) -> Option<Endpoint> {
    let snapshot = ready::snapshot(&*host.hypervisor, uuid, status::ANSWER);
    let address = snapshot.addresses.first()?.to_string();
    Some(Endpoint { address, port: 22 })
}
