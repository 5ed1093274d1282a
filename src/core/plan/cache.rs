//! The cache disk of a VM: whether it has one, and what is to be done for it.

use trustnet_api::disk::DiskFormat;

use super::check::POOL_RESERVE;
use super::{CreateInput, Refusal, Step};
use crate::artifact::ArtifactSet;
use crate::cache_disk::{self, Standing};
use crate::pool::{Keeping, keeping};
use crate::provision::{Circumstances, Delivery, delivery};
use crate::record::SharedVolume;
use crate::units::bytes;
use crate::xml;

/// What a VM's services need.
#[derive(Debug, Clone, Copy)]
pub struct Artifacts<'a> {
    /// The artifacts.
    pub set: &'a ArtifactSet,
    /// How many VMs of this run need the same set, this one included.
    pub sharing: usize,
}

/// The cache disk of a VM.
pub(super) struct Disk {
    /// Its volume.
    pub(super) volume: SharedVolume,
    /// What makes it, where it is not there, whole.
    pub(super) step: Option<Step>,
}

/// The VM's cache disk, if it is to have one.
pub(super) fn disk(input: &CreateInput<'_>) -> Result<Option<Disk>, Refusal> {
    let CreateInput { vm, observed, .. } = *input;
    let Some(Artifacts { set, sharing }) = input.artifacts else {
        return Ok(None);
    };
    let own = observed.pools.get(vm.pool());
    if let Some(own) = own.filter(|own| keeping(own) != Keeping::Files) {
        return match vm.cache_disk() {
            None => Ok(None),
            Some(_) => Err(Refusal::storage(format!(
                "a cache disk is a file, and pool `{}` of type `{}` has none",
                vm.pool(),
                own.xml.kind
            ))
            .hint("leave `cacheDisk` out: the artifacts then come over SSH")),
        };
    }
    let standing = observed.cache_volume;
    let layout = cache_disk::lay_out(set)
        .map_err(|error| Refusal::storage(format!("failed to lay out the cache disk: {error}")))?;
    let pool = observed.pools.get(vm.pool()).filter(|pool| pool.active);
    let available = pool.map_or(u64::MAX, |pool| pool.available);
    let needed = layout.size.saturating_add(POOL_RESERVE);
    let room = available >= needed;
    let by = delivery(&Circumstances {
        asked: vm.cache_disk(),
        artifacts: set,
        sharing,
        volume: standing,
        room,
    });
    match by {
        Ok(Delivery::Disk) => {}
        Ok(Delivery::Ssh) => return Ok(None),
        Err(error) => {
            return Err(Refusal::storage(error.to_string())
                .hint("allow more, or leave `cacheDisk` out: the artifacts then come over SSH"));
        }
    }
    let (pool, name) = (vm.pool(), cache_disk::volume_name(set));
    if standing == Some(Standing::Foreign) {
        return Err(Refusal::storage(format!(
            "volume `{name}` is already in pool `{pool}`, and is no cache disk"
        ))
        .hint(format!(
            "if nothing needs it: `virsh vol-delete {name} --pool {pool}`"
        )));
    }
    let complete = standing == Some(Standing::Complete);
    if !complete && !room {
        return Err(Refusal::storage(format!(
            "pool `{pool}` has {} free, and the cache disk needs {}",
            bytes(available),
            bytes(needed)
        ))
        .hint("make room (`trustnet-vm cache prune`), or leave `cacheDisk` out: the artifacts then come over SSH"));
    }
    let step = (!complete).then(|| Step::EnsureCacheVolume {
        pool: pool.to_owned(),
        volume: name.clone(),
        size: layout.size,
        xml: xml::volume(&name, layout.size, DiskFormat::Raw, None),
        artifacts: set.clone(),
    });
    let pool = pool.to_owned();
    Ok(Some(Disk {
        volume: SharedVolume { pool, name },
        step,
    }))
}
