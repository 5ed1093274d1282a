//! Any bytes as an image: reading and scrubbing change nothing but the key, and never panic. The same
//! bytes as a file: it comes back from an image as it went in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trustnet_core::iso::{SECTOR, find, write};
use trustnet_core::seed::scrub;

fuzz_target!(|data: &[u8]| {
    // Most bytes are no image: some go into the descriptor and the directory of a good one.
    let mut image = write("cidata", &[("vendor-data", data), ("user-data", b"#!/bin/sh\n")]).expect("two plain names");
    assert_eq!(find(&image, "vendor-data").map(|range| &image[range]), Some(data));
    for (index, byte) in data.iter().enumerate() {
        if let Some(place) = image.get_mut(16 * SECTOR + index * 7 % (10 * SECTOR)) {
            *place ^= byte;
        }
    }
    for mut image in [data.to_vec(), image] {
        let range = find(&image, "vendor-data");
        let before = image.clone();
        if scrub(&mut image) {
            let range = range.expect("what was scrubbed was found");
            assert_eq!((&before[..range.start], &before[range.end..]), (&image[..range.start], &image[range.end..]));
        } else {
            assert_eq!(before, image);
        }
    }
});
