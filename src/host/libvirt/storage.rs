//! Pools and volumes.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use trustnet_core::observed::PoolFacts;
use trustnet_core::xml::{VolumeXml, read_pool, read_pool_sizes, read_volume};
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;

use super::survey::in_flight;
use super::{Libvirt, if_found, transfer};
use crate::doors::{ListedPool, Pools, VolumeRef, Volumes};
use crate::error::{BackendError, BackendErrorKind, HostError};
use crate::image::sparse::Pieces;

impl Libvirt {
    fn pool(&self, name: &str) -> Result<StoragePool, virt::error::Error> {
        self.connection().lookup_storage_pool_by_name(name)
    }

    fn volume(&self, volume: VolumeRef<'_>) -> Result<StorageVol, virt::error::Error> {
        match volume {
            VolumeRef::Named(pool, name) => self.pool(pool)?.lookup_storage_vol_by_name(name),
            VolumeRef::Path(path) => self.connection().lookup_storage_vol_by_path(path),
        }
    }
}

impl Pools for Libvirt {
    fn find(&self, name: &str) -> Result<Option<PoolFacts>, HostError> {
        let doing = || format!("look up storage pool `{name}`");
        let Some(pool) = if_found(self.pool(name)).map_err(HostError::storage(doing()))? else {
            return Ok(None);
        };
        let facts = || Ok(facts(&pool.xml_desc(0)?, pool.is_active()?));
        let facts: Result<PoolFacts, virt::error::Error> = facts();
        facts.map(Some).map_err(HostError::storage(doing()))
    }

    fn list(&self) -> Result<Vec<ListedPool>, HostError> {
        let run = || -> Result<Vec<ListedPool>, BackendError> {
            // Which are active and which start by themselves is asked of all at once.
            let named = |which| -> Result<BTreeSet<String>, virt::error::Error> {
                let pools = self.connection().list_all_storage_pools(which)?;
                pools.iter().map(StoragePool::name).collect()
            };
            let active = named(virt_sys::VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)?;
            let autostart = named(virt_sys::VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART)?;
            let mut listed = Vec::new();
            for pool in self.connection().list_all_storage_pools(0)? {
                let name = pool.name()?;
                // A pool may go while we look.
                let Some(xml) = if_found(pool.xml_desc(0))? else {
                    continue;
                };
                listed.push(ListedPool {
                    facts: facts(&xml, active.contains(&name)),
                    autostart: autostart.contains(&name),
                    name,
                });
            }
            listed.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(listed)
        };
        run().map_err(HostError::storage("list the storage pools"))
    }

    fn ensure(&self, name: &str, xml: &str) -> Result<(), HostError> {
        let run = || -> Result<(), BackendError> {
            if let Some(pool) = if_found(self.pool(name))? {
                let folder = |xml: &str| read_pool(xml).path.trim_end_matches('/').to_owned();
                // Who says another one, or none, does not mean that it is to be made: its disk may not be mounted.
                let may_make = folder(&pool.xml_desc(0)?) == folder(xml);
                return Ok(start(&pool, may_make)?);
            }
            let pool = self.connection().define_storage_pool_xml(xml, 0)?;
            let made = || -> Result<(), virt::error::Error> {
                if in_a_folder(xml) {
                    pool.build(0)?;
                }
                pool.set_autostart(true)?;
                start(&pool, true)
            };
            made().inspect_err(|_| {
                // The first error counts.
                let _ = pool.undefine();
            })?;
            Ok(())
        };
        run().map_err(HostError::storage(format!("make storage pool `{name}`")))
    }

    fn contents(&self) -> Result<Vec<(String, String)>, HostError> {
        let run = || -> Result<Vec<(String, String)>, BackendError> {
            let mut found = Vec::new();
            let active = virt_sys::VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE;
            for pool in self.connection().list_all_storage_pools(active)? {
                // A pool or a volume may go while we look.
                let name = pool.name()?;
                for volume in if_found(pool.list_all_volumes(0))?.unwrap_or_default() {
                    found.push((name.clone(), volume.name()?));
                }
            }
            found.sort();
            Ok(found)
        };
        run().map_err(HostError::storage("list the volumes of the storage pools"))
    }

    fn refresh(&self, name: &str) -> Result<(), HostError> {
        let run = || self.pool(name)?.refresh(0);
        run().map_err(HostError::storage(format!("refresh storage pool `{name}`")))
    }

    fn forget(&self, name: &str) -> Result<(), HostError> {
        let run = || -> Result<(), virt::error::Error> {
            let pool = self.pool(name)?;
            if pool.is_active()? {
                pool.destroy()?;
            }
            // One that was never defined is gone now.
            if pool.is_persistent()? {
                pool.undefine()?;
            }
            Ok(())
        };
        if_found(run())
            .map(drop)
            .map_err(HostError::storage(format!("forget storage pool `{name}`")))
    }
}

fn facts(xml: &str, active: bool) -> PoolFacts {
    let sizes = read_pool_sizes(xml);
    PoolFacts {
        xml: read_pool(xml),
        active,
        capacity: sizes.capacity,
        allocation: sizes.allocation,
        available: sizes.available,
        ..PoolFacts::default()
    }
}

/// Starts a pool that is not active, and makes its folder where it may and that is missing.
fn start(pool: &StoragePool, may_make: bool) -> Result<(), virt::error::Error> {
    if pool.is_active()? {
        return Ok(());
    }
    let normal = virt_sys::VIR_STORAGE_POOL_CREATE_NORMAL;
    match pool.create(normal) {
        // Its folder is missing: who defined it was killed before it was built.
        Err(_) if may_make && in_a_folder(&pool.xml_desc(0)?) => {
            pool.build(0)?;
            pool.create(normal)
        }
        other => other,
    }
}

/// Whether the volumes are files in a folder: to build such a pool is to make the folder, and no more.
fn in_a_folder(xml: &str) -> bool {
    ["dir", "fs", "netfs"].contains(&read_pool(xml).kind.as_str())
}

impl Volumes for Libvirt {
    fn find(&self, volume: VolumeRef<'_>) -> Result<Option<VolumeXml>, HostError> {
        let xml = || self.volume(volume)?.xml_desc(0);
        let found = if_found(xml()).map_err(HostError::storage(format!("look up {volume}")))?;
        Ok(found.map(|xml| read_volume(&xml)))
    }

    fn create(&self, pool: &str, xml: &str) -> Result<(), HostError> {
        let run = || StorageVol::create_xml(&self.pool(pool)?, xml, 0).map(drop);
        let name = || read_volume(xml).name;
        run().map_err(|error| {
            HostError::storage(format!("create volume `{pool}/{}`", name()))(error)
        })
    }

    fn copy(&self, from: VolumeRef<'_>, pool: &str, xml: &str) -> Result<(), HostError> {
        let wanted = read_volume(xml);
        let run = || -> Result<(), BackendError> {
            let from = self.volume(from)?;
            let pool = self.pool(pool)?;
            // libvirt itself calls it an internal error where the name is taken, and whose a volume is, is never guessed.
            if if_found(pool.lookup_storage_vol_by_name(&wanted.name))?.is_some() {
                return Err(BackendError {
                    kind: BackendErrorKind::Exists,
                    message: format!("storage volume '{}' exists already", wanted.name),
                });
            }
            let made = StorageVol::create_xml_from(&pool, xml, &from, 0)?;
            // A clone in Ceph is as large as what it was cloned from.
            if read_volume(&made.xml_desc(0)?).capacity < wanted.capacity {
                made.resize(wanted.capacity, 0)?;
            }
            Ok(())
        };
        run().map_err(HostError::storage(format!(
            "copy {from} to volume `{pool}/{}`",
            wanted.name
        )))
    }

    fn list(&self, pool: &str) -> Result<Vec<VolumeXml>, HostError> {
        let run = || -> Result<Vec<VolumeXml>, BackendError> {
            let volumes = self.pool(pool)?.list_all_volumes(0)?;
            // A volume may go while we look; that it is gone is its answer.
            let facts = in_flight(&volumes, |volume| if_found(volume.xml_desc(0)));
            facts
                .into_iter()
                .filter_map(Result::transpose)
                .map(|xml| Ok(read_volume(&xml?)))
                .collect()
        };
        run().map_err(HostError::storage(format!(
            "list the volumes of storage pool `{pool}`"
        )))
    }

    fn write_from(
        &self,
        volume: VolumeRef<'_>,
        offset: u64,
        from: &mut dyn Read,
        length: u64,
    ) -> Result<(), HostError> {
        let mut run = || {
            let found = self.volume(volume)?;
            transfer::upload(&self.connection(), &found, offset, length, from)
        };
        run().map_err(HostError::storage(format!("write {volume}")))
    }

    fn write_pieces(
        &self,
        volume: VolumeRef<'_>,
        offset: u64,
        pieces: &mut dyn Pieces,
        length: u64,
    ) -> Result<(), HostError> {
        let mut run = || {
            let found = self.volume(volume)?;
            transfer::upload_sparse(&self.connection(), &found, offset, length, pieces)
        };
        run().map_err(HostError::storage(format!("write {volume}")))
    }

    fn read_to(
        &self,
        volume: VolumeRef<'_>,
        length: u64,
        to: &mut dyn Write,
    ) -> Result<(), HostError> {
        let mut run = || {
            let found = self.volume(volume)?;
            transfer::download(&self.connection(), &found, length, to)
        };
        run().map_err(HostError::storage(format!("read {volume}")))
    }

    fn delete(&self, volume: VolumeRef<'_>) -> Result<(), HostError> {
        let run = || self.volume(volume)?.delete(0);
        if_found(run())
            .map(drop)
            .map_err(HostError::storage(format!("delete {volume}")))
    }
}
