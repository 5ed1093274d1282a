//! A guest that is spoken to over SSH: found, addressed, connected with its host key verified.

use std::time::Duration;

use trustnet_core::observed::Owner;
use trustnet_core::record::Record;
use trustnet_host::error::chain;
use trustnet_host::ready;
use trustnet_host::shell::{self, Shell, ShellError};
use trustnet_host::ssh::{self, Endpoint, Session};

use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::status;
use crate::verbs::list::parse_selector;
use crate::verbs::power::ours;

/// How long connecting may take: the guest may have much to do.
const CONNECTING: Duration = Duration::from_secs(60);

/// A VM of ours that runs, and where its SSH answers.
pub struct Guest {
    /// The VM's name.
    pub name: String,
    /// The domain's UUID.
    pub uuid: String,
    /// Its record.
    pub record: Record,
    /// Where its SSH answers.
    pub endpoint: Endpoint,
}

impl Guest {
    /// Finds one.
    ///
    /// # Errors
    /// It is not there, not ours, does not run, or has no address.
    pub fn find(host: &Host, name: &str) -> Result<Self, Failure> {
        let (domain, record) = ours(host, name)?;
        let name = domain.xml.name;
        if !domain.state.is_active() {
            return Err(Failure::new(Exit::Vm, format!("`{name}` does not run"))
                .hint(format!("`trustnet-vm start {name}`")));
        }
        let uuid = domain.xml.uuid;
        let endpoint = ssh::endpoint(&record).or_else(|| reported(host, &uuid)).ok_or_else(|| {
            Failure::new(Exit::Vm, format!("`{name}` has no address that is known from here"))
                .hint("the guest reports its addresses when it has its network: `trustnet-vm wait NAME --for network`")
        })?;
        Ok(Self {
            name,
            uuid,
            record,
            endpoint,
        })
    }

    /// Whose guest it is.
    #[must_use]
    pub fn session<'a>(&'a self, host: &'a Host) -> Session<'a> {
        Session {
            paths: &host.paths,
            uri: &host.uri,
            uuid: &self.uuid,
            record: &self.record,
        }
    }

    /// Connects, with the host key verified.
    ///
    /// # Errors
    /// It cannot be reached, is another, or does not let us in.
    pub fn connect(&self, host: &Host) -> Result<Box<dyn Shell>, Failure> {
        self.connect_within(host, CONNECTING)
    }

    /// The same, for who has not that much time.
    ///
    /// # Errors
    /// As for [`Guest::connect`].
    pub fn connect_within(&self, host: &Host, limit: Duration) -> Result<Box<dyn Shell>, Failure> {
        shell::connect(&self.session(host), &self.endpoint, limit)
            .map_err(|error| self.failure(error))
    }

    /// A failure of a connection, with the VM's name.
    #[must_use]
    pub fn failure(&self, error: ShellError) -> Failure {
        let exit = match error {
            ShellError::Key(error) => return error.into(),
            ShellError::Unreachable { .. } | ShellError::Silent { .. } => Exit::NotReady,
            ShellError::Local { .. } => Exit::Usage,
            _ => Exit::Vm,
        };
        let failure = Failure::new(exit, format!("`{}`: {}", self.name, chain(&error)));
        match error.hint() {
            Some(hint) => failure.hint(hint.replace("NAME", &self.name)),
            None => failure,
        }
    }
}

/// Where a guest with a leased address answers: where it says that it is.
fn reported(host: &Host, uuid: &str) -> Option<Endpoint> {
    let snapshot = ready::snapshot(&*host.hypervisor, uuid, status::ANSWER);
    let address = snapshot.addresses.first()?.to_string();
    Some(Endpoint { address, port: 22 })
}

/// The names that were given, and those of the running VMs of ours with these labels; sorted, each once.
///
/// # Errors
/// The selector cannot be read, or chooses nothing.
pub fn chosen(
    host: &Host,
    names: &[String],
    selector: Option<&str>,
) -> Result<Vec<String>, Failure> {
    let mut all: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    if let Some(selector) = selector {
        let wanted = parse_selector(selector)?;
        let domains = host.hypervisor.domains().list()?;
        let uuids: Vec<String> = domains.iter().map(|domain| domain.uuid.clone()).collect();
        let records = host.hypervisor.records().read(&uuids)?;
        for (domain, metadata) in domains.into_iter().zip(&records) {
            let Owner::Ours(record) = Owner::of(metadata) else {
                continue;
            };
            let labels = &record.spec.metadata.labels;
            if domain.state.is_active()
                && wanted
                    .iter()
                    .all(|(key, value)| labels.get(key) == Some(value))
            {
                all.push(domain.name);
            }
        }
        if all.is_empty() {
            return Err(Failure::new(
                Exit::Vm,
                format!("no running VM has the labels `{selector}`"),
            )
            .hint(format!(
                "`trustnet-vm list -l {selector}` shows those that have"
            )));
        }
    }
    all.sort();
    all.dedup();
    Ok(all)
}
