//! The choice between KVM and QEMU's own translator.

use trustnet_core::xml::DomainType;

use crate::doors::{HostInfo, Hypervisor};
use crate::error::HostError;
use crate::paths::Paths;

/// Chooses the domain type, and says why.
///
/// # Errors
/// The hypervisor does not answer.
pub fn choose(
    hypervisor: &dyn Hypervisor,
    info: &HostInfo,
    _paths: &Paths,
) -> Result<(DomainType, String), HostError> {
    match hypervisor
        .survey()
        .capabilities(DomainType::Kvm, &info.arch)
    {
        Ok(Some(_)) => Ok((
            DomainType::Qemu,
            "KVM is not proved to work here".to_owned(),
        )),
        Ok(None) | Err(_) => Ok((DomainType::Qemu, "the hypervisor offers no KVM".to_owned())),
    }
}
