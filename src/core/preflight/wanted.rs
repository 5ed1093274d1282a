//! What is asked for: it decides which checks apply.

use trustnet_api::preflight::CheckStatus;

use crate::vm::Vm;

/// The least memory for a service, in MiB.
const LEAST_MEMORY_MIB: u64 = 512;
/// The least room for a registry's database, in bytes.
const LEAST_DISK: u64 = 1 << 30;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whether this machine is to have IPv6.
    pub ipv6: Need,
    /// The network's domain.
    pub domain: Option<WantedDomain>,
    /// Ports that are to be free on this machine. Those that VMs forward are known of the VMs.
    pub ports: Vec<WantedPort>,
    /// Whether guests run here: libvirt, KVM and what they stand on are looked at.
    pub hypervisor: bool,
    /// The VMs that are to be made.
    pub vms: Vec<Vm>,
    /// Memory in MiB, where no VM says how much; 0 where this machine's does not matter.
    pub memory_mib: u64,
    /// Room in bytes, where no VM says how much.
    pub disk_bytes: u64,
    /// Whether nothing may be fetched.
    pub offline: bool,
}

/// How much something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Need {
    /// Not at all: it is not looked at.
    No,
    /// It would be good: without it there is a warning.
    Wished,
    /// Nothing works without it.
    #[default]
    Required,
}

/// The network's domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedDomain {
    /// Its name.
    pub name: String,
    /// What is to be added to its network, where that is known.
    pub role: Option<Role>,
    /// Whether the root's address was given, so that nobody has to find it in the DNS.
    pub root_known: bool,
}

/// What is added to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its root registry.
    Root,
    /// Another registry.
    Secondary,
    /// A node.
    Node,
}

/// A port that is to be free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPort {
    /// The port.
    pub port: u16,
    /// Whose, such as `the registry`.
    pub of: String,
    /// How much it is needed.
    pub need: Need,
}

impl Default for Wanted {
    /// The least that a service needs of a machine with a hypervisor.
    fn default() -> Self {
        Self {
            ipv6: Need::default(),
            domain: None,
            ports: Vec::new(),
            hypervisor: true,
            vms: Vec::new(),
            memory_mib: LEAST_MEMORY_MIB,
            disk_bytes: LEAST_DISK,
            offline: false,
        }
    }
}

impl Need {
    /// How a check comes out that does not hold.
    pub(super) fn unmet(self) -> CheckStatus {
        match self {
            Self::Required => CheckStatus::Failed,
            Self::Wished | Self::No => CheckStatus::Warning,
        }
    }
}
