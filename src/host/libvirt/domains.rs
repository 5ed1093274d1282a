//! Domains: find, list, define, power, undefine.

use trustnet_core::observed::{DomainFacts, DomainState};
use trustnet_core::xml::read_domain;
use virt::domain::Domain;
use virt::error::Error;

use super::stats::{self, state_of};
use super::{Libvirt, if_found};
use crate::doors::{Domains, ListedDomain, Power};
use crate::error::{BackendError, BackendErrorKind, HostError};

/// `VIR_DOMAIN_UNDEFINE_TPM` came with this release of libvirt.
const UNDEFINE_TPM_SINCE: u32 = 8_009_000;

impl Domains for Libvirt {
    fn find(&self, name: &str) -> Result<Option<DomainFacts>, HostError> {
        let doing = || format!("look up domain `{name}`");
        let Some(domain) = if_found(self.connection().lookup_domain_by_name(name))
            .map_err(HostError::vm(doing()))?
        else {
            return Ok(None);
        };
        if_found(facts(&domain)).map_err(HostError::vm(doing()))
    }

    fn list(&self) -> Result<Vec<ListedDomain>, HostError> {
        stats::all_domains(&self.connection()).map_err(HostError::vm("list the domains"))
    }

    fn state(&self, uuid: &str) -> Result<Option<DomainState>, HostError> {
        let state = || {
            self.domain(uuid)?
                .state()
                .map(|(state, _)| state_of(state.to_raw()))
        };
        if_found(state()).map_err(HostError::vm(format!("ask for the state of domain {uuid}")))
    }

    fn define(&self, xml: &str) -> Result<(), HostError> {
        let name = || read_domain(xml).name;
        self.connection()
            .define_domain_xml(xml)
            .map(drop)
            .map_err(|error| HostError::vm(format!("define domain `{}`", name()))(error))
    }

    fn power(&self, uuid: &str, change: Power) -> Result<(), HostError> {
        let doing = match change {
            Power::On => "start domain",
            Power::Button => "press the power button of domain",
            Power::Cut => "cut the power of domain",
            Power::OnWithHost => "set the autostart of domain",
        };
        let run = || {
            let domain = self.domain(uuid)?;
            match change {
                Power::On => domain.create(),
                // ACPI, named: the default call prefers the agent and waits for one that may not run.
                Power::Button => {
                    domain.shutdown_flags(virt_sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
                }
                Power::Cut => domain.destroy(),
                Power::OnWithHost => domain.set_autostart(true),
            }
        };
        run().map_err(HostError::vm(format!("{doing} {uuid}")))
    }

    fn undefine(&self, uuid: &str) -> Result<(), HostError> {
        let run = || -> Result<(), BackendError> {
            let domain = self.domain(uuid)?;
            let mut flags = virt_sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                | virt_sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                | virt_sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
                | virt_sys::VIR_DOMAIN_UNDEFINE_NVRAM;
            if self.connection().lib_version()? >= UNDEFINE_TPM_SINCE {
                flags |= virt_sys::VIR_DOMAIN_UNDEFINE_TPM;
            }
            match domain.undefine_flags(flags) {
                // Drivers without these features (libvirt's test driver) refuse the flags as such.
                Err(error) if refuses_flags(&error) => Ok(domain.undefine()?),
                other => Ok(other?),
            }
        };
        match run() {
            Err(error) if error.kind == BackendErrorKind::NotFound => Ok(()),
            other => other.map_err(HostError::vm(format!("undefine domain {uuid}"))),
        }
    }
}

/// Whether a driver does not know a flag: nearly all call that an invalid argument.
fn refuses_flags(error: &Error) -> bool {
    matches!(
        error.code().to_raw(),
        virt_sys::VIR_ERR_INVALID_ARG
            | virt_sys::VIR_ERR_ARGUMENT_UNSUPPORTED
            | virt_sys::VIR_ERR_OPERATION_UNSUPPORTED
            | virt_sys::VIR_ERR_NO_SUPPORT
    )
}

/// The facts of a domain: the definition that lasts, and the state now.
pub(super) fn facts(domain: &Domain) -> Result<DomainFacts, Error> {
    let xml = domain.xml_desc(virt_sys::VIR_DOMAIN_XML_INACTIVE)?;
    let (state, _) = domain.state()?;
    Ok(DomainFacts::new(
        read_domain(&xml),
        state_of(state.to_raw()),
    ))
}
