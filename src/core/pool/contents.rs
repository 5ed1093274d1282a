//! What the volumes of a pool are for, and which of them nobody uses.

use std::collections::BTreeSet;

use crate::cache_disk;
use crate::observed::{DomainFacts, PoolFacts};
use crate::xml::VolumeXml;

/// What a volume is for, as far as its hypervisor tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A disk of a VM, its seed among them.
    Disk,
    /// A base image: disks stand over it, or it is in a pool for images.
    Image,
    /// A cache disk.
    CacheDisk,
    /// Something else.
    Other,
}

impl Purpose {
    /// In a word; stable.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Image => "image",
            Self::CacheDisk => "cache disk",
            Self::Other => "other",
        }
    }
}

/// Who refers to volumes on a hypervisor: all domains, and all volumes that stand over others.
#[derive(Debug, Clone, Default)]
pub struct References {
    named: BTreeSet<(String, String)>,
    sources: BTreeSet<String>,
    backing: BTreeSet<String>,
}

impl References {
    /// Takes in what domains refer to.
    #[must_use]
    pub fn of_domains(domains: &[DomainFacts]) -> Self {
        let mut all = Self::default();
        for domain in domains {
            for disk in &domain.xml.disks {
                all.named.extend(disk.volume.clone());
                all.sources.extend(disk.file.clone());
                all.sources.extend(disk.network.clone());
                all.backing.extend(disk.backing.iter().cloned());
            }
            let Some(record) = domain.owner.record() else {
                continue;
            };
            let own = record.volumes.iter().map(|one| (&one.pool, &one.name));
            let shared = record.cache_volume.iter().map(|one| (&one.pool, &one.name));
            let both = own.chain(shared);
            all.named
                .extend(both.map(|(pool, name)| (pool.clone(), name.clone())));
        }
        all
    }

    /// Takes in what a pool's volumes stand over.
    pub fn and_of_volumes(&mut self, volumes: &[VolumeXml]) {
        let backing = volumes.iter().filter_map(|one| one.backing.clone());
        self.backing.extend(backing);
    }

    /// What a volume is for, and whether anybody uses it; `images` are the pools for images.
    #[must_use]
    pub fn judge(
        &self,
        pool: (&str, &PoolFacts),
        volume: &VolumeXml,
        images: &[&str],
    ) -> (Purpose, bool) {
        let (name, facts) = pool;
        let named = (name.to_owned(), volume.name.clone());
        let in_ceph = format!("{}/{}", facts.xml.source.name, volume.name);
        let attached = self.named.contains(&named)
            || self.sources.contains(&volume.path)
            || facts.xml.kind == "rbd" && self.sources.contains(&in_ceph);
        let below = self.backing.contains(&volume.path);
        let purpose = if cache_disk::is_name(&volume.name) {
            Purpose::CacheDisk
        } else if attached {
            Purpose::Disk
        } else if below || images.contains(&name) {
            Purpose::Image
        } else {
            Purpose::Other
        };
        (purpose, attached || below)
    }
}
