//! What was seen of a host: the facts that planning decides from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trustnet_api::vm::VirtualMachine;

use crate::cache_disk::Standing;
use crate::image::ImageContent;
use crate::load;
use crate::record::Record;
use crate::xml::{DomainCapabilities, DomainType, DomainXml, Metadata, PoolXml, VolumeXml};

/// Everything that a plan is made from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// The hypervisor.
    pub host: HostFacts,
    /// The pools that the VM names, by name; a missing one is absent.
    pub pools: BTreeMap<String, PoolFacts>,
    /// All domains.
    pub domains: Vec<DomainFacts>,
    /// Bridges of the host; none where they cannot be listed.
    pub bridges: Option<Vec<String>>,
    /// libvirt networks: name, and whether it is active.
    pub networks: BTreeMap<String, bool>,
    /// The image's volume, where the boot disk has one: looked up by pool and name, or by path.
    pub image: Option<ImageFacts>,
    /// A name in the catalogue of images that comes near the image's, where the image is not there.
    pub near_image: Option<String>,
    /// The volume of the artifacts that the VM's services need, where there is one.
    pub cache_volume: Option<Standing>,
    /// The port of 127.0.0.1 for each user-mode interface, by the interface's place: the spec's or a
    /// chosen one; absent where it is not free.
    pub free_ports: BTreeMap<usize, u16>,
}

/// The hypervisor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostFacts {
    /// Whether this is a session (unprivileged) connection.
    pub session: bool,
    /// The host's architecture, such as `x86_64`.
    pub arch: String,
    /// Free memory in MiB; none where the driver cannot say.
    pub free_memory_mib: Option<u64>,
    /// The chosen domain type, and why.
    pub domain_type: Option<(DomainType, String)>,
    /// What the chosen domain type can do; none where the driver cannot say.
    pub capabilities: Option<DomainCapabilities>,
    /// The folder below which a missing default pool is made.
    pub data_dir: String,
}

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolFacts {
    /// Type and target.
    pub xml: PoolXml,
    /// Whether it is active.
    pub active: bool,
    /// Bytes that it can hold in all; 0 where the hypervisor has not said.
    pub capacity: u64,
    /// Bytes that are taken.
    pub allocation: u64,
    /// Free bytes.
    pub available: u64,
    /// The volumes asked about that exist, by name.
    pub volumes: BTreeMap<String, VolumeXml>,
}

/// The base image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// What libvirt says of it.
    pub volume: VolumeXml,
    /// What its first bytes say, where they could be read.
    pub content: Option<ImageContent>,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DomainFacts {
    /// What its XML says.
    pub xml: DomainXml,
    /// Its state.
    pub state: DomainState,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose a domain is.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Owner {
    /// Someone else's: listed, never touched.
    #[default]
    Foreign,
    /// Ours, with its record.
    Ours(Box<Record>),
    /// Ours, with a record that this version cannot read: why.
    Unreadable(String),
    /// Foundry's, with its spec.
    Foundry(Box<VirtualMachine>),
}

/// The state of a domain, in libvirt's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainState {
    /// No state.
    #[default]
    NoState,
    /// Executing.
    Running,
    /// Blocked on a resource.
    Blocked,
    /// Paused.
    Paused,
    /// On its way down.
    Shutdown,
    /// Off.
    Shutoff,
    /// Crashed.
    Crashed,
    /// Suspended by its own power management.
    Pmsuspended,
}

impl DomainState {
    /// Whether a QEMU process is there.
    #[must_use]
    pub fn is_active(self) -> bool {
        !matches!(self, Self::Shutoff | Self::Crashed | Self::NoState)
    }

    /// The words that `virsh list` uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoState => "no state",
            Self::Running => "running",
            Self::Blocked => "idle",
            Self::Paused => "paused",
            Self::Shutdown => "in shutdown",
            Self::Shutoff => "shut off",
            Self::Crashed => "crashed",
            Self::Pmsuspended => "pmsuspended",
        }
    }
}

impl DomainFacts {
    /// Facts from a domain's XML and state; the owner is read from the metadata.
    #[must_use]
    pub fn new(xml: DomainXml, state: DomainState) -> Self {
        let owner = Owner::of(&Metadata {
            record: xml.record.clone(),
            foundry: xml.foundry.clone(),
        });
        Self { xml, state, owner }
    }
}

impl Owner {
    /// Whose a domain with this metadata is.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        if let Some(text) = &metadata.record {
            return match Record::parse(text) {
                Ok(record) => Self::Ours(Box::new(record)),
                Err(error) => Self::Unreadable(error.to_string()),
            };
        }
        // By the same rules as a file of Foundry's: what they do not allow is no spec of its.
        let vm = metadata
            .foundry
            .as_deref()
            .and_then(|text| load::load(text.as_bytes()).0.pop());
        vm.map_or(Self::Foreign, |document| {
            Self::Foundry(Box::new(document.object))
        })
    }

    /// Our record, if the domain is ours and it can be read.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Ours(record) => Some(record),
            _ => None,
        }
    }
}
