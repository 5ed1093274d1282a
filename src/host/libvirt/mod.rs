//! libvirt behind the doors. Blocking calls on one connection, which several threads may share.

/// Domains: find, list, define, power, undefine.
mod domains;
/// What guests say: streams of a channel and of the console.
mod guests;
/// The host's free memory.
mod memory;
/// Which types of storage pools there can be.
mod pool_types;
/// The experiment that proves that a domain type works.
mod probe;
/// What is written down of domains.
mod records;
/// All domains in one call.
mod stats;
/// Pools and volumes.
mod storage;
/// What the host has.
mod survey;
/// Bytes into a volume and out of it.
mod transfer;

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;

use crate::doors::{Domains, Guests, Hypervisor, Pools, Probes, Records, Survey, Volumes};
use crate::error::{BackendError, BackendErrorKind, HostError};

/// How often a daemon that is gone is called again, and how long is waited before each time.
const CALLS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A connection to libvirt.
pub struct Libvirt {
    connection: Mutex<Connect>,
    uri: String,
}

impl Libvirt {
    /// Connects.
    ///
    /// # Errors
    /// The daemon does not answer, or refuses.
    pub fn connect(uri: &str) -> Result<Self, HostError> {
        // libvirt would print every error by itself, beside our own words.
        virt::error::clear_error_callback();
        tracing::debug!(uri, "connecting");
        let connection = Connect::open(Some(uri)).map_err(|source| HostError::Connect {
            uri: uri.to_owned(),
            source: source.into(),
        })?;
        Ok(Self {
            connection: Mutex::new(connection),
            uri: uri.to_owned(),
        })
    }

    /// The connection; made anew where the daemon has ended. It does while it takes more bytes for a volume than there
    /// is room for: what was begun is still to be undone then. Where nobody answers, the calls that follow say why.
    fn connection(&self) -> Connect {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What cannot be asked whether it is alive has no daemon.
        if !connection.is_alive().unwrap_or(true) {
            tracing::warn!(uri = self.uri, "libvirt has hung up: calling again");
            let calls = (0..CALLS).map(|_| {
                thread::sleep(PAUSE);
                Connect::open(Some(&self.uri))
            });
            if let Some(anew) = calls.filter_map(Result::ok).next() {
                *connection = anew;
            }
        }
        connection.clone()
    }

    fn domain(&self, uuid: &str) -> Result<Domain, Error> {
        self.connection().lookup_domain_by_uuid_string(uuid)
    }
}

impl Hypervisor for Libvirt {
    fn survey(&self) -> &dyn Survey {
        self
    }
    fn domains(&self) -> &dyn Domains {
        self
    }
    fn records(&self) -> &dyn Records {
        self
    }
    fn pools(&self) -> &dyn Pools {
        self
    }
    fn volumes(&self) -> &dyn Volumes {
        self
    }
    fn guests(&self) -> &dyn Guests {
        self
    }
    fn probes(&self) -> &dyn Probes {
        self
    }
}

impl From<Error> for BackendError {
    fn from(error: Error) -> Self {
        let kind = match error.code().to_raw() {
            virt_sys::VIR_ERR_NO_DOMAIN
            | virt_sys::VIR_ERR_NO_NETWORK
            | virt_sys::VIR_ERR_NO_STORAGE_POOL
            | virt_sys::VIR_ERR_NO_STORAGE_VOL
            | virt_sys::VIR_ERR_NO_DOMAIN_METADATA => BackendErrorKind::NotFound,
            virt_sys::VIR_ERR_DOM_EXIST | virt_sys::VIR_ERR_STORAGE_VOL_EXIST => {
                BackendErrorKind::Exists
            }
            virt_sys::VIR_ERR_NO_SUPPORT
            | virt_sys::VIR_ERR_OPERATION_UNSUPPORTED
            | virt_sys::VIR_ERR_ARGUMENT_UNSUPPORTED
            | virt_sys::VIR_ERR_CONFIG_UNSUPPORTED => BackendErrorKind::Unsupported,
            _ => BackendErrorKind::Other,
        };
        Self {
            kind,
            message: error.message().to_owned(),
        }
    }
}

/// Turns "it is not there" into none, and nothing else: any other failure is a failure.
fn if_found<T>(result: Result<T, Error>) -> Result<Option<T>, BackendError> {
    match result.map_err(BackendError::from) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == BackendErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same for what a driver may not have at all.
fn if_supported<T>(result: Result<T, Error>) -> Result<Option<T>, BackendError> {
    match result.map_err(BackendError::from) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == BackendErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}
