//! The hypervisor of an invocation: connected, asked who it is, with a domain type chosen.

use std::path::PathBuf;

use trustnet_core::observed::DomainFacts;
use trustnet_core::xml::DomainType;
use trustnet_host::connect;
use trustnet_host::doors::{HostInfo, Hypervisor};
use trustnet_host::interrupt::Interrupt;
use trustnet_host::journal;
use trustnet_host::lock::Lock;
use trustnet_host::paths::Paths;

use crate::Program;
use crate::args::VirtType;
use crate::failure::{Exit, Failure};

/// Where the default pools of the system's daemon are made; Foundry's place.
const SYSTEM_DATA: &str = "/var/lib/libvirt/images/foundry";

/// The hypervisor of an invocation.
pub struct Host {
    /// The doors.
    pub hypervisor: Box<dyn Hypervisor>,
    /// The URI as it was asked for.
    pub uri: String,
    /// The user's folders.
    pub paths: Paths,
}

impl Program {
    /// Connects.
    ///
    /// # Errors
    /// The hypervisor is not reached.
    pub fn connect(&self) -> Result<Host, Failure> {
        let uri = self.settings.connect.value.clone();
        let paths = self.env.paths()?.clone();
        Ok(Host {
            hypervisor: connect::connect(&uri)?,
            uri,
            paths,
        })
    }

    /// Chooses the domain type, and says why.
    ///
    /// # Errors
    /// KVM is asked for and does not work.
    pub fn domain_type(
        &self,
        host: &Host,
        info: &HostInfo,
    ) -> Result<(DomainType, String), Failure> {
        let chosen = self.choose_domain_type(host, info)?;
        self.ui
            .say(format!("domain type `{}`: {}", chosen.0.as_str(), chosen.1));
        Ok(chosen)
    }

    /// The same, without a word.
    ///
    /// # Errors
    /// KVM is asked for and does not work.
    pub fn choose_domain_type(
        &self,
        host: &Host,
        info: &HostInfo,
    ) -> Result<(DomainType, String), Failure> {
        Ok(match self.settings.virt_type.value {
            VirtType::Qemu => (
                DomainType::Qemu,
                format!("asked for by {}", self.settings.virt_type.source),
            ),
            VirtType::Kvm => (
                DomainType::Kvm,
                format!("asked for by {}", self.settings.virt_type.source),
            ),
            VirtType::Auto => trustnet_host::kvm::choose(&*host.hypervisor, info, &host.paths)?,
        })
    }
}

impl Host {
    /// The folder below which a missing default pool is made.
    #[must_use]
    pub fn data_dir(&self, info: &HostInfo) -> String {
        if info.session {
            self.paths.data.to_string_lossy().into_owned()
        } else {
            SYSTEM_DATA.to_owned()
        }
    }

    /// The domain of a VM of ours.
    ///
    /// # Errors
    /// It is not there.
    pub fn find(&self, name: &str) -> Result<DomainFacts, Failure> {
        // The names of others' domains may have capitals, ours have none.
        for name in [name, &name.to_ascii_lowercase()] {
            if let Some(domain) = self.hypervisor.domains().find(name)? {
                return Ok(domain);
            }
        }
        let failure = Failure::new(Exit::Vm, format!("there is no VM `{name}` on {}", self.uri));
        let names: Vec<String> = self
            .hypervisor
            .domains()
            .list()?
            .into_iter()
            .map(|domain| domain.name)
            .collect();
        Err(
            match trustnet_core::suggest::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`trustnet-vm list` shows what there is"),
            },
        )
    }

    /// The folder of a VM's journal.
    #[must_use]
    pub fn journal_dir(&self, vm: &str) -> PathBuf {
        journal::journal_dir(&self.paths, &self.uri, vm)
    }

    /// The file whose lock one run on a VM holds.
    #[must_use]
    pub fn vm_lock(&self, vm: &str) -> PathBuf {
        journal::connection_dir(&self.paths, &self.uri)
            .join("locks")
            .join(format!("{vm}.vm"))
    }

    /// Takes the planning lock.
    ///
    /// # Errors
    /// The user interrupts the waiting for it.
    pub fn lock_planning(&self, interrupt: &Interrupt) -> Result<Lock, Failure> {
        Lock::take_unless(&self.planning_lock(), || interrupt.stop())?
            .ok_or_else(|| Failure::new(Exit::Interrupted, "interrupted before anything was made"))
    }

    /// The file whose lock is held from looking at the host until what was planned is defined: so
    /// that two runs never take the same port, address or volume.
    #[must_use]
    pub fn planning_lock(&self) -> PathBuf {
        journal::connection_dir(&self.paths, &self.uri)
            .join("locks")
            .join("planning")
    }
}
