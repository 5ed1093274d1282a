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
pub use create::{CreateInput, Goal, PublicKeys, create, default_pool_path, render};
pub use destroy::{DestroyOptions, destroy};
pub use ideal::ideal_host;
pub use step::{Plan, Step, Verb};

/// Why nothing can be planned: one thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub kind: RefusalKind,
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

impl Refusal {
    fn vm(message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Vm,
            message: message.into(),
            hint: None,
        }
    }

    fn storage(message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Storage,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}
