//! A hypervisor in one JSON file, for tests: it behaves like libvirt where that matters here, and can
//! be told to fail, to hang or to kill the process at any call. Several processes may use one file.

/// Domains, and what the host has.
mod domains;
/// Calls that fail as they are told.
mod fail;
/// What guests say.
mod guests;
/// Ends of the process at the marks of a journal.
mod kill;
/// The state, as it stands in the file.
mod state;
/// Pools and volumes.
mod storage;

use std::path::{Path, PathBuf};

use crate::doors::{Domains, Guests, Hypervisor, Pools, Probes, Records, Survey, Volumes};
use crate::error::{BackendError, BackendErrorKind, HostError};
use crate::lock::Lock;

pub use fail::{Effect, Fail};
pub use kill::{VARIABLE as KILL_VARIABLE, at};
pub use state::{Domain, Guest, Host, Pool, Reports, State, Volume, qcow2_header};

/// A hypervisor in one JSON file.
#[derive(Debug, Clone)]
pub struct Fake {
    path: PathBuf,
}

impl Fake {
    /// Opens the host of a URI, `fake:///PATH`, or `fake+ssh://MACHINE/PATH`, whose guests only that machine reaches;
    /// none where the URI is of another hypervisor.
    #[must_use]
    pub fn at(uri: &str) -> Option<Result<Self, HostError>> {
        let path = match uri.strip_prefix("fake+ssh://") {
            Some(rest) => &rest[rest.find('/')?..],
            None => uri.strip_prefix("fake://")?,
        };
        Some(Self::open(path.as_ref()))
    }

    /// Opens the host of a state file.
    ///
    /// # Errors
    /// There is no such file, or it holds no state.
    pub fn open(path: &Path) -> Result<Self, HostError> {
        State::load(path).map_err(|source| HostError::Connect {
            uri: format!("fake://{}", path.display()),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Changes the state as nobody's call.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, BackendError> {
        let _lock = self.lock()?;
        let mut state = State::load(&self.path)?;
        let result = change(&mut state);
        state.save(&self.path)?;
        Ok(result)
    }

    /// The state now.
    fn peek(&self) -> Result<State, BackendError> {
        State::load(&self.path)
    }

    /// One call: alone, and failing if it is told to. `effect` leaves the state alone where it refuses.
    fn call<T>(
        &self,
        name: &str,
        effect: impl FnOnce(&mut State) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let mut lock = self.lock()?;
        let mut before = State::load(&self.path)?;
        let mut state = before.clone();
        let (injected, slow) = fail::next(&mut state.fail, name);
        if injected.is_some() || slow.is_some() {
            state.save(&self.path)?;
        }
        if let Some(pause) = slow {
            drop(lock);
            std::thread::sleep(pause);
            lock = self.lock()?;
            before = State::load(&self.path)?;
            state = before.clone();
        }
        match injected {
            Some(Effect::Before) => return Err(told(name)),
            Some(Effect::KillBefore) => kill::die(),
            _ => {}
        }
        let result = effect(&mut state);
        if state != before {
            state.save(&self.path)?;
        }
        drop(lock);
        match injected {
            Some(Effect::After) => Err(told(name)),
            Some(Effect::KillAfter) => kill::die(),
            _ => result,
        }
    }

    fn lock(&self) -> Result<Lock, BackendError> {
        Lock::take(&self.path.with_extension("lock"))
            .map_err(|error| BackendError::other(error.to_string()))
    }
}

impl Hypervisor for Fake {
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

fn told(call: &str) -> BackendError {
    BackendError::other(format!("`{call}` was told to fail"))
}

fn not_found(message: impl Into<String>) -> BackendError {
    BackendError {
        kind: BackendErrorKind::NotFound,
        message: message.into(),
    }
}

fn exists(message: impl Into<String>) -> BackendError {
    BackendError {
        kind: BackendErrorKind::Exists,
        message: message.into(),
    }
}
