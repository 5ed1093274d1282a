//! From a connection URI to the doors behind it.

use crate::doors::Hypervisor;
use crate::error::HostError;
use crate::libvirt::Libvirt;

/// Connects to a hypervisor.
///
/// # Errors
/// It is not reached.
pub fn connect(uri: &str) -> Result<Box<dyn Hypervisor>, HostError> {
    #[cfg(feature = "fake")]
    if let Some(fake) = crate::fake::Fake::at(uri) {
        return Ok(Box::new(fake?));
    }
    Ok(Box::new(Libvirt::connect(uri)?))
}
