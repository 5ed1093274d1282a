//! The state of the host, as it stands in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use trustnet_core::observed::{DomainState, PoolFacts};
use trustnet_core::vm::{IMAGE_POOL, VM_POOL};
use trustnet_core::xml;

use super::fail::Fail;
use crate::error::BackendError;

/// Everything that the host has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// The host itself.
    pub host: Host,
    /// Bridges; none where they cannot be listed.
    pub bridges: Option<Vec<String>>,
    /// Networks: name, and whether it is active.
    pub networks: BTreeMap<String, bool>,
    /// Storage pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// Domains by UUID.
    pub domains: BTreeMap<String, Domain>,
    /// Files with UEFI variables.
    pub nvram: BTreeSet<String>,
    /// Guests by the name of their domain; one that is not listed comes up well.
    #[serde(default)]
    pub guests: BTreeMap<String, Guest>,
    /// Bytes that were ever written to each volume, by `pool/name`.
    #[serde(default)]
    pub written: BTreeMap<String, u64>,
    /// Files of folders that were pools before.
    #[serde(default)]
    pub folders: BTreeMap<String, BTreeMap<String, Volume>>,
    /// What calls are told to do.
    #[serde(default)]
    pub fail: Vec<Fail>,
}

/// The host itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// Whether the connection is a session one.
    pub session: bool,
    /// Architecture.
    pub arch: String,
    /// Whether a probe passes with KVM.
    #[serde(default)]
    pub kvm: bool,
    /// Free memory in MiB.
    pub free_memory_mib: Option<u64>,
    /// The XML of the domain capabilities, by domain type.
    pub capabilities: BTreeMap<String, String>,
    /// The XML of the storage pool capabilities; none where the host cannot say.
    #[serde(default)]
    pub pool_capabilities: Option<String>,
}

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// Its XML.
    pub xml: String,
    /// Whether it is active.
    pub active: bool,
    /// Whether it starts with the daemon.
    #[serde(default)]
    pub autostart: bool,
    /// Bytes that it can hold in all.
    #[serde(default)]
    pub capacity: u64,
    /// Free bytes.
    pub available: u64,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Volume>,
    /// Files that came into the pool's folder since it was looked at.
    #[serde(default)]
    pub unseen: BTreeMap<String, Volume>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Its XML.
    pub xml: String,
    /// The bytes at its beginning.
    #[serde(with = "base64", default)]
    pub content: Vec<u8>,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Domain {
    /// The XML of its definition.
    pub xml: String,
    /// Its state.
    pub state: DomainState,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// How often it was started.
    pub boots: u32,
}

/// How a guest behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Guest {
    /// What it reports.
    pub reports: Reports,
    /// Lines of its console.
    pub console: Vec<String>,
    /// Whether it ignores the power button.
    pub deaf: bool,
}

/// What a guest reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reports {
    /// That it comes up well.
    #[default]
    Ready,
    /// That cloud-init recovered from something.
    Degraded,
    /// That cloud-init failed.
    Failed,
    /// That it has booted, and nothing more.
    Booted,
    /// Nothing.
    Nothing,
    /// That it has booted; then it goes down.
    Down,
}

impl State {
    /// A host with everything that a VM may need, and the image `debian-12.qcow2`.
    #[must_use]
    pub fn with_everything() -> Self {
        let mut images = Pool::new(IMAGE_POOL, "/fake/images");
        images.put("debian-12.qcow2", &qcow2_header(2 << 30));
        let capabilities = include_str!("capabilities.xml").to_owned();
        Self {
            host: Host {
                arch: "x86_64".to_owned(),
                free_memory_mib: Some(64 << 10),
                capabilities: BTreeMap::from([("qemu".to_owned(), capabilities)]),
                pool_capabilities: Some(include_str!("pool_capabilities.xml").to_owned()),
                ..Host::default()
            },
            bridges: Some(vec!["br0".to_owned(), "br-lab".to_owned()]),
            networks: BTreeMap::from([("default".to_owned(), true), ("off".to_owned(), false)]),
            pools: BTreeMap::from([
                (IMAGE_POOL.to_owned(), images),
                (VM_POOL.to_owned(), Pool::new(VM_POOL, "/fake/vms")),
            ]),
            ..Self::default()
        }
    }

    /// Adds a domain that something else made, with a volume of its own.
    pub fn foreign(&mut self, name: &str) {
        let uuid = "11111111-2222-4333-8444-555555555555";
        let xml = format!(
            "<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid><memory>524288</memory>\
             <vcpu>2</vcpu><devices><disk type='file'><source file='/fake/vms/{name}.qcow2'/>\
             <target dev='vda'/></disk></devices></domain>"
        );
        let state = DomainState::Shutoff;
        self.domains.insert(
            uuid.to_owned(),
            Domain {
                xml,
                state,
                ..Domain::default()
            },
        );
        if let Some(pool) = self.pools.get_mut(VM_POOL) {
            pool.put(&format!("{name}.qcow2"), &qcow2_header(1 << 30));
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// There is no such file, or it holds no state.
    pub fn load(path: &Path) -> Result<Self, BackendError> {
        let bytes = fs::read(path).map_err(|error| BackendError::other(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| BackendError::other(error.to_string()))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), BackendError> {
        let write = || -> std::io::Result<()> {
            let temporary = path.with_extension("new");
            fs::write(&temporary, serde_json::to_vec(self)?)?;
            fs::rename(&temporary, path)
        };
        write().map_err(|error| BackendError::other(error.to_string()))
    }

    /// A line for each thing that somebody made: domains, volumes, NVRAM.
    #[must_use]
    pub fn inventory(&self) -> Vec<String> {
        let mut all = Vec::new();
        for domain in self.domains.values() {
            let autostart = if domain.autostart {
                ", with the host"
            } else {
                ""
            };
            all.push(format!(
                "domain {} {}{autostart}",
                domain.facts().xml.name,
                domain.state.as_str()
            ));
        }
        for (name, pool) in &self.pools {
            all.extend(
                pool.volumes
                    .keys()
                    .map(|volume| format!("volume {name}/{volume}")),
            );
        }
        all.extend(self.nvram.iter().map(|file| format!("nvram {file}")));
        all.sort();
        all
    }
}

impl Pool {
    /// An empty, active directory pool with room.
    #[must_use]
    pub fn new(name: &str, path: &str) -> Self {
        Self {
            xml: xml::pool(name, path),
            active: true,
            autostart: true,
            capacity: 1 << 40,
            available: 1 << 40,
            ..Self::default()
        }
    }

    /// What is told of it.
    pub(super) fn facts(&self) -> PoolFacts {
        PoolFacts {
            xml: xml::read_pool(&self.xml),
            active: self.active,
            capacity: self.capacity,
            allocation: self.capacity.saturating_sub(self.available),
            available: self.available,
            ..PoolFacts::default()
        }
    }

    /// Puts a file into the pool, as a volume that libvirt has seen.
    pub fn put(&mut self, name: &str, content: &[u8]) {
        self.volumes
            .insert(name.to_owned(), Volume::of_file(name, content));
    }
}

impl Volume {
    /// A file as libvirt sees it.
    #[must_use]
    pub fn of_file(name: &str, content: &[u8]) -> Self {
        use trustnet_api::disk::DiskFormat::{Qcow2, Raw};
        let size = content
            .get(24..32)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_be_bytes);
        let xml = match size {
            Some(size) if content.starts_with(b"QFI\xfb") => xml::volume(name, size, Qcow2, None),
            _ => xml::volume(name, content.len() as u64, Raw, None),
        };
        Self {
            xml,
            content: content.to_vec(),
        }
    }
}

/// The header of a qcow2 image without a backing file, and the end of its extensions. Its tables are where
/// `qemu-img create` puts them.
#[must_use]
pub fn qcow2_header(virtual_size: u64) -> Vec<u8> {
    const CLUSTER: u64 = 1 << 16;
    let mut header = vec![0; 112];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb\0\0\0\x03");
    put(20, &16u32.to_be_bytes());
    put(24, &virtual_size.to_be_bytes());
    let entries = virtual_size.div_ceil(CLUSTER * CLUSTER / 8);
    put(
        36,
        &u32::try_from(entries).unwrap_or(u32::MAX).to_be_bytes(),
    );
    put(40, &(3 * CLUSTER).to_be_bytes());
    put(48, &CLUSTER.to_be_bytes());
    put(56, &1u32.to_be_bytes());
    put(96, &4u32.to_be_bytes());
    put(100, &104u32.to_be_bytes());
    header
}

mod base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(deserializer)?)
            .map_err(D::Error::custom)
    }
}
