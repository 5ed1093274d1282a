//! The registries that may be asked, in their order.

use std::collections::VecDeque;

use super::MemberSettings;
use crate::network::Endpoint;

/// The most registries that are remembered, and the most that are kept of what peers tell.
const MAX_KEPT: usize = 32;

/// Where registries are known from.
#[derive(Debug)]
pub(super) struct Candidates {
    own: Vec<Endpoint>,
    lookup: bool,
    resolved: Vec<Endpoint>,
    remembered: Vec<Endpoint>,
    told: VecDeque<Endpoint>,
}

/// What a round does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Ask(Endpoint),
    LookUp,
}

impl Candidates {
    pub fn new(settings: &MemberSettings) -> Self {
        let own = settings.integrated.into_iter().chain(settings.configured);
        let mut remembered = settings.remembered.clone();
        remembered.truncate(MAX_KEPT);
        Self {
            own: own.collect(),
            lookup: settings.lookup,
            resolved: Vec::new(),
            remembered,
            told: VecDeque::new(),
        }
    }

    /// The steps of a round up to the look-up, and it.
    pub fn first(&self) -> VecDeque<Step> {
        let own = self.own.iter().copied().map(Step::Ask);
        if self.lookup {
            own.chain([Step::LookUp]).collect()
        } else {
            own.chain(self.rest()).collect()
        }
    }

    /// The steps after the look-up.
    pub fn rest(&self) -> impl Iterator<Item = Step> {
        let known = self.resolved.iter().chain(&self.remembered);
        known.chain(&self.told).copied().map(Step::Ask)
    }

    /// The registry that the node is to have while it answers.
    pub fn home(&self) -> Option<Endpoint> {
        self.own.first().copied()
    }

    pub fn resolved(&mut self, registries: Vec<Endpoint>) {
        self.resolved = registries;
        self.resolved.truncate(MAX_KEPT);
    }

    /// The newest first: who told it last lives.
    pub fn told(&mut self, registries: &[Endpoint]) {
        for registry in registries {
            self.told.retain(|known| known != registry);
            self.told.push_front(*registry);
        }
        self.told.truncate(MAX_KEPT);
    }

    /// What to remember now that a registry took the node; nothing, if that is remembered already.
    pub fn worked(&mut self, registry: Endpoint) -> Option<Vec<Endpoint>> {
        if self.own.contains(&registry) || self.remembered.first() == Some(&registry) {
            return None;
        }
        self.remembered.retain(|known| *known != registry);
        self.remembered.insert(0, registry);
        self.remembered.truncate(MAX_KEPT);
        Some(self.remembered.clone())
    }
}
