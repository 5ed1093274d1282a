//! Storage pools as they are meant: what they are made of, and who uses what is in them.

use std::fmt;

use crate::observed::{DomainFacts, PoolFacts};
use crate::vm::{IMAGE_POOL, VM_POOL};
use crate::xml::{PoolCapabilities, PoolXml};

mod contents;
mod keeping;
mod request;

pub use contents::{Purpose, References};
pub use keeping::{Keeping, as_kept, keeping, of_seed};
pub use request::{PoolError, PoolKind, PoolRequest};

/// A storage pool as it is to be made; [`PoolRequest::resolve`] is the way to one that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub source: Source,
}

/// What a pool is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory.
    Dir {
        /// Its path.
        path: String,
        /// Whether files are copied on write, on btrfs.
        cow: Cow,
    },
    /// A file system that libvirt mounts.
    Fs {
        /// The block device, or a file with the file system.
        device: String,
        /// The type of the file system; none where the kernel is to find out.
        format: Option<String>,
        /// Where it is mounted.
        path: String,
        /// Whether files are copied on write, on btrfs.
        cow: Cow,
    },
    /// A directory of an NFS server that libvirt mounts.
    Netfs {
        /// The server.
        host: String,
        /// The directory there.
        export: String,
        /// Where it is mounted.
        path: String,
    },
    /// An LVM volume group that is there.
    Logical {
        /// Its name.
        group: String,
    },
    /// A ZFS pool, or a dataset in one, that is there.
    Zfs {
        /// Its name.
        dataset: String,
    },
    /// A pool of a Ceph cluster (RBD).
    Rbd(Ceph),
}

/// Whether files of a pool on btrfs are copied on write. Elsewhere it means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cow {
    /// libvirt decides: it turns it off in a directory that it makes.
    Unsaid,
    /// They are: checksums and compression hold for them, and a guest's writes scatter them.
    Yes,
    /// They are not.
    No,
}

/// A pool of a Ceph cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceph {
    /// Its name there.
    pub pool: String,
    /// The monitors, at least one.
    pub monitors: Vec<Monitor>,
    /// Who logs in, and what proves it.
    pub auth: Option<(String, CephSecret)>,
}

/// A monitor of a Ceph cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Its name or address.
    pub name: String,
    /// Its port, where it is not the usual one.
    pub port: Option<u16>,
}

/// Which of libvirt's secrets holds the key of a Ceph user. The key itself never comes here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CephSecret {
    /// By UUID.
    Uuid(String),
    /// By usage: the name that the secret was defined with.
    Usage(String),
}

impl CephSecret {
    /// The attribute of libvirt's `<secret>`.
    pub(crate) fn attribute(&self) -> (&'static str, &str) {
        match self {
            Self::Uuid(uuid) => ("uuid", uuid),
            Self::Usage(usage) => ("usage", usage),
        }
    }
}

impl Source {
    /// libvirt's name of the type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dir { .. } => "dir",
            Self::Fs { .. } => "fs",
            Self::Netfs { .. } => "netfs",
            Self::Logical { .. } => "logical",
            Self::Zfs { .. } => "zfs",
            Self::Rbd(_) => "rbd",
        }
    }

    /// The directory in which its volumes are found.
    pub(crate) fn target(&self) -> Option<String> {
        match self {
            Self::Dir { path, .. } | Self::Fs { path, .. } | Self::Netfs { path, .. } => {
                Some(path.clone())
            }
            Self::Logical { group } => Some(format!("/dev/{group}")),
            Self::Zfs { dataset } => Some(format!("/dev/zvol/{dataset}")),
            Self::Rbd(_) => None,
        }
    }
}

/// Why a hypervisor cannot have a pool of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    kind: String,
    supported: Vec<String>,
}

/// Whether the hypervisor has pools of this type. One that cannot say is believed to.
///
/// # Errors
/// It says that it has none.
pub fn supports(capabilities: Option<&PoolCapabilities>, kind: &str) -> Result<(), Unsupported> {
    let Some(capabilities) = capabilities else {
        return Ok(());
    };
    if capabilities.get(kind).is_some_and(|known| known.supported) {
        return Ok(());
    }
    let supported = capabilities.iter().filter(|(_, known)| known.supported);
    Err(Unsupported {
        kind: kind.to_owned(),
        supported: supported.map(|(name, _)| name.clone()).collect(),
    })
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the hypervisor has no pools of type `{}`; it has ",
            self.kind
        )?;
        if self.supported.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.supported.join(", "))
    }
}

impl Unsupported {
    /// What to do about it. The packages are called the same by Debian and Fedora.
    #[must_use]
    pub fn hint(&self) -> String {
        format!(
            "install `{}` on the hypervisor and start its libvirt daemon anew, or use another type",
            package(&self.kind)
        )
    }
}

/// The package that brings a type of pools. Those of files come with the storage driver itself.
fn package(kind: &str) -> String {
    match kind {
        "dir" | "fs" | "netfs" => "libvirt-daemon-driver-storage".to_owned(),
        other => format!("libvirt-daemon-driver-storage-{other}"),
    }
}

/// Where a pool that is there differs from one that is wanted, by the names of what differs. What is not asked
/// for may be anything: libvirt fills it in.
#[must_use]
pub fn differences(there: &PoolXml, wanted: &PoolXml) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, there: &str, wanted: &str| {
        if !wanted.is_empty() && there != wanted {
            let there = if there.is_empty() { "none" } else { there };
            found.push(format!("{what} (`{there}`, not `{wanted}`)"));
        }
    };
    compare("type", &there.kind, &wanted.kind);
    let path = |path: &str| path.trim_end_matches('/').to_owned();
    compare("target", &path(&there.path), &path(&wanted.path));
    let (there, wanted) = (&there.source, &wanted.source);
    compare("source", &there.name, &wanted.name);
    compare(
        "source",
        &there.devices.join(" "),
        &wanted.devices.join(" "),
    );
    compare("source's directory", &there.dir, &wanted.dir);
    compare("hosts", &there.hosts.join(" "), &wanted.hosts.join(" "));
    if wanted.format != "auto" {
        compare("format", &there.format, &wanted.format);
    }
    let auth = |auth: &Option<(String, CephSecret)>| match auth {
        Some((user, secret)) => format!("{user} {}", secret.attribute().1),
        None => String::new(),
    };
    compare("login", &auth(&there.auth), &auth(&wanted.auth));
    found
}

/// A domain that has something in a pool, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUse {
    /// The domain.
    pub domain: String,
    /// Volumes, files or devices, each once.
    pub volumes: Vec<String>,
}

impl fmt::Display for PoolUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.domain, self.volumes.join(", "))
    }
}

/// Which domains use something that is in a pool: by their disks, their backing chains, or their records.
#[must_use]
pub fn users(name: &str, pool: &PoolFacts, domains: &[DomainFacts]) -> Vec<PoolUse> {
    let uses = domains.iter().filter_map(|domain| {
        let volumes = used_by(name, pool, domain);
        (!volumes.is_empty()).then(|| PoolUse {
            domain: domain.xml.name.clone(),
            volumes,
        })
    });
    uses.collect()
}

fn used_by(name: &str, pool: &PoolFacts, domain: &DomainFacts) -> Vec<String> {
    let mut volumes = Vec::new();
    for disk in &domain.xml.disks {
        if let Some((_, volume)) = disk.volume.as_ref().filter(|(pool, _)| pool == name) {
            volumes.push(volume.clone());
        }
        let sources = disk.file.iter().chain(&disk.backing).chain(&disk.network);
        volumes.extend(sources.filter_map(|source| inside(pool, source)));
    }
    if let Some(record) = domain.owner.record() {
        let own = record.volumes.iter().map(|own| (&own.pool, &own.name));
        let shared = record.cache_volume.iter().map(|one| (&one.pool, &one.name));
        let recorded = own.chain(shared).filter(|(pool, _)| *pool == name);
        volumes.extend(recorded.map(|(_, volume)| volume.clone()));
    }
    volumes.sort();
    volumes.dedup();
    volumes
}

/// The name of the volume in a pool that a file, a device or an image of Ceph is.
fn inside(pool: &PoolFacts, source: &str) -> Option<String> {
    let folder = if pool.xml.kind == "rbd" {
        &pool.xml.source.name
    } else {
        &pool.xml.path
    };
    let folder = folder.trim_end_matches('/');
    let name = source.strip_prefix(folder)?.strip_prefix('/')?;
    (!folder.is_empty() && !name.is_empty()).then(|| name.to_owned())
}

/// Whether a pool is one that trustnet-vm makes by itself.
#[must_use]
pub fn is_default(name: &str) -> bool {
    [IMAGE_POOL, VM_POOL].contains(&name)
}
