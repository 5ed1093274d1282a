//! The volumes of a VM, as its pool can have them.

use trustnet_api::disk::DiskFormat;

use super::Step;
use super::create::backing;
use crate::observed::Observed;
use crate::pool::{Keeping, keeping, of_seed};
use crate::vm::{BootSource, DataDisk, Vm};
use crate::xml;

/// The volumes of a VM with the disks that its pool can have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volumes<'a> {
    /// The VM.
    pub(super) vm: &'a Vm,
    /// The host.
    pub(super) observed: &'a Observed,
}

impl Volumes<'_> {
    /// What makes the boot disk: files stand over their image, anything else is a copy of it.
    pub(super) fn boot(&self) -> Step {
        let boot = self.vm.boot_disk();
        let (pool, volume) = (self.vm.pool().to_owned(), boot.volume.clone());
        let backing = backing(self.observed);
        let backing = backing
            .as_ref()
            .map(|(path, kind)| (path.as_str(), kind.as_str()));
        let xml = self.xml(&boot.volume, boot.size, boot.format, backing);
        match &boot.source {
            BootSource::Volume {
                pool: of,
                volume: image,
            } if self.keeping() != Keeping::Files => Step::CopyVolume {
                pool,
                volume,
                size: boot.size,
                xml,
                image_pool: of.clone(),
                image: image.clone(),
            },
            _ => Step::CreateVolume {
                pool,
                volume,
                size: boot.size,
                xml,
            },
        }
    }

    /// What makes a data disk, or takes it up.
    pub(super) fn data(&self, disk: &DataDisk) -> Step {
        let (pool, volume) = (self.vm.pool().to_owned(), disk.volume.clone());
        let own = self.observed.pools.get(self.vm.pool());
        if own.is_some_and(|own| own.volumes.contains_key(&disk.volume)) {
            return Step::AdoptVolume { pool, volume };
        }
        Step::CreateVolume {
            pool,
            volume,
            size: disk.size,
            xml: self.data_xml(disk),
        }
    }

    /// What makes the seed's volume.
    pub(super) fn seed(&self, size: u64) -> Step {
        let volume = self.vm.seed_volume();
        let xml = match self.keeping() {
            Keeping::Blocks => xml::raw_volume(&volume, size, true),
            Keeping::Files | Keeping::Ceph => xml::volume(&volume, size, DiskFormat::Raw, None),
        };
        Step::CreateVolume {
            pool: of_seed(self.vm, self.observed.pools.get(self.vm.pool())).to_owned(),
            volume,
            size,
            xml,
        }
    }

    /// The XML of a data disk's volume.
    pub(super) fn data_xml(&self, disk: &DataDisk) -> String {
        self.xml(&disk.volume, disk.size, disk.format, None)
    }

    fn keeping(&self) -> Keeping {
        let pool = self.observed.pools.get(self.vm.pool());
        pool.map_or(Keeping::Files, keeping)
    }

    fn xml(&self, name: &str, size: u64, format: DiskFormat, over: Option<(&str, &str)>) -> String {
        match self.keeping() {
            Keeping::Files => xml::volume(name, size, format, over),
            Keeping::Blocks => xml::raw_volume(name, size, true),
            Keeping::Ceph => xml::raw_volume(name, size, false),
        }
    }
}
