//! What is promised of storage pools.

use trustnet_api::disk::DiskFormat;
use trustnet_core::xml;
use trustnet_host::doors::{ListedPool, VolumeRef};
use trustnet_host::error::BackendErrorKind;

use crate::contract::{Place, kind};

fn listed(place: &Place<'_>, name: &str) -> Option<ListedPool> {
    let all = place.hypervisor.pools().list().expect("an answer");
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(all, sorted);
    all.into_iter().find(|pool| pool.name == name)
}

pub fn a_pool_is_listed_with_its_sizes_as_it_is_found(place: &Place<'_>) {
    let pools = place.hypervisor.pools();
    let name = "tnvm-listed";
    let folder = place.folder.join("listed");
    let xml = xml::pool(name, folder.to_str().expect("UTF-8"));
    pools.ensure(name, &xml).expect("a pool");
    let one = listed(place, name).expect("it is listed");
    let found = pools.find(name).expect("an answer").expect("a pool");
    assert!(one.facts.active && one.autostart, "{one:?}");
    assert_eq!(
        (&one.facts.xml, one.facts.capacity),
        (&found.xml, found.capacity)
    );
    assert!(one.facts.available > 0, "{one:?}");
    assert!(one.facts.available <= one.facts.capacity, "{one:?}");
    assert!(one.facts.allocation <= one.facts.capacity, "{one:?}");
    pools.forget(name).expect("forgotten");
    assert!(listed(place, name).is_none());
}

pub fn a_pool_that_is_forgotten_leaves_its_files_and_finds_them_again(place: &Place<'_>) {
    let (pools, volumes) = (place.hypervisor.pools(), place.hypervisor.volumes());
    let name = "tnvm-forgotten";
    let folder = place.folder.join("forgotten");
    let xml = xml::pool(name, folder.to_str().expect("UTF-8"));
    pools.ensure(name, &xml).expect("a pool");
    let kept = xml::volume("kept", 512, DiskFormat::Raw, None);
    volumes.create(name, &kept).expect("made");
    for _ in 0..2 {
        pools.forget(name).expect("forgotten");
        assert_eq!(pools.find(name).expect("an answer"), None);
    }
    pools.ensure(name, &xml).expect("a pool");
    let kept = VolumeRef::Named(name, "kept");
    // libvirt's test driver has no folders.
    if place.kind == "qemu" {
        assert!(volumes.find(kept).expect("an answer").is_some());
    }
    volumes.delete(kept).expect("deleted");
    pools.forget(name).expect("forgotten");
}

pub fn a_pool_that_cannot_be_made_is_not_there_afterwards(place: &Place<'_>) {
    let pools = place.hypervisor.pools();
    let name = "tnvm-impossible";
    let xml =
        "<pool type='zfs'><name>tnvm-impossible</name><source><name>nothing</name></source></pool>";
    pools.ensure(name, xml).expect_err("a refusal");
    assert_eq!(pools.find(name).expect("an answer"), None);
}

pub fn the_host_says_which_pools_it_can_have(place: &Place<'_>) {
    let said = place.hypervisor.survey().pools().expect("an answer");
    // libvirt's test driver cannot say.
    let Some(said) = said else {
        assert_eq!(place.kind, "test");
        return;
    };
    let dir = &said["dir"];
    assert!(dir.supported);
    for format in ["raw", "qcow2"] {
        assert!(dir.formats.iter().any(|known| known == format), "{dir:?}");
    }
    assert!(said["logical"].formats.is_empty());
    assert!(said.contains_key("zfs"));
}

pub fn a_volume_is_copied_with_all_that_it_holds_into_the_format_and_size_that_are_asked_for(
    place: &Place<'_>,
) {
    let (pools, volumes) = (place.hypervisor.pools(), place.hypervisor.volumes());
    let name = "tnvm-copies";
    let folder = place.folder.join("copies");
    let xml = xml::pool(name, folder.to_str().expect("UTF-8"));
    pools.ensure(name, &xml).expect("a pool");
    let at = |volume| VolumeRef::Named(name, volume);
    let image = xml::volume("image", 1 << 20, DiskFormat::Raw, None);
    volumes.create(name, &image).expect("made");
    volumes
        .write(at("image"), b"what it holds")
        .expect("written");
    let empty = xml::volume("empty.qcow2", 1 << 20, DiskFormat::Qcow2, None);
    volumes.create(name, &empty).expect("made");
    let copies = [
        ("image", "one", &b"what it holds"[..]),
        ("empty.qcow2", "two", &[0; 13]),
    ];
    for (from, to, holds) in copies {
        let wanted = xml::raw_volume(to, 4 << 20, false);
        volumes.copy(at(from), name, &wanted).expect("copied");
        let facts = volumes.find(at(to)).expect("an answer").expect("a volume");
        assert_eq!((facts.format.as_str(), facts.capacity), ("raw", 4 << 20));
        assert_eq!(volumes.read(at(to), 13).expect("bytes"), holds);
        let again = volumes
            .copy(at(from), name, &wanted)
            .expect_err("a refusal");
        assert_eq!(kind(&again), Some(BackendErrorKind::Exists), "{again:?}");
    }
    let nothing = volumes.copy(at("nothing"), name, &xml::raw_volume("three", 512, false));
    let refused = nothing.expect_err("a refusal");
    assert_eq!(
        kind(&refused),
        Some(BackendErrorKind::NotFound),
        "{refused:?}"
    );
    for volume in ["image", "empty.qcow2", "one", "two"] {
        volumes.delete(at(volume)).expect("deleted");
    }
    pools.forget(name).expect("forgotten");
}
