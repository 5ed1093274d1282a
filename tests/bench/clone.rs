//! How long a boot disk takes that stands on an image, as `create` has libvirt make it. A line a measurement: the
//! image, then seconds. Arguments: the hypervisor, how often, the pool, and its images, each of which is taken in turn.

#![expect(clippy::expect_used, reason = "a measurement ends where it expects")]
#![expect(clippy::print_stdout, reason = "the figures are its result")]

use std::time::Instant;

use trustnet_api::disk::DiskFormat;
use trustnet_core::xml;
use trustnet_host::doors::{Hypervisor, VolumeRef};
use trustnet_host::libvirt::Libvirt;

/// The disk's name.
const DISK: &str = "bench-clone_boot.qcow2";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, rounds, pool, images @ ..] = &arguments[..] else {
        panic!("four arguments or more");
    };
    let hypervisor = Libvirt::connect(uri).expect("a hypervisor");
    let volumes = hypervisor.volumes();
    let rounds: usize = rounds.parse().expect("a number");
    for _ in 0..rounds {
        for image in images {
            let name = VolumeRef::Named(pool, image);
            let found = volumes.find(name).expect("an answer").expect("an image");
            let backing = Some((found.path.as_str(), found.format.as_str()));
            let disk = xml::volume(DISK, found.capacity, DiskFormat::Qcow2, backing);
            let since = Instant::now();
            volumes.create(pool, &disk).expect("a disk");
            println!("{image} {:.4}", since.elapsed().as_secs_f64());
            volumes
                .delete(VolumeRef::Named(pool, DISK))
                .expect("it is gone");
        }
    }
}
