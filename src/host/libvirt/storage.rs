//! Pools and volumes.

use std::io::{ErrorKind, Read};

use trustnet_core::observed::PoolFacts;
use trustnet_core::xml::{VolumeXml, read_pool, read_volume};
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use super::{Libvirt, if_found};
use crate::doors::{Pools, VolumeRef, Volumes};
use crate::error::{BackendError, HostError};

/// Bytes a message of a stream: libvirt's own limit is 256 KiB less a header.
const CHUNK: usize = 256 * 1024 - 64;

impl Libvirt {
    fn pool(&self, name: &str) -> Result<StoragePool, virt::error::Error> {
        self.connection.lookup_storage_pool_by_name(name)
    }

    fn volume(&self, volume: VolumeRef<'_>) -> Result<StorageVol, virt::error::Error> {
        match volume {
            VolumeRef::Named(pool, name) => self.pool(pool)?.lookup_storage_vol_by_name(name),
            VolumeRef::Path(path) => self.connection.lookup_storage_vol_by_path(path),
        }
    }
}

/// Sends so many bytes.
fn send_all(stream: &Stream, from: &mut dyn Read, length: u64) -> Result<(), BackendError> {
    let mut from = from.take(length);
    let mut chunk = vec![0; CHUNK.min(usize::try_from(length).unwrap_or(CHUNK))];
    while from.limit() > 0 {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Err(BackendError::other("what is to be written ends too early")),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(BackendError::other(error.to_string())),
        };
        let mut sent = 0;
        while sent < count {
            sent += stream.send(&chunk[sent..count])?.unsigned_abs();
        }
    }
    Ok(())
}

impl Pools for Libvirt {
    fn find(&self, name: &str) -> Result<Option<PoolFacts>, HostError> {
        let doing = || format!("look up storage pool `{name}`");
        let Some(pool) = if_found(self.pool(name)).map_err(HostError::storage(doing()))? else {
            return Ok(None);
        };
        let facts = || -> Result<PoolFacts, virt::error::Error> {
            Ok(PoolFacts {
                xml: read_pool(&pool.xml_desc(0)?),
                active: pool.is_active()?,
                available: pool.info()?.available,
                volumes: std::collections::BTreeMap::new(),
            })
        };
        facts().map(Some).map_err(HostError::storage(doing()))
    }

    fn ensure(&self, name: &str, xml: &str) -> Result<(), HostError> {
        let run = || -> Result<(), BackendError> {
            let pool = match if_found(self.pool(name))? {
                Some(pool) => pool,
                None => {
                    let pool = self.connection.define_storage_pool_xml(xml, 0)?;
                    pool.build(0)?;
                    pool.set_autostart(true)?;
                    pool
                }
            };
            if !pool.is_active()? {
                let normal = virt_sys::VIR_STORAGE_POOL_CREATE_NORMAL;
                match pool.create(normal) {
                    // Its folder is missing: who defined it was killed before it was built.
                    Err(_) if read_pool(&pool.xml_desc(0)?).kind == "dir" => {
                        pool.build(0)?;
                        pool.create(normal)?;
                    }
                    other => other.map(drop)?,
                }
            }
            Ok(())
        };
        run().map_err(HostError::storage(format!("make storage pool `{name}`")))
    }

    fn contents(&self) -> Result<Vec<(String, String)>, HostError> {
        let run = || -> Result<Vec<(String, String)>, BackendError> {
            let mut found = Vec::new();
            let active = virt_sys::VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE;
            for pool in self.connection.list_all_storage_pools(active)? {
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

    fn write(&self, volume: VolumeRef<'_>, bytes: &[u8]) -> Result<(), HostError> {
        self.write_from(volume, 0, &mut &*bytes, bytes.len() as u64)
    }

    fn write_from(
        &self,
        volume: VolumeRef<'_>,
        offset: u64,
        from: &mut dyn Read,
        length: u64,
    ) -> Result<(), HostError> {
        let mut run = || -> Result<(), BackendError> {
            let stream = Stream::new(&self.connection, 0)?;
            self.volume(volume)?.upload(&stream, offset, length, 0)?;
            match send_all(&stream, from, length) {
                Ok(()) => Ok(stream.finish()?),
                Err(error) => {
                    // The first error counts.
                    let _ = stream.abort();
                    Err(error)
                }
            }
        };
        run().map_err(HostError::storage(format!("write {volume}")))
    }

    fn read(&self, volume: VolumeRef<'_>, length: u64) -> Result<Vec<u8>, HostError> {
        let run = || -> Result<Vec<u8>, virt::error::Error> {
            let stream = Stream::new(&self.connection, 0)?;
            self.volume(volume)?.download(&stream, 0, length, 0)?;
            let mut bytes = Vec::new();
            let mut chunk = vec![0; CHUNK];
            loop {
                let count = stream.recv(&mut chunk)?.unsigned_abs();
                if count == 0 {
                    stream.finish()?;
                    return Ok(bytes);
                }
                bytes.extend_from_slice(&chunk[..count]);
            }
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
