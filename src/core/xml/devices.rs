//! Disks, channels and the other devices of a domain.

use std::io;

use super::pool::host_and_port;
use super::storage::format_name;
use super::{DomainInput, PoolSourceXml, Xml, empty, nest, text};
use crate::{cache_disk, readiness};

/// Where a volume is, as QEMU finds it.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A file in this folder.
    Folder(&'a str),
    /// A block device in this folder.
    Devices(&'a str),
    /// An image of Ceph, which QEMU itself reads.
    Ceph(&'a PoolSourceXml),
    /// Wherever libvirt says that this pool's volumes are.
    Pool(&'a str),
}

struct Disk<'a> {
    place: Place<'a>,
    target: &'a str,
    volume: &'a str,
    format: &'a str,
    serial: Option<&'a str>,
    backing: Option<(&'a str, &'a str)>,
    boot: bool,
    read_only: bool,
    shared: bool,
}

/// The boot disk, the data disks, the seed, and the cache disk: all on virtio, because a cloud kernel may have no
/// driver for an emulated SATA drive.
pub(super) fn disks(w: &mut Xml, input: &DomainInput<'_>) -> io::Result<()> {
    let vm = input.vm;
    let boot = vm.boot_disk();
    disk(
        w,
        &Disk {
            place: input.disks,
            target: "vda",
            volume: &boot.volume,
            format: format_name(boot.format),
            serial: None,
            backing: input.backing,
            boot: true,
            read_only: false,
            shared: false,
        },
    )?;
    let mut last = 'a';
    for data in vm.data_disks() {
        last = last.max(data.device.chars().next_back().unwrap_or(last));
        disk(
            w,
            &Disk {
                place: input.disks,
                target: &data.device,
                volume: &data.volume,
                format: format_name(data.format),
                serial: Some(&data.serial),
                backing: None,
                boot: false,
                read_only: false,
                shared: false,
            },
        )?;
    }
    // The seed and the cache disk sort behind every data disk, so that the guest's names for those stay theirs.
    let (seed_target, cache_target) = match last {
        'z' => ("vdaa".to_owned(), "vdab".to_owned()),
        'y' => ("vdz".to_owned(), "vdaa".to_owned()),
        letter => {
            let after = |places| format!("vd{}", char::from(letter as u8 + places));
            (after(1), after(2))
        }
    };
    disk(
        w,
        &Disk {
            place: input.seed,
            target: &seed_target,
            volume: &vm.seed_volume(),
            format: "raw",
            serial: None,
            backing: None,
            boot: false,
            read_only: true,
            shared: false,
        },
    )?;
    let Some(cache) = &input.record.cache_volume else {
        return Ok(());
    };
    disk(
        w,
        &Disk {
            place: input.disks,
            target: &cache_target,
            volume: &cache.name,
            format: "raw",
            serial: Some(cache_disk::SERIAL),
            backing: None,
            boot: false,
            read_only: true,
            shared: true,
        },
    )
}

fn disk(w: &mut Xml, disk: &Disk<'_>) -> io::Result<()> {
    let kind = match disk.place {
        Place::Folder(_) => "file",
        Place::Devices(_) => "block",
        Place::Ceph(_) => "network",
        Place::Pool(_) => "volume",
    };
    nest(w, "disk", &[("type", kind), ("device", "disk")], |w| {
        empty(
            w,
            "driver",
            &[
                ("name", "qemu"),
                ("type", disk.format),
                ("discard", "unmap"),
            ],
        )?;
        source(w, disk)?;
        empty(w, "target", &[("dev", disk.target), ("bus", "virtio")])?;
        if disk.read_only {
            empty(w, "readonly", &[])?;
        }
        if disk.shared {
            empty(w, "shareable", &[])?;
        }
        if let Some(serial) = disk.serial {
            text(w, "serial", &[], serial)?;
        }
        if disk.boot {
            empty(w, "boot", &[("order", "1")])?;
        }
        Ok(())
    })
}

/// The file itself is named, with its backing chain: AppArmor's helper does not resolve `type='volume'`, and without the
/// chain it would not allow the image.
fn source(w: &mut Xml, disk: &Disk<'_>) -> io::Result<()> {
    match disk.place {
        Place::Folder(path) => {
            let file = volume_path(path, disk.volume);
            empty(w, "source", &[("file", &file)])?;
            let Some((path, format)) = disk.backing else {
                return empty(w, "backingStore", &[]);
            };
            nest(w, "backingStore", &[("type", "file")], |w| {
                empty(w, "format", &[("type", format)])?;
                empty(w, "source", &[("file", path)])?;
                // The chain ends here, whatever the image may come to say of itself.
                empty(w, "backingStore", &[])
            })
        }
        Place::Devices(path) => {
            let device = volume_path(path, disk.volume);
            empty(w, "source", &[("dev", &device)])?;
            empty(w, "backingStore", &[])
        }
        Place::Ceph(cluster) => ceph(w, cluster, disk.volume),
        Place::Pool(pool) => empty(w, "source", &[("pool", pool), ("volume", disk.volume)]),
    }
}

/// QEMU logs in with the key that libvirt keeps under the secret's name.
fn ceph(w: &mut Xml, cluster: &PoolSourceXml, volume: &str) -> io::Result<()> {
    let name = format!("{}/{volume}", cluster.name);
    let attributes = [("protocol", "rbd"), ("name", name.as_str())];
    nest(w, "source", &attributes, |w| {
        for host in &cluster.hosts {
            let (name, port) = host_and_port(host);
            let mut attributes = vec![("name", name)];
            attributes.extend(port.map(|port| ("port", port)));
            empty(w, "host", &attributes)?;
        }
        let Some((user, secret)) = &cluster.auth else {
            return Ok(());
        };
        nest(w, "auth", &[("username", user)], |w| {
            empty(w, "secret", &[("type", "ceph"), secret.attribute()])
        })
    })
}

/// The path of a volume in a directory pool.
pub(crate) fn volume_path(pool_path: &str, volume: &str) -> String {
    format!("{}/{volume}", pool_path.trim_end_matches('/'))
}

/// Console, channels, entropy, TPM; no display.
pub(super) fn others(w: &mut Xml, input: &DomainInput<'_>) -> io::Result<()> {
    nest(w, "serial", &[("type", "pty")], |w| {
        empty(w, "target", &[("port", "0")])
    })?;
    nest(w, "console", &[("type", "pty")], |w| {
        empty(w, "target", &[("type", "serial"), ("port", "0")])
    })?;
    for name in [readiness::CHANNEL, "org.qemu.guest_agent.0"] {
        nest(w, "channel", &[("type", "unix")], |w| {
            empty(w, "target", &[("type", "virtio"), ("name", name)])
        })?;
    }
    if input.vm.tpm() {
        nest(w, "tpm", &[("model", "tpm-crb")], |w| {
            empty(w, "backend", &[("type", "emulator"), ("version", "2.0")])
        })?;
    }
    nest(w, "rng", &[("model", "virtio")], |w| {
        text(w, "backend", &[("model", "random")], "/dev/urandom")
    })?;
    empty(w, "memballoon", &[("model", "virtio")])?;
    nest(w, "video", &[], |w| empty(w, "model", &[("type", "none")]))
}
