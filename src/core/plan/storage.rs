//! Why a VM cannot have the storage that it asks for.

use trustnet_api::disk::ReclaimPolicy;

use super::{Refusal, capacity, create};
use crate::image::ImageContent;
use crate::observed::Observed;
use crate::units::bytes;
use crate::vm::{BootSource, IMAGE_POOL, VM_POOL, Vm};

/// The image is there, is one, and fits.
pub(super) fn image(vm: &Vm, observed: &Observed, refusals: &mut Vec<Refusal>) {
    let (what, hint) = match &vm.boot_disk().source {
        BootSource::Empty => return,
        BootSource::Volume { pool, volume } => {
            let path = match observed.pools.get(pool) {
                Some(known) => known.xml.path.clone(),
                None if pool == IMAGE_POOL => {
                    create::default_pool_path(&observed.host.data_dir, pool)
                }
                None => {
                    refusals.push(
                        Refusal::storage(format!(
                            "there is no storage pool `{pool}` to take the image from"
                        ))
                        .hint("`trustnet-vm pool list` shows what there is"),
                    );
                    return;
                }
            };
            (
                format!("image `{volume}` in pool `{pool}`"),
                match &observed.near_image {
                    Some(near) => format!("did you mean `{near}`, which the catalogue has?"),
                    None => format!(
                        "bring one: `trustnet-vm image import FILE --name {volume}`, or put it into {path}"
                    ),
                },
            )
        }
        BootSource::Path(path) => (
            format!("image `{path}`"),
            "give the path of a file that the hypervisor can read".to_owned(),
        ),
    };
    let Some(image) = &observed.image else {
        refusals.push(Refusal::storage(format!("there is no {what}")).hint(hint));
        return;
    };
    match image.content.as_ref().map(ImageContent::bootable) {
        Some(Err(unfit)) => {
            refusals.push(Refusal::storage(format!("{what} {unfit}")).hint(unfit.remedy()));
        }
        Some(Ok(_)) | None if image.volume.capacity > vm.boot_disk().size => {
            refusals.push(
                Refusal::storage(format!(
                    "{what} holds a disk of {}, and the boot disk has only {}",
                    bytes(image.volume.capacity),
                    bytes(vm.boot_disk().size)
                ))
                .hint("make `bootDisk.size` at least as large as the image's disk"),
            );
        }
        Some(Ok(_)) | None => {}
    }
    let raw_over_image = vm.boot_disk().format == trustnet_api::disk::DiskFormat::Raw;
    if raw_over_image {
        refusals.push(
            Refusal::storage(
                "`format: raw` cannot stand over an image: only qcow2 has a backing file",
            )
            .hint("leave `bootDisk.format` out"),
        );
    }
}

/// The VM's pool has room, and none of the VM's volumes.
pub(super) fn pool(vm: &Vm, observed: &Observed, seed_size: u64, refusals: &mut Vec<Refusal>) {
    let name = vm.pool();
    let Some(pool) = observed.pools.get(name) else {
        if name != VM_POOL {
            refusals.push(
                Refusal::storage(format!("there is no storage pool `{name}`")).hint(format!(
                    "`trustnet-vm pool add {name}` makes one; or leave `storagePool` out for `{VM_POOL}`"
                )),
            );
        }
        return;
    };
    let demand = capacity::demand(vm, Some(pool), seed_size);
    if let Err(refusal) = capacity::fits(name, pool, &[vm.name().as_str()], demand) {
        refusals.push(refusal);
    }
    for volume in [vm.boot_disk().volume.clone(), vm.seed_volume()] {
        if pool.volumes.contains_key(&volume) {
            refusals.push(
                Refusal::storage(format!(
                    "volume `{volume}` is already in pool `{name}`, and no VM's record names it"
                ))
                .hint(format!(
                    "if nothing needs it: `virsh vol-delete {volume} --pool {name}`"
                )),
            );
        }
    }
    for disk in vm.data_disks() {
        let Some(existing) = pool.volumes.get(&disk.volume) else {
            continue;
        };
        let owner = observed.domains.iter().find(|domain| {
            domain.xml.disks.iter().any(|used| {
                used.file.as_deref() == Some(existing.path.as_str())
                    || used.volume == Some((name.to_owned(), disk.volume.clone()))
            })
        });
        if let Some(owner) = owner {
            refusals.push(Refusal::storage(format!(
                "volume `{}` is in use by `{}`",
                disk.volume, owner.xml.name
            )));
        } else if disk.reclaim != ReclaimPolicy::Retain {
            refusals.push(
                Refusal::storage(format!("volume `{}` is already in pool `{name}`", disk.volume)).hint(format!(
                    "to take it up with what is on it, set `reclaimPolicy: Retain` on `{}`; else `virsh vol-delete {} --pool {name}`",
                    disk.device, disk.volume
                )),
            );
        } else if existing.capacity != disk.size {
            refusals.push(
                Refusal::storage(format!(
                    "the retained volume `{}` has {}, and the spec says {}",
                    disk.volume,
                    bytes(existing.capacity),
                    bytes(disk.size)
                ))
                .hint("give the disk the size that it has"),
            );
        }
    }
}
