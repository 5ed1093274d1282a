//! The doors: what is asked of a hypervisor. Each is small and object-safe; libvirt stands behind
//! them in the program, a fake in tests, and both pass the same contract.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use trustnet_core::observed::{DomainFacts, DomainState, PoolFacts};
use trustnet_core::xml::{DomainCapabilities, DomainType, Metadata, PoolCapabilities, VolumeXml};

use crate::error::HostError;
use crate::image::sparse::Pieces;

type Result<T> = std::result::Result<T, HostError>;

/// A connection to a hypervisor.
pub trait Hypervisor: Send + Sync {
    /// What the host has.
    fn survey(&self) -> &dyn Survey;
    /// Domains.
    fn domains(&self) -> &dyn Domains;
    /// What is written down of them.
    fn records(&self) -> &dyn Records;
    /// Storage pools.
    fn pools(&self) -> &dyn Pools;
    /// Volumes.
    fn volumes(&self) -> &dyn Volumes;
    /// What guests say.
    fn guests(&self) -> &dyn Guests;
    /// What only an experiment tells.
    fn probes(&self) -> &dyn Probes;
}

/// What the host has.
pub trait Survey: Send + Sync {
    /// The host itself.
    fn host(&self) -> Result<HostInfo>;
    /// What a domain type can do here; none where the driver cannot say.
    fn capabilities(&self, kind: DomainType, arch: &str) -> Result<Option<DomainCapabilities>>;
    /// Bridges of the host; none where they cannot be listed.
    fn bridges(&self) -> Result<Option<Vec<String>>>;
    /// libvirt networks: name, and whether it is active.
    fn networks(&self) -> Result<BTreeMap<String, bool>>;
    /// All domains with their facts.
    fn domains(&self) -> Result<Vec<DomainFacts>>;
    /// Which types of storage pools it can have, and what volumes there may be; none where the driver cannot say.
    fn pools(&self) -> Result<Option<PoolCapabilities>>;
}

/// What is written down of domains, in their metadata.
pub trait Records: Send + Sync {
    /// What the metadata of each of these domains says, by UUID; nothing for those that are not there.
    fn read(&self, uuids: &[String]) -> Result<Vec<Metadata>>;
    /// Writes our record of a domain, in the definition that lasts and in the one that runs.
    fn write(&self, uuid: &str, record: &str) -> Result<()>;
}

/// The host itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostInfo {
    /// The connection URI, as the driver gives it.
    pub uri: String,
    /// Whether the connection is a session (unprivileged) one.
    pub session: bool,
    /// Whether the hypervisor is on this machine.
    pub local: bool,
    /// The host and its hypervisor's version: what is remembered of one holds for no other.
    pub identity: String,
    /// Architecture, such as `x86_64`.
    pub arch: String,
    /// Free memory in MiB; none where the driver cannot say.
    pub free_memory_mib: Option<u64>,
}

/// A domain, as far as one call for all of them tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDomain {
    /// The name.
    pub name: String,
    /// The UUID.
    pub uuid: String,
    /// The state.
    pub state: DomainState,
    /// Number of vCPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
}

/// Domains. By name where a user names one, by UUID where we have found it: a name can change hands.
pub trait Domains: Send + Sync {
    /// The domain of that name, if there is one.
    fn find(&self, name: &str) -> Result<Option<DomainFacts>>;
    /// All domains, at the cost of one call.
    fn list(&self) -> Result<Vec<ListedDomain>>;
    /// The domain's state; none if it is not there.
    fn state(&self, uuid: &str) -> Result<Option<DomainState>>;
    /// Defines a domain, or defines it anew over the old one.
    fn define(&self, xml: &str) -> Result<()>;
    /// Changes its power.
    fn power(&self, uuid: &str, change: Power) -> Result<()>;
    /// Undefines it, with NVRAM, TPM state, managed save and snapshots. It is not running.
    fn undefine(&self, uuid: &str) -> Result<()>;
}

/// A change of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Start it.
    On,
    /// Press the power button (ACPI).
    Button,
    /// Cut the power.
    Cut,
    /// Have libvirt turn it on with the host.
    OnWithHost,
}

/// A storage pool, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPool {
    /// Its name.
    pub name: String,
    /// What it is, without its volumes.
    pub facts: PoolFacts,
    /// Whether it starts with the daemon.
    pub autostart: bool,
}

/// Storage pools.
pub trait Pools: Send + Sync {
    /// A pool, without its volumes; none if there is no such pool.
    fn find(&self, name: &str) -> Result<Option<PoolFacts>>;
    /// All pools, by name.
    fn list(&self) -> Result<Vec<ListedPool>>;
    /// Makes the pool if it is missing, starts it if it is not active. Where a new one does not start, it is not there
    /// any more.
    fn ensure(&self, name: &str, xml: &str) -> Result<()>;
    /// The volumes of all pools that are active: pool and name.
    fn contents(&self) -> Result<Vec<(String, String)>>;
    /// Looks again which volumes the pool holds. Never while a volume of it is being written.
    fn refresh(&self, name: &str) -> Result<()>;
    /// Stops a pool and forgets it: what it holds stays where it is. One that is not there is no error.
    fn forget(&self, name: &str) -> Result<()>;
}

/// Volumes.
pub trait Volumes: Send + Sync {
    /// A volume; none if it is not there.
    fn find(&self, volume: VolumeRef<'_>) -> Result<Option<VolumeXml>>;
    /// All volumes of a pool.
    fn list(&self, pool: &str) -> Result<Vec<VolumeXml>>;
    /// Makes a volume.
    fn create(&self, pool: &str, xml: &str) -> Result<()>;
    /// Makes a volume with all that another one holds, in the format that the XML says, and at least of its size.
    fn copy(&self, from: VolumeRef<'_>, pool: &str, xml: &str) -> Result<()>;
    /// Writes bytes at the beginning of a volume.
    fn write(&self, volume: VolumeRef<'_>, bytes: &[u8]) -> Result<()> {
        self.write_from(volume, 0, &mut &*bytes, bytes.len() as u64)
    }
    /// Writes a stream of so many bytes into a volume, from this place on.
    fn write_from(
        &self,
        volume: VolumeRef<'_>,
        offset: u64,
        from: &mut dyn Read,
        length: u64,
    ) -> Result<()>;
    /// Writes pieces of so many bytes with their holes into a volume, from this place on up to its end. The volume is
    /// new: where a hole is, nothing is written. libvirt cuts a file off where a hole ends, so what is behind the
    /// pieces is lost.
    fn write_pieces(
        &self,
        volume: VolumeRef<'_>,
        offset: u64,
        pieces: &mut dyn Pieces,
        length: u64,
    ) -> Result<()>;
    /// Reads bytes from the beginning of a volume: `length`, or fewer where it ends before.
    fn read(&self, volume: VolumeRef<'_>, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_to(volume, length, &mut bytes)?;
        Ok(bytes)
    }
    /// Passes bytes from the beginning of a volume on: `length`, or fewer where it ends before.
    fn read_to(&self, volume: VolumeRef<'_>, length: u64, to: &mut dyn Write) -> Result<()>;
    /// Deletes a volume; one that is not there is no error.
    fn delete(&self, volume: VolumeRef<'_>) -> Result<()>;
}

/// Which volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeRef<'a> {
    /// By pool and name.
    Named(&'a str, &'a str),
    /// By path.
    Path(&'a str),
}

/// What only an experiment tells.
pub trait Probes: Send + Sync {
    /// Boots a probe that does what a stock guest does, with a disk in a new folder `folder` of the
    /// hypervisor's host. Nothing of it remains.
    fn boot(&self, kind: DomainType, folder: &str, deadline: Duration) -> Result<Proof>;
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It came to its end.
    Passed,
    /// It did not, in the time that it had.
    Silent,
    /// It was not started; why.
    Refused(String),
}

/// What guests say.
pub trait Guests: Send + Sync {
    /// The guest's reports: from the beginning of this boot, and then as they come.
    fn reports(&self, uuid: &str) -> Result<Receiver<Signal>>;
    /// The console, from now on.
    fn console(&self, uuid: &str) -> Result<Console>;
}

/// An attached console; it is free again when both halves are dropped.
pub struct Console {
    /// What the guest says.
    pub output: Receiver<Signal>,
    /// What is typed.
    pub input: Box<dyn ConsoleInput>,
}

/// What is typed at a console.
pub trait ConsoleInput: Send {
    /// Sends all of it.
    fn send(&self, bytes: &[u8]) -> Result<()>;
}

/// Something from a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Bytes, as they came.
    Bytes(Vec<u8>),
    /// The end: the guest went down, or the connection broke; why.
    Closed(String),
}

impl std::fmt::Display for VolumeRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(pool, name) => write!(f, "volume `{pool}/{name}`"),
            Self::Path(path) => write!(f, "volume `{path}`"),
        }
    }
}
