//! What was seen, for a judgement that sees nothing itself.

use std::net::IpAddr;

use crate::ipv6::Ipv6Facts;
use crate::observed::{Observed, PoolFacts};
use crate::plan::Demand;
use crate::xml::DomainType;

/// What was seen of this machine, its network and its hypervisor. What was not looked at is none.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its IPv6.
    pub ipv6: Option<Ipv6Facts>,
    /// Whether the gateway answers.
    pub echo: Echo,
    /// The domain in the DNS.
    pub domain: Option<DomainSeen>,
    /// Who listens at the ports that are asked for.
    pub listeners: Vec<Listener>,
    /// The clock.
    pub clock: Clock,
    /// Memory that programs can have, in MiB.
    pub memory_mib: Option<u64>,
    /// The hypervisor, or why it was not reached.
    pub hypervisor: Option<Result<HypervisorSeen, Unmet>>,
    /// Whether the cache has all that services need, where nothing may be fetched.
    pub cache: Option<Result<(), Unmet>>,
}

/// What came of asking the gateway for an echo.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Echo {
    /// It was not asked; why.
    NotAsked(String),
    /// There is nobody to be asked.
    #[default]
    Nobody,
    /// It answered.
    Answered,
    /// It said nothing in the time that it had.
    Silent,
    /// The kernel does not know how to get there; why.
    Unreachable(String),
}

/// A domain in the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSeen {
    /// The addresses of the domain itself.
    pub addresses: Resolved,
    /// The addresses of its registries: `tnr.DOMAIN`.
    pub registries: Resolved,
}

/// What came of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// These addresses.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoName,
    /// There is such a name, without an address.
    NoAddress,
    /// Nobody could say; why.
    Failed(String),
    /// It was not looked up: nothing may be asked.
    NotAsked,
}

/// A program that listens at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The program and its number, where that can be seen.
    pub program: Option<(String, u32)>,
}

/// The clock of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clock {
    /// Its time, in seconds since 1970.
    pub now_s: u64,
    /// When this program was built, at the latest: an earlier time is wrong. In seconds since 1970.
    pub least_s: u64,
    /// Who keeps it, such as `chronyd`.
    pub kept_by: Option<String>,
    /// Whether who keeps it says that it has come to the right time; none where it does not say.
    pub synchronised: Option<bool>,
    /// What somebody else says is the time, in seconds since 1970, and who.
    pub told: Option<(u64, String)>,
}

/// A hypervisor that was reached.
#[derive(Debug, Clone, Default)]
pub struct HypervisorSeen {
    /// Its URI.
    pub uri: String,
    /// Who executes the guests' instructions.
    pub accelerator: Option<Accelerator>,
    /// Free memory in MiB; none where it does not say.
    pub free_memory_mib: Option<u64>,
    /// What was seen for each VM that is asked for, in that order.
    pub machines: Vec<MachineSeen>,
    /// What was seen of each pool that VMs go into; of the default one, where there is no VM.
    pub rooms: Vec<RoomSeen>,
}

/// Who executes the guests' instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accelerator {
    /// Which it is.
    pub kind: DomainType,
    /// Why.
    pub reason: String,
    /// Whether the user asked for it.
    pub asked: bool,
}

/// What was seen for a VM.
#[derive(Debug, Clone, Default)]
pub struct MachineSeen {
    /// Of the hypervisor, as a plan has it.
    pub observed: Observed,
    /// From where the image is brought, where it is not there.
    pub obtainable: Option<String>,
    /// Why its image is not what was recorded of it.
    pub changed: Option<Unmet>,
}

/// What was seen of a pool.
#[derive(Debug, Clone)]
pub struct RoomSeen {
    /// Its name.
    pub pool: String,
    /// The pool; of one that is still to be made what its folder has.
    pub facts: PoolFacts,
    /// The VMs that are to be made in it.
    pub vms: Vec<String>,
    /// What they need of it.
    pub demand: Demand,
}

/// Why something is not there, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Why.
    pub why: String,
    /// What helps.
    pub fix: Option<String>,
}
