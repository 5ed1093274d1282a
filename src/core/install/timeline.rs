//! What happens after the last question, in order.

use trustnet_api::install::{Deployment, RegistryType};

use super::Installation;

/// A stage of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The answers and the spec are written.
    Configuration,
    /// What the services need is brought into the cache.
    Dependencies,
    /// The VM is made, from its image, and comes up.
    Machine,
    /// The services are brought into it and started.
    Services,
    /// The DNS record is published.
    Record,
    /// The node registers and finds its peers.
    Registration,
    /// Everything is asked how it is.
    Verification,
}

impl Stage {
    /// What is said when it begins.
    #[must_use]
    pub fn title(self, role: RegistryType) -> &'static str {
        match self {
            Self::Configuration => "Create the configuration",
            Self::Dependencies => "Get what the services need",
            Self::Machine => "Make the VM",
            Self::Services if role == RegistryType::Integrated => "Start the node and its registry",
            Self::Services => "Start the registry",
            Self::Record => "Publish the DNS record",
            Self::Registration => "Register and find peers",
            Self::Verification => "Verify the system",
        }
    }
}

impl Installation {
    /// The stages, in order. `publishes`: whether the DNS record is published by us.
    #[must_use]
    pub fn stages(&self, publishes: bool) -> Vec<Stage> {
        let cluster = self.deployment == Deployment::Kubernetes;
        let mut stages = vec![Stage::Configuration];
        if !cluster {
            stages.extend([Stage::Dependencies, Stage::Machine]);
        }
        stages.push(Stage::Services);
        if publishes && self.is_advertised() {
            stages.push(Stage::Record);
        }
        // In a cluster its own probes tell who does their work.
        if cluster {
            return stages;
        }
        if self.has_node() {
            stages.push(Stage::Registration);
        }
        stages.push(Stage::Verification);
        stages
    }
}
