//! What is written down of domains, in their metadata.

use std::collections::HashMap;

use trustnet_core::record;
use trustnet_core::xml::{Metadata, read_metadata, record_element};
use virt::domain::Domain;

use super::survey::{FEW, in_flight};
use super::{Libvirt, if_found};
use crate::doors::Records;
use crate::error::{BackendError, HostError};

/// The metadata that is an element of a namespace.
const ELEMENT: i32 = virt_sys::VIR_DOMAIN_METADATA_ELEMENT.cast_signed();

impl Records for Libvirt {
    fn read(&self, uuids: &[String]) -> Result<Vec<Metadata>, HostError> {
        let run = || -> Result<Vec<Metadata>, BackendError> {
            let domains = self.by_uuid(uuids)?;
            let read = |uuid: &String| -> Result<Metadata, BackendError> {
                // It may have gone while we look; then it has no record.
                let Some(domain) = domains.get(uuid) else {
                    return Ok(Metadata::default());
                };
                let text = |namespace| -> Result<Option<String>, BackendError> {
                    let xml = if_found(domain.metadata(ELEMENT, Some(namespace), 0))?;
                    Ok(xml.and_then(|xml| read_metadata(&xml)))
                };
                let record = text(record::NAMESPACE)?;
                let foundry = match record {
                    Some(_) => None,
                    None => text(record::FOUNDRY_NAMESPACE)?,
                };
                Ok(Metadata { record, foundry })
            };
            in_flight(uuids, read).into_iter().collect()
        };
        run().map_err(HostError::vm("read the records of the domains"))
    }

    fn write(&self, uuid: &str, text: &str) -> Result<(), HostError> {
        let run = || -> Result<(), BackendError> {
            let domain = self.domain(uuid)?;
            let mut flags = virt_sys::VIR_DOMAIN_AFFECT_CONFIG;
            // Flag 0 would reach only what runs, and be lost when that stops.
            if domain.is_active()? {
                flags |= virt_sys::VIR_DOMAIN_AFFECT_LIVE;
            }
            let element = record_element(text);
            let (prefix, namespace) = (Some(record::PREFIX), Some(record::NAMESPACE));
            Ok(domain.set_metadata(ELEMENT, Some(&element), prefix, namespace, flags)?)
        };
        run().map_err(HostError::vm(format!("write the record of domain {uuid}")))
    }
}

impl Libvirt {
    /// Handles of domains: one question for each of a few, one question for all of many.
    fn by_uuid(&self, uuids: &[String]) -> Result<HashMap<String, Domain>, BackendError> {
        let found: Vec<Domain> = if uuids.len() > FEW {
            self.connection().list_all_domains(0)?
        } else {
            let each = uuids.iter().map(|uuid| if_found(self.domain(uuid)));
            let each: Result<Vec<Option<Domain>>, BackendError> = each.collect();
            each?.into_iter().flatten().collect()
        };
        let named = found
            .into_iter()
            .map(|domain| Ok((domain.uuid_string()?, domain)));
        named.collect()
    }
}
