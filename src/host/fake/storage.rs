//! Pools and volumes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};

use trustnet_core::observed::PoolFacts;
use trustnet_core::pool::{self, Keeping};
use trustnet_core::xml::{VolumeXml, read_pool, read_pool_capabilities, read_volume};

use super::state::{Pool, State, Volume, qcow2_header};
use super::{Fake, exists, not_found};
use crate::doors::{ListedPool, Pools, VolumeRef, Volumes};
use crate::error::{BackendError, HostError};
use crate::image::sparse::{Piece, Pieces};

/// What a new volume takes in its pool before anything is written to it.
const NEW_VOLUME: u64 = 256 << 10;

/// How much of a stream is written at once.
const CHUNK: u64 = 64 << 10;

impl Pools for Fake {
    fn find(&self, name: &str) -> Result<Option<PoolFacts>, HostError> {
        self.call("pools.find", |state| {
            Ok(state.pools.get(name).map(Pool::facts))
        })
        .map_err(HostError::storage(format!("look up storage pool `{name}`")))
    }

    fn list(&self) -> Result<Vec<ListedPool>, HostError> {
        self.call("pools.list", |state| {
            let pools = state.pools.iter();
            Ok(pools
                .map(|(name, pool)| ListedPool {
                    name: name.clone(),
                    facts: pool.facts(),
                    autostart: pool.autostart,
                })
                .collect())
        })
        .map_err(HostError::storage("list the storage pools"))
    }

    fn ensure(&self, name: &str, xml: &str) -> Result<(), HostError> {
        self.call("pools.ensure", |state| {
            if !state.pools.contains_key(name) {
                let mut pool = Pool {
                    xml: xml.to_owned(),
                    ..Pool::new(name, "")
                };
                let known = state.host.pool_capabilities.as_deref();
                let known = known.map(read_pool_capabilities);
                let kind = read_pool(xml).kind;
                if pool::supports(known.as_ref(), &kind).is_err() {
                    return Err(BackendError::other(format!(
                        "internal error: missing backend for pool type ({kind})"
                    )));
                }
                // A folder that a pool was before still has its files.
                let kept = state.folders.remove(&read_pool(xml).path);
                pool.volumes = kept.unwrap_or_default();
                state.pools.insert(name.to_owned(), pool);
            }
            if let Some(pool) = state.pools.get_mut(name) {
                pool.active = true;
            }
            Ok(())
        })
        .map_err(HostError::storage(format!("make storage pool `{name}`")))
    }

    fn contents(&self) -> Result<Vec<(String, String)>, HostError> {
        self.call("pools.contents", |state| {
            let active = state.pools.iter().filter(|(_, pool)| pool.active);
            Ok(active
                .flat_map(|(name, pool)| pool.volumes.keys().map(|v| (name.clone(), v.clone())))
                .collect())
        })
        .map_err(HostError::storage("list the volumes of the storage pools"))
    }

    fn refresh(&self, name: &str) -> Result<(), HostError> {
        self.call("pools.refresh", |state| {
            let pool = active(state, name)?;
            let unseen = std::mem::take(&mut pool.unseen);
            pool.volumes.extend(unseen);
            // A file that became a qcow2 image since.
            for (name, volume) in &mut pool.volumes {
                if read_volume(&volume.xml).format == "raw" && volume.content.starts_with(b"QFI") {
                    *volume = Volume::of_file(name, &volume.content);
                }
            }
            Ok(())
        })
        .map_err(HostError::storage(format!("refresh storage pool `{name}`")))
    }

    fn forget(&self, name: &str) -> Result<(), HostError> {
        self.call("pools.forget", |state| {
            if let Some(pool) = state.pools.remove(name) {
                let folder = read_pool(&pool.xml).path;
                state.folders.insert(folder, pool.volumes);
            }
            Ok(())
        })
        .map_err(HostError::storage(format!("forget storage pool `{name}`")))
    }
}

impl Volumes for Fake {
    fn find(&self, volume: VolumeRef<'_>) -> Result<Option<VolumeXml>, HostError> {
        self.call("volumes.find", |state| {
            let Some((pool, name)) = locate(state, volume)? else {
                return Ok(None);
            };
            Ok(state.pools[&pool]
                .volumes
                .get(&name)
                .map(|found| facts(&state.pools[&pool], &name, found)))
        })
        .map_err(HostError::storage(format!("look up {volume}")))
    }

    fn list(&self, pool: &str) -> Result<Vec<VolumeXml>, HostError> {
        self.call("volumes.list", |state| {
            let pool = &*active(state, pool)?;
            let volumes = pool.volumes.iter();
            Ok(volumes
                .map(|(name, volume)| facts(pool, name, volume))
                .collect())
        })
        .map_err(HostError::storage(format!(
            "list the volumes of storage pool `{pool}`"
        )))
    }

    fn create(&self, pool: &str, xml: &str) -> Result<(), HostError> {
        let name = read_volume(xml).name;
        self.call("volumes.create", |state| {
            let pool = active(state, pool)?;
            if name.is_empty() {
                return Err(BackendError::other(
                    "XML error: missing volume name element",
                ));
            }
            if pool.volumes.contains_key(&name) {
                return Err(exists(format!("storage volume '{name}' exists already")));
            }
            let taken = taken_by(pool, xml);
            pool.available = room(pool.available, taken, &name)?;
            pool.volumes.insert(
                name.clone(),
                Volume {
                    xml: xml.to_owned(),
                    content: Vec::new(),
                },
            );
            Ok(())
        })
        .map_err(HostError::storage(format!("create volume `{pool}/{name}`")))
    }

    fn write(&self, volume: VolumeRef<'_>, bytes: &[u8]) -> Result<(), HostError> {
        self.call("volumes.write", |state| put(state, volume, 0, bytes))
            .map_err(HostError::storage(format!("write {volume}")))
    }

    fn copy(&self, from: VolumeRef<'_>, pool: &str, xml: &str) -> Result<(), HostError> {
        let name = read_volume(xml).name;
        self.call("volumes.copy", |state| {
            let (of, image) = locate(state, from)?.ok_or_else(|| missing(from))?;
            let image = state.pools[&of].volumes[&image].clone();
            let pool = active(state, pool)?;
            if pool.volumes.contains_key(&name) {
                return Err(exists(format!("storage volume '{name}' exists already")));
            }
            let taken = taken_by(pool, xml);
            pool.available = room(pool.available, taken, &name)?;
            let mut content = image.content;
            // What is converted to raw has no header.
            if content.starts_with(b"QFI") && read_volume(xml).format == "raw" {
                content.clear();
            }
            let xml = xml.to_owned();
            pool.volumes.insert(name.clone(), Volume { xml, content });
            Ok(())
        })
        .map_err(HostError::storage(format!(
            "copy {from} to volume `{pool}/{name}`"
        )))
    }

    fn write_from(
        &self,
        volume: VolumeRef<'_>,
        offset: u64,
        from: &mut dyn Read,
        length: u64,
    ) -> Result<(), HostError> {
        let mut run = || -> Result<(), BackendError> {
            let mut offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let mut from = from.take(length);
            // A call a chunk: a run that is killed leaves what was written before.
            while from.limit() > 0 {
                let mut chunk = Vec::new();
                (&mut from)
                    .take(CHUNK)
                    .read_to_end(&mut chunk)
                    .map_err(|error| BackendError::other(error.to_string()))?;
                if chunk.is_empty() {
                    return Err(BackendError::other("what is to be written ends too early"));
                }
                self.call("volumes.write_from", |state| {
                    put(state, volume, offset, &chunk)
                })?;
                offset += chunk.len();
            }
            Ok(())
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
        let mut run = || -> Result<(), BackendError> {
            let mut at = offset;
            let broken = |error: std::io::Error| BackendError::other(error.to_string());
            while let Some(piece) = pieces.next().map_err(broken)? {
                match piece {
                    Piece::Data(bytes) => {
                        let place = usize::try_from(at).unwrap_or(usize::MAX);
                        self.call("volumes.write_pieces", |state| {
                            put(state, volume, place, bytes)
                        })?;
                        at += bytes.len() as u64;
                    }
                    Piece::Hole(length) => {
                        at += length;
                        self.edit(|state| cut_off(state, volume, at))??;
                    }
                }
            }
            if at != offset + length {
                return Err(BackendError::other("what is to be written ends too early"));
            }
            Ok(())
        };
        run().map_err(HostError::storage(format!("write {volume}")))
    }

    fn read_to(
        &self,
        volume: VolumeRef<'_>,
        length: u64,
        to: &mut dyn Write,
    ) -> Result<(), HostError> {
        self.call("volumes.read", |state| {
            let (pool, name) = locate(state, volume)?.ok_or_else(|| missing(volume))?;
            let pool = active(state, &pool)?;
            let found = pool.volumes.get(&name).ok_or_else(|| missing(volume))?;
            to.write_all(&bytes_of(found, length))
                .map_err(|error| BackendError::other(error.to_string()))
        })
        .map_err(HostError::storage(format!("read {volume}")))
    }

    fn delete(&self, volume: VolumeRef<'_>) -> Result<(), HostError> {
        self.call("volumes.delete", |state| {
            let Some((pool, name)) = locate(state, volume)? else {
                return Ok(());
            };
            let pool = active(state, &pool)?;
            if let Some(gone) = pool.volumes.remove(&name) {
                let written = match pool::keeping(&pool.facts()) {
                    Keeping::Blocks => 0,
                    Keeping::Files | Keeping::Ceph => gone.content.len() as u64,
                };
                pool.available += taken_by(pool, &gone.xml) + written;
            }
            Ok(())
        })
        .map_err(HostError::storage(format!("delete {volume}")))
    }
}

/// Ends a volume's file where a hole ends, as libvirt does.
fn cut_off(state: &mut State, volume: VolumeRef<'_>, end: u64) -> Result<(), BackendError> {
    let (pool, name) = locate(state, volume)?.ok_or_else(|| missing(volume))?;
    let found = active(state, &pool)?.volumes.get_mut(&name);
    let found = found.ok_or_else(|| missing(volume))?;
    found
        .content
        .truncate(usize::try_from(end).unwrap_or(usize::MAX));
    Ok(())
}

/// Writes into a volume, and counts it.
fn put(
    state: &mut State,
    volume: VolumeRef<'_>,
    offset: usize,
    bytes: &[u8],
) -> Result<(), BackendError> {
    let (pool_name, name) = locate(state, volume)?.ok_or_else(|| missing(volume))?;
    let pool = active(state, &pool_name)?;
    let available = pool.available;
    let whole = pool::keeping(&pool.facts()) == Keeping::Blocks;
    let Some(found) = pool.volumes.get_mut(&name) else {
        return Err(missing(volume));
    };
    let end = offset.saturating_add(bytes.len());
    if read_volume(&found.xml).format == "raw" && end as u64 > read_volume(&found.xml).capacity {
        return Err(BackendError::other(format!(
            "cannot write beyond the end of '{name}'"
        )));
    }
    let more = end.saturating_sub(found.content.len());
    let taken = if whole { 0 } else { more as u64 };
    let left = room(available, taken, &name)?;
    found.content.resize(found.content.len() + more, 0);
    found.content[offset..end].copy_from_slice(bytes);
    pool.available = left;
    *state
        .written
        .entry(format!("{pool_name}/{name}"))
        .or_default() += bytes.len() as u64;
    Ok(())
}

/// What a new volume takes in its pool before anything is written to it.
fn taken_by(pool: &Pool, xml: &str) -> u64 {
    match pool::keeping(&pool.facts()) {
        Keeping::Blocks => read_volume(xml).capacity,
        Keeping::Files | Keeping::Ceph => NEW_VOLUME,
    }
}

/// All files that a domain could open, by path.
pub(super) fn files(state: &State) -> Vec<String> {
    let paths = |pool: &Pool| {
        let folder = read_pool(&pool.xml).path;
        pool.volumes
            .keys()
            .chain(pool.unseen.keys())
            .map(|name| format!("{folder}/{name}"))
            .collect::<Vec<_>>()
    };
    state.pools.values().flat_map(paths).collect()
}

/// Pool and name of a volume that is there. A pool that is not active does not tell.
fn locate(state: &State, volume: VolumeRef<'_>) -> Result<Option<(String, String)>, BackendError> {
    match volume {
        VolumeRef::Named(pool, name) => {
            let Some(found) = state.pools.get(pool) else {
                return Ok(None);
            };
            if !found.active {
                return Err(inactive(pool));
            }
            Ok(found
                .volumes
                .contains_key(name)
                .then(|| (pool.to_owned(), name.to_owned())))
        }
        VolumeRef::Path(path) => {
            for (pool, found) in state.pools.iter().filter(|(_, pool)| pool.active) {
                let folder = read_pool(&found.xml).path;
                let name = path
                    .strip_prefix(&folder)
                    .and_then(|rest| rest.strip_prefix('/'));
                if let Some(name) = name.filter(|name| found.volumes.contains_key(*name)) {
                    return Ok(Some((pool.clone(), name.to_owned())));
                }
            }
            Ok(None)
        }
    }
}

fn active<'a>(state: &'a mut State, pool: &str) -> Result<&'a mut Pool, BackendError> {
    let found = state.pools.get_mut(pool).ok_or_else(|| {
        not_found(format!(
            "Storage pool not found: no storage pool with matching name '{pool}'"
        ))
    })?;
    if found.active {
        Ok(found)
    } else {
        Err(inactive(pool))
    }
}

fn facts(pool: &Pool, name: &str, volume: &Volume) -> VolumeXml {
    let mut facts = read_volume(&volume.xml);
    facts.path = format!("{}/{name}", read_pool(&pool.xml).path);
    facts.allocation = volume.content.len() as u64;
    facts.physical = match facts.format.as_str() {
        "raw" => facts.capacity,
        _ => facts.allocation,
    };
    // A file that holds something else was written at another time.
    let mut hasher = DefaultHasher::new();
    volume.content.hash(&mut hasher);
    facts.modified = Some(hasher.finish().to_string());
    facts
}

/// What the file of a volume holds: what was written, else a fresh disk's bytes.
fn bytes_of(volume: &Volume, length: u64) -> Vec<u8> {
    let facts = read_volume(&volume.xml);
    let mut bytes = volume.content.clone();
    if facts.format == "qcow2" && bytes.is_empty() {
        bytes = qcow2_header(facts.capacity);
    }
    let end = if facts.format == "qcow2" {
        bytes.len() as u64
    } else {
        facts.capacity
    };
    bytes.resize(usize::try_from(length.min(end)).unwrap_or(usize::MAX), 0);
    bytes
}

fn room(available: u64, wanted: u64, name: &str) -> Result<u64, BackendError> {
    let full = || {
        BackendError::other(format!(
            "cannot write file '{name}': No space left on device"
        ))
    };
    available.checked_sub(wanted).ok_or_else(full)
}

fn inactive(pool: &str) -> BackendError {
    BackendError::other(format!(
        "Requested operation is not valid: storage pool '{pool}' is not active"
    ))
}

fn missing(volume: VolumeRef<'_>) -> BackendError {
    not_found(format!("Storage volume not found: no {volume}"))
}
