//! What is promised of pools on file systems of their own: one of them btrfs, one of them full.

use std::process::Command;

use trustnet_api::disk::DiskFormat;
use trustnet_core::plan::{self, Demand};
use trustnet_core::pool::{Cow, Pool, Source};
use trustnet_core::xml;
use trustnet_host::doors::VolumeRef;
use trustnet_host::error::HostError;

use crate::contract::Place;

/// A file system that a test has below its folder, as `mounted`.
#[derive(Debug, Clone, Copy)]
pub struct Filesystem {
    /// What makes it.
    pub mkfs: &'static [&'static str],
    /// How many MiB it has.
    pub mib: u64,
}

pub const BTRFS: Filesystem = Filesystem {
    mkfs: &["mkfs.btrfs", "-q"],
    mib: 128,
};
pub const SMALL: Filesystem = Filesystem {
    mkfs: &["mkfs.ext4", "-q", "-F"],
    mib: 16,
};

/// The flags of a folder, as lsattr(1) shows them.
fn flags(folder: &std::path::Path) -> String {
    let said = Command::new("lsattr").arg("-d").arg(folder).output();
    let said = String::from_utf8_lossy(&said.expect("lsattr starts").stdout).into_owned();
    said.split(' ').next().unwrap_or_default().to_owned()
}

pub fn on_btrfs_files_are_copied_on_write_as_the_pool_says(place: &Place<'_>) {
    let (pools, volumes) = (place.hypervisor.pools(), place.hypervisor.volumes());
    for (name, cow, copied) in [
        ("unsaid", Cow::Unsaid, false),
        ("yes", Cow::Yes, true),
        ("no", Cow::No, false),
    ] {
        let folder = place.folder.join("mounted").join(name);
        let path = folder.to_str().expect("UTF-8").to_owned();
        let pool = Pool {
            name: name.to_owned(),
            source: Source::Dir { path, cow },
        };
        let xml = xml::storage_pool(&pool);
        pools.ensure(name, &xml).expect("a pool");
        assert_eq!(!flags(&folder).contains('C'), copied, "{name}");
        let image = xml::volume("image.qcow2", 1 << 20, DiskFormat::Qcow2, None);
        volumes.create(name, &image).expect("made");
        let over = folder.join("image.qcow2");
        let over = over.to_str().expect("UTF-8");
        let clone = xml::volume(
            "clone.qcow2",
            1 << 20,
            DiskFormat::Qcow2,
            Some((over, "qcow2")),
        );
        volumes.create(name, &clone).expect("made");
        pools.forget(name).expect("forgotten");
        pools.ensure(name, &xml).expect("a pool");
        let found = volumes.find(VolumeRef::Named(name, "clone.qcow2"));
        let found = found.expect("an answer").expect("it is still there");
        assert_eq!(found.backing.as_deref(), Some(over));
        pools.forget(name).expect("forgotten");
    }
}

pub fn a_pool_that_is_full_says_so_and_has_its_room_again(place: &Place<'_>) {
    let (pools, volumes) = (place.hypervisor.pools(), place.hypervisor.volumes());
    let folder = place.folder.join("mounted");
    let name = "small";
    let xml = xml::pool(name, folder.to_str().expect("UTF-8"));
    pools.ensure(name, &xml).expect("a pool");
    let before = pools.find(name).expect("an answer").expect("a pool");
    assert!(before.capacity < 16 << 20, "{before:?}");
    // What a plan would say of it, before anything is made.
    let least = Demand { least: 1, most: 1 };
    let refused = plan::fits(name, &before, &["web"], least).expect_err("a refusal");
    assert!(
        refused.message.contains("are needed at the least"),
        "{refused:?}"
    );
    let large = xml::volume("large", 32 << 20, DiskFormat::Raw, None);
    volumes.create(name, &large).expect("it takes nothing yet");
    let large = VolumeRef::Named(name, "large");
    let error = volumes
        .write_from(large, 0, &mut std::io::repeat(7), 32 << 20)
        .expect_err("there is no room");
    assert!(matches!(error, HostError::Storage { .. }), "{error:?}");
    // libvirt's daemon ends there, virsh's too: it is called again.
    let facts = || pools.find(name).expect("an answer").expect("a pool");
    pools.refresh(name).expect("refreshed");
    assert!(facts().available < before.available / 2, "{:?}", facts());
    volumes.delete(large).expect("deleted");
    pools.refresh(name).expect("refreshed");
    assert!(facts().available > before.available / 2, "{:?}", facts());
    pools.forget(name).expect("forgotten");
}
