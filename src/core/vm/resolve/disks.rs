//! Disks.

use std::collections::BTreeMap;

use trustnet_api::disk::{self, DiskFormat, Filesystem, ReclaimPolicy};
use trustnet_api::quantity::Quantity;
use trustnet_api::service_ref as wire;

use super::report::Report;
use super::{quantity, text};
use crate::vm::{BootDisk, BootSource, CacheDisk, DataDisk, IMAGE_POOL, VmName};

/// Disks are whole sectors.
const SECTOR: u64 = 512;
/// File offsets are signed.
const MAX_SIZE: u64 = (1 << 63) - SECTOR;

pub(super) fn boot(name: &VmName, wire: &disk::BootDisk, report: &mut Report) -> BootDisk {
    let root = "spec.bootDisk";
    let format = wire.format.unwrap_or(DiskFormat::Qcow2);
    let suffix = match format {
        DiskFormat::Qcow2 => "qcow2",
        DiskFormat::Raw => "raw",
    };
    let source = source(root, wire, report);
    if format == DiskFormat::Raw && source != BootSource::Empty {
        report
            .error(
                format!("{root}.format"),
                "a raw volume cannot be a copy-on-write child of an image",
            )
            .hint("leave out `format`, or give `empty: true` instead of `image`");
    }
    BootDisk {
        size: size(root, wire.size_gb, wire.size.as_ref(), report),
        source,
        format,
        volume: format!("{name}_boot.{suffix}"),
    }
}

fn source(root: &str, wire: &disk::BootDisk, report: &mut Report) -> BootSource {
    let image_path = format!("{root}.image");
    let pool_path = format!("{root}.imagePool");
    if let Some(pool) = &wire.image_pool {
        text::pool(&pool_path, pool, report);
    }
    let image = match (&wire.image, wire.empty.unwrap_or(false)) {
        (Some(image), false) => image,
        (None, true) => return BootSource::Empty,
        (Some(_), true) => {
            report
                .error(image_path, "`image` and `empty: true` are both given")
                .hint("keep one of them");
            return BootSource::Empty;
        }
        (None, false) => {
            report
                .error(root, "the boot disk has neither `image` nor `empty: true`")
                .hint(
                    "add `image: debian-12.qcow2`, or `empty: true` for a disk with nothing on it",
                );
            return BootSource::Empty;
        }
    };
    if image.contains('/') || image.starts_with('.') {
        if !image.starts_with('/') {
            report
                .error(image_path, format!("the image's path `{image}` is not absolute"))
                .hint("write the path from `/`, as it is on the hypervisor; or the name of a volume in a pool");
        } else {
            text::absolute_path(&image_path, "image's path", image, report);
        }
        if wire.image_pool.is_some() {
            report
                .warning(
                    pool_path,
                    "`imagePool` means nothing where `image` is a path",
                )
                .hint("leave it out");
        }
        return BootSource::Path(image.clone());
    }
    let (pool, volume) = match image.split_once(':') {
        Some((pool, volume)) => {
            text::pool(&image_path, pool, report);
            if wire.image_pool.as_ref().is_some_and(|other| other != pool) {
                report
                    .error(pool_path, format!("`image` names another pool, `{pool}`"))
                    .hint("keep one of them");
            }
            (pool, volume)
        }
        None => (
            wire.image_pool.as_deref().unwrap_or(IMAGE_POOL),
            image.as_str(),
        ),
    };
    if volume.contains(':') {
        report
            .error(&image_path, "the image has more than one `:` in it")
            .hint("write `name` or `pool:name`");
    } else {
        text::file_name(&image_path, "image's name", volume, report);
    }
    BootSource::Volume {
        pool: pool.to_owned(),
        volume: volume.to_owned(),
    }
}

pub(super) fn data(name: &VmName, wire: &[disk::DataDisk], report: &mut Report) -> Vec<DataDisk> {
    let mut devices = BTreeMap::new();
    let mut mounts = BTreeMap::new();
    let mut disks = Vec::new();
    for (index, disk) in wire.iter().enumerate() {
        let root = format!("spec.dataDisks[{index}]");
        device(&root, disk, &mut devices, report);
        if let Some(mount) = &disk.mount_path {
            mount_path(&root, mount, &mut mounts, report);
        }
        let device = disk.device.clone();
        disks.push(DataDisk {
            size: size(&root, disk.size_gb, disk.size.as_ref(), report),
            format: DiskFormat::Qcow2,
            volume: format!("{name}_data-{device}.qcow2"),
            filesystem: disk
                .filesystem
                .or_else(|| disk.mount_path.as_ref().map(|_| Filesystem::Ext4)),
            mount_path: disk.mount_path.clone(),
            reclaim: disk.reclaim_policy.unwrap_or(ReclaimPolicy::Delete),
            serial: format!("tnvm-{device}"),
            device,
        });
    }
    disks
}

fn device<'a>(
    root: &str,
    disk: &'a disk::DataDisk,
    seen: &mut BTreeMap<&'a str, String>,
    report: &mut Report,
) {
    let path = format!("{root}.device");
    let device = disk.device.as_str();
    if !matches!(device.as_bytes(), [b'v', b'd', b'b'..=b'z']) {
        report
            .error(&path, format!("`{device}` is not one of `vdb` to `vdz`"))
            .hint("`vda` is the boot disk; further disks begin with `vdb`");
    } else if let Some(first) = seen.get(device) {
        report
            .error(&path, format!("`{device}` is taken by `{first}` already"))
            .hint("give each disk a device of its own");
    } else {
        seen.insert(device, path);
    }
}

fn mount_path<'a>(
    root: &str,
    mount: &'a str,
    seen: &mut BTreeMap<&'a str, String>,
    report: &mut Report,
) {
    let path = format!("{root}.mountPath");
    if mount == "/" {
        report
            .error(&path, "the boot disk is mounted at `/`")
            .hint("choose a folder, such as `/srv/data`");
        return;
    }
    if !text::absolute_path(&path, "mount path", mount, report) {
        return;
    }
    let good = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if let Some(bad) = mount.chars().find(|c| !good(*c)) {
        report
            .error(
                &path,
                format!("the mount path has `{bad}` in it, which fstab cannot carry"),
            )
            .hint("use letters, digits and `. _ - + @`");
    } else if let Some(first) = seen.get(mount) {
        report
            .error(&path, format!("`{mount}` is taken by `{first}` already"))
            .hint("give each disk a mount path of its own");
    } else {
        seen.insert(mount, path);
    }
}

/// Size in bytes, rounded up to whole sectors.
fn size(root: &str, gb: Option<u64>, quantity: Option<&Quantity>, report: &mut Report) -> u64 {
    let (path, bytes) = match (gb, quantity) {
        (Some(gb), None) => (format!("{root}.sizeGB"), gb.checked_mul(1 << 30)),
        (None, Some(quantity)) => {
            let path = format!("{root}.size");
            let bytes = report.take(&path, quantity::bytes(&quantity.0));
            (path, Some(bytes.unwrap_or(1)))
        }
        (Some(_), Some(_)) => {
            report
                .error(format!("{root}.size"), "`size` and `sizeGB` are both given")
                .hint("keep one of them");
            return SECTOR;
        }
        (None, None) => {
            report
                .error(root, "the disk has no size")
                .hint("add `sizeGB: 10` or `size: 10Gi`");
            return SECTOR;
        }
    };
    match bytes {
        Some(0) => {
            report.error(path, "a disk's size must be more than 0");
        }
        Some(bytes) if bytes <= MAX_SIZE => return bytes.next_multiple_of(SECTOR),
        _ => {
            report.error(path, "no disk is this large");
        }
    }
    SECTOR
}

/// The cache disk, where the spec asks for one.
pub(super) fn cache(wire: Option<&wire::CacheDisk>, report: &mut Report) -> Option<CacheDisk> {
    let wire = wire?;
    let path = "spec.cacheDisk.size";
    let limit = wire.size.as_ref();
    let limit = limit.and_then(|size| report.take(path, quantity::bytes(&size.0)));
    if limit == Some(0) {
        report
            .error(path, "a cache disk that may hold nothing is none")
            .hint("leave `cacheDisk` out, or `size` for no limit");
    }
    Some(CacheDisk { limit })
}
