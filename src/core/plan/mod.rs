//! What is to be done, as data. A [`Plan`] fully determines what happens: `apply` makes no choices.

mod cache;
mod capacity;
mod check;
mod create;
mod destroy;
mod ideal;
mod step;
mod storage;
mod volumes;

pub use cache::Artifacts;
pub use capacity::{Demand, demand, fits};
pub use check::obstacles;
pub use create::{CreateInput, Goal, PublicKeys, create, default_pool_path, render};
pub use destroy::{DestroyOptions, destroy};
pub use ideal::ideal_host;
pub use step::{Plan, Step, Verb};

/// Why nothing can be planned: one thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub kind: RefusalKind,
    /// The same more closely: what is looked at before anything is made is told by it.
    pub about: About,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a refusal is about; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The VM, the domain, the network, the host.
    Vm,
    /// Pools, volumes, images.
    Storage,
}

/// What a refusal is about, closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The VM's name, addresses or other marks are somebody else's.
    Identity,
    /// Who executes the guest's instructions.
    Kvm,
    /// Firmware, devices, and how many vCPUs there can be.
    Firmware,
    /// Bridges and networks.
    Network,
    /// Ports of this machine.
    Port,
    /// Memory.
    Memory,
    /// Pools and volumes.
    Volume,
    /// Room in a pool.
    Room,
    /// The image.
    Image,
}

impl Refusal {
    fn vm(message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Vm,
            about: About::Identity,
            message: message.into(),
            hint: None,
        }
    }

    fn storage(message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Storage,
            about: About::Volume,
            message: message.into(),
            hint: None,
        }
    }

    fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}
