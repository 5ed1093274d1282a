//! Why a VM cannot have the storage that it asks for.

use trustnet_api::disk::{DiskFormat, ReclaimPolicy};

use super::{About, Refusal, capacity, create};
use crate::image::ImageContent;
use crate::observed::{Observed, PoolFacts};
use crate::pool::{Keeping, keeping, of_seed};
use crate::units::bytes;
use crate::vm::{BootSource, IMAGE_POOL, VM_POOL, Vm};

/// The image is there, is one, and fits.
pub(super) fn image(vm: &Vm, observed: &Observed, refusals: &mut Vec<Refusal>) {
    let mut all = Vec::new();
    of_image(vm, observed, &mut all);
    refusals.extend(all.into_iter().map(|refusal| refusal.about(About::Image)));
}

fn of_image(vm: &Vm, observed: &Observed, refusals: &mut Vec<Refusal>) {
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
    let files = observed
        .pools
        .get(vm.pool())
        .is_none_or(|pool| keeping(pool) == Keeping::Files);
    if files && vm.boot_disk().format == DiskFormat::Raw {
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
    copy(vm, pool, observed, refusals);
    let seed_pool = of_seed(vm, Some(pool));
    for (name, volume) in [
        (name, vm.boot_disk().volume.clone()),
        (seed_pool, vm.seed_volume()),
    ] {
        let known = observed.pools.get(name);
        if known.is_some_and(|pool| pool.volumes.contains_key(&volume)) {
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
                    || used.network.is_some() && used.network == in_ceph(pool, &disk.volume)
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
        } else if existing.capacity < disk.size
            // A block device is as large as its pool makes it.
            || existing.capacity > disk.size && keeping(pool) == Keeping::Files
        {
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

/// The name of a volume in the cluster, of a pool of Ceph.
fn in_ceph(pool: &PoolFacts, volume: &str) -> Option<String> {
    let ceph = keeping(pool) == Keeping::Ceph;
    ceph.then(|| format!("{}/{volume}", pool.xml.source.name))
}

/// What libvirt cannot make of an image in this pool.
fn copy(vm: &Vm, pool: &PoolFacts, observed: &Observed, refusals: &mut Vec<Refusal>) {
    let (name, kind) = (vm.pool(), pool.xml.kind.as_str());
    if [
        "disk",
        "iscsi",
        "iscsi-direct",
        "scsi",
        "mpath",
        "gluster",
        "sheepdog",
    ]
    .contains(&kind)
    {
        refusals.push(
            Refusal::storage(format!(
                "pool `{name}` is of type `{kind}`, in which libvirt makes no volumes by name"
            ))
            .hint("use a pool of type dir, fs, netfs, logical, zfs or rbd"),
        );
        return;
    }
    let refusal = match (&vm.boot_disk().source, keeping(pool)) {
        (BootSource::Empty, _) | (BootSource::Path(_), Keeping::Files) => return,
        (BootSource::Volume { pool: of, .. }, Keeping::Files) => {
            let other = observed.pools.get(of);
            let Some(other) = other.filter(|other| keeping(other) != Keeping::Files) else {
                return;
            };
            Refusal::storage(format!(
                "the image is in pool `{of}` of type `{}`, and a file cannot stand over it",
                other.xml.kind
            ))
            .hint("take an image from a pool of files, or put the VM into that pool")
        }
        (BootSource::Path(path), Keeping::Blocks | Keeping::Ceph) => Refusal::storage(format!(
            "pool `{name}` of type `{kind}` gets a copy of the image, and libvirt copies from pools only, not `{path}`"
        ))
        .hint("`trustnet-vm image import` brings the file into a pool"),
        (BootSource::Volume { pool: of, .. }, Keeping::Ceph) if of != name => {
            Refusal::storage(format!(
                "libvirt copies no image from pool `{of}` into pool `{name}` of type `{kind}`: only a clone within it"
            ))
            .hint(format!(
                "bring the image there as a raw one (`qemu-img convert -O raw IMAGE rbd:{}/NAME`), and name it `{name}:NAME`",
                pool.xml.source.name
            ))
        }
        (BootSource::Volume { .. }, Keeping::Blocks) if kind == "zfs" => Refusal::storage(format!(
            "libvirt copies no image into pool `{name}` of type `zfs`"
        ))
        .hint("use a pool of another type, or a boot disk with `empty: true`"),
        (BootSource::Volume { .. }, Keeping::Blocks | Keeping::Ceph) => return,
    };
    refusals.push(refusal);
}
