//! Promises that images rely on.

use std::os::unix::fs::FileExt;

use trustnet_api::disk::DiskFormat;
use trustnet_core::xml;
use trustnet_host::doors::VolumeRef;
use trustnet_host::fake::qcow2_header;
use trustnet_host::image::sparse::SparseFile;

use crate::contract::{POOL, Place, with_pool};

/// An image of this many bytes, nearly all of them zeros.
const LENGTH: u64 = 64 << 20;

/// Written as an image is: all but its head, and the head last.
pub fn a_file_keeps_its_holes_on_its_way_into_a_volume(place: &Place<'_>) {
    with_pool(place);
    let (pools, volumes) = (place.hypervisor.pools(), place.hypervisor.volumes());
    let file = tempfile::tempfile().expect("a file");
    file.set_len(LENGTH).expect("a length");
    file.write_all_at(&qcow2_header(5 << 30), 0)
        .expect("written");
    file.write_all_at(&[7; 700_000], 1 << 20).expect("written");
    let name = VolumeRef::Named(POOL, "image");
    volumes
        .create(POOL, &xml::volume("image", LENGTH, DiskFormat::Raw, None))
        .expect("made");
    let found = |what: &str| {
        volumes
            .list(POOL)
            .expect("volumes")
            .into_iter()
            .find(|volume| volume.name == "image")
            .expect(what)
    };
    let fresh = found("one that was just made");
    assert_eq!(fresh.physical, LENGTH);
    let head = 64 << 10;
    let mut rest = SparseFile::new(&file, head, LENGTH);
    volumes
        .write_pieces(name, head, &mut rest, LENGTH - head)
        .expect("written");
    assert_eq!(volumes.read(name, 4).expect("bytes"), [0; 4]);
    // With the zeros in it: a hole would end the file there.
    let mut first = vec![0; 64 << 10];
    file.read_exact_at(&mut first, 0).expect("read");
    volumes.write(name, &first).expect("written");
    // A look through the pool may be under way already: what follows a stream is libvirt's own.
    let mut looked = pools.refresh(POOL);
    for _ in 0..50 {
        if looked.is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        looked = pools.refresh(POOL);
    }
    looked.expect("looked through");
    let image = found("an image");
    assert_eq!(
        (image.format.as_str(), image.capacity),
        ("qcow2", 5 << 30),
        "{image:?}"
    );
    assert!(image.allocation < LENGTH / 8, "{image:?}");
    assert!(image.modified.is_some() && image.modified != fresh.modified);
    assert_eq!(volumes.find(name).expect("an answer"), Some(image));
    let mut bytes = Vec::new();
    volumes
        .read_to(name, LENGTH, &mut bytes)
        .expect("all of it");
    let mut expected = vec![0; 64 << 20];
    // A hole at the end may be left out.
    bytes.resize(expected.len(), 0);
    file.read_exact_at(&mut expected, 0).expect("read");
    assert!(bytes == expected, "it came back different");
    volumes.delete(name).expect("deleted");
    assert!(volumes.list("no-such-pool").is_err());
}
