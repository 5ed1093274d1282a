//! What is found out before anything is decided.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use trustnet_api::install::InstallSpec;
use trustnet_api::network::REGISTRY_PORT;
use trustnet_core::install::{self, Found, Installation, Own};
use trustnet_core::network::Endpoint;
use trustnet_core::tnr::judge;
use trustnet_host::dns::{Look, Names};
use trustnet_host::inquiry::{self, Question};
use trustnet_host::journal::Journal;
use trustnet_host::secrets;

use super::record;
use crate::Program;
use crate::contact::{Sought, listens};
use crate::failure::Failure;

/// How long a port may take to say that something is there.
const KNOCK: Duration = Duration::from_secs(1);
/// How long a root may take to answer.
const ANSWER: Duration = Duration::from_secs(3);
/// The most ports that are tried.
const PORTS: u16 = 100;

/// Who looks around.
pub struct Scout<'a> {
    /// The program.
    pub program: &'a Program,
    /// Who looks names up.
    pub names: &'a Names,
    /// Whether it looks around on this very machine.
    pub here: bool,
}

impl Scout<'_> {
    /// What there is for these answers.
    ///
    /// # Errors
    /// The user has no home, or names cannot be looked up at all.
    pub fn look(&self, answers: &InstallSpec) -> Result<Found, Failure> {
        let Some(domain) = &answers.domain else {
            return Ok(Found::default());
        };
        let token = secrets::has_join_token(self.program.env.paths()?, domain);
        let mut found = Found {
            token,
            ..Found::default()
        };
        // One that is no domain is told with the other answers.
        if let Ok(sighting) = self.names.sight(domain) {
            let verdict = judge(&[], &sighting);
            found.tnr = record::tnr_of(&Look {
                number: 1,
                of: 1,
                sighting,
                verdict,
            });
        }
        self.ports(answers, &mut found);
        Ok(found)
    }

    /// What is known of the installation itself, and which ports at its own address somebody else has. These only where this machine has a way to it, and only
    /// before it is there itself.
    pub fn ports(&self, answers: &InstallSpec, found: &mut Found) {
        // Those of another address that was answered before count no more.
        found.taken.clear();
        let answers = install::complete(answers, found);
        found.own = answers.node_name.as_deref().and_then(|name| self.own(name));
        let Some(address) = install::address(&answers).filter(|_| is_attached(&answers)) else {
            return;
        };
        if !self.here || found.own.is_some() {
            return;
        }
        let first = answers.registry_port.unwrap_or(REGISTRY_PORT);
        for port in first..first.saturating_add(PORTS) {
            let at = SocketAddr::new(address.into(), port);
            if TcpStream::connect_timeout(&at, KNOCK).is_err() {
                break;
            }
            found.taken.insert(port);
        }
    }

    /// What is known of the VM, where it is there already or half made; where the hypervisor does not say, that is told
    /// later.
    fn own(&self, name: &str) -> Option<Own> {
        let host = self.program.connect().ok()?;
        let there = host.hypervisor.domains().find(name).ok()?;
        if let Some(domain) = there {
            let record = domain.owner.record();
            let registry = record.and_then(|record| listens(record, Sought::Registry));
            return Some(Own {
                registry_port: registry.map(|(_, port)| port),
            });
        }
        let begun = matches!(Journal::open(&host.journal_dir(name)), Ok(Some(_)));
        begun.then(Own::default)
    }

    /// Asks the roots that an installation follows, one after the other; nothing where this machine has no way to them.
    pub fn root(
        &self,
        installation: &Installation,
        found: &Found,
    ) -> Option<Result<Endpoint, String>> {
        if !is_attached(&installation.answers) {
            return None;
        }
        let looked_up = found.tnr.addresses().iter();
        let looked_up = looked_up.map(|address| Endpoint::new((*address).into(), REGISTRY_PORT));
        let all: Vec<Endpoint> = installation.root.into_iter().chain(looked_up).collect();
        let mut why = Vec::new();
        for root in &all {
            let asked = inquiry::at(root.socket(), None, &Question::get("/api/health"), ANSWER);
            match asked {
                Ok(_) => return Some(Ok(*root)),
                Err(error) => why.push(trustnet_host::error::chain(&error)),
            }
        }
        (!why.is_empty()).then(|| Err(why.join("; ")))
    }
}

/// Whether others than VMs of this machine reach it.
fn is_attached(answers: &InstallSpec) -> bool {
    answers.bridge.is_some() || answers.network.is_some()
}
