use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

use trustnet_core::image::Packing;

use super::{Bounds, Packed, UnpackError, unpack};
use crate::cache::download::{Progress, Watch};

const ALL: [Packing; 4] = [Packing::Gzip, Packing::Xz, Packing::Zstd, Packing::Bzip2];

const NO_BOUNDS: Bounds = Bounds {
    length: u64::MAX,
    data: u64::MAX,
};

fn pack(plain: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(plain).expect("memory");
            out.finish()
        }
        Packing::Xz => {
            let mut out = liblzma::write::XzEncoder::new(Vec::new(), 0);
            out.write_all(plain).expect("memory");
            out.finish()
        }
        Packing::Zstd => {
            let mut out = zstd::Encoder::new(Vec::new(), 1).expect("memory");
            out.include_checksum(true).expect("known");
            out.write_all(plain).expect("memory");
            out.finish()
        }
        Packing::Bzip2 => {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            out.write_all(plain).expect("memory");
            out.finish()
        }
    }
    .expect("memory")
}

fn unpacked(mut bytes: &[u8], packing: Packing, to: &File) -> Result<u64, UnpackError> {
    let packed = Packed {
        packing,
        length: Some(bytes.len() as u64),
        bytes: &mut bytes,
    };
    unpack(packed, to, NO_BOUNDS, &())
}

fn scratch() -> File {
    tempfile::tempfile().expect("a file")
}

/// Words that are no repetition, and nothing more.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 | 1
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// A boot sector, a hole, something in the middle, a hole up to an end that is no end of a block.
fn image() -> Vec<u8> {
    let mut image = vec![0; (1 << 20) + 77];
    image[..512].copy_from_slice(&noise(512));
    let middle = (500 << 10) + 5;
    image[middle..middle + 20_000].copy_from_slice(&noise(20_000));
    image
}

#[test]
fn an_image_comes_out_as_it_went_in_and_its_zeros_take_no_room() {
    let image = image();
    for packing in ALL {
        // In two streams, as parallel packers make them.
        let (one, two) = image.split_at(510_000);
        let packed = [pack(one, packing), pack(two, packing)].concat();
        let to = scratch();
        let length = unpacked(&packed, packing, &to).expect("sound");
        assert_eq!(length, image.len() as u64, "{packing:?}");
        let mut found = vec![0; image.len()];
        std::os::unix::fs::FileExt::read_exact_at(&to, &mut found, 0).expect("as long");
        assert!(found == image, "{packing:?}");
        let facts = to.metadata().expect("facts");
        assert_eq!(facts.len(), length);
        assert!(facts.blocks() * 512 < 128 << 10, "{packing:?}: {facts:?}");
    }
}

#[test]
fn what_is_cut_off_damaged_or_followed_by_something_else_is_refused() {
    let plain = noise(50_000);
    for packing in ALL {
        let packed = pack(&plain, packing);
        let refused = |bytes: &[u8], what: &str| {
            let result = unpacked(bytes, packing, &scratch());
            assert!(
                matches!(result, Err(UnpackError::Damaged { .. })),
                "{packing:?} {what}: {result:?}"
            );
        };
        let ends = (0..30).chain(packed.len() - 30..packed.len());
        for end in ends.chain((30..packed.len() - 30).step_by(7919)) {
            refused(&packed[..end], &format!("cut off at {end}"));
        }
        for tail in [&b"\n"[..], b"trailing garbage, and more of it", &[0; 513]] {
            refused(&[&packed[..], tail].concat(), "with a tail");
        }
        refused(
            &[&packed[..], &packed[..packed.len() / 2]].concat(),
            "and half again",
        );
        for at in [packed.len() / 3, packed.len() / 2, packed.len() - 3] {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x10;
            refused(&damaged, &format!("damaged at {at}"));
        }
        refused(b"not packed at all", "something else");
    }
}

#[test]
fn no_more_comes_out_than_there_is_room_for() {
    let image = image();
    let with = |packing, bytes: &[u8], length, data| {
        let packed = Packed {
            bytes: &mut &*bytes,
            packing,
            length: None,
        };
        let to = scratch();
        let result = unpack(packed, &to, Bounds { length, data }, &());
        let written = to.metadata().expect("facts").blocks() * 512;
        (result, written)
    };
    let length = image.len() as u64;
    for packing in ALL {
        let packed = pack(&image, packing);
        let with = |length, data| with(packing, &packed, length, data);
        // The boot sector's block, and the five or six that the middle touches.
        assert!(with(length, 7 * 4096).0.is_ok(), "{packing:?}");
        let (result, written) = with(length, 4096);
        assert!(matches!(result, Err(UnpackError::TooLarge(4096))));
        assert!(written <= 4096, "{packing:?}: {written}");
        let (result, _) = with(length - 1, u64::MAX);
        assert!(matches!(result, Err(UnpackError::TooLarge(_))));
    }
}

#[test]
fn a_dictionary_larger_than_any_image_needs_is_refused() {
    let plain = noise(1000);
    let xz = |dictionary: u32| {
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).expect("known");
        options.dict_size(dictionary);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let check = liblzma::stream::Check::Crc32;
        let stream = liblzma::stream::Stream::new_stream_encoder(&filters, check);
        let stream = stream.expect("memory");
        let mut out = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        out.write_all(&plain).expect("memory");
        out.finish().expect("memory")
    };
    let zstd = |window: u32| {
        let mut out = zstd::Encoder::new(Vec::new(), 1).expect("memory");
        out.window_log(window).expect("known");
        out.write_all(&plain).expect("memory");
        out.finish().expect("memory")
    };
    for (packing, packed, fits) in [
        (Packing::Xz, xz(64 << 20), true),
        (Packing::Xz, xz(96 << 20), false),
        (Packing::Zstd, zstd(26), true),
        (Packing::Zstd, zstd(27), false),
    ] {
        let result = unpacked(&packed, packing, &scratch());
        let as_told = match &result {
            Ok(length) => fits && *length == 1000,
            Err(UnpackError::Memory(of)) => !fits && *of == packing,
            Err(_) => false,
        };
        assert!(as_told, "{packing:?} {fits}: {result:?}");
    }
}

/// Counts, and stops after so many bytes.
struct Impatient {
    after: u64,
    seen: AtomicU64,
}

impl Watch for Impatient {
    fn progress(&self, progress: Progress) {
        assert!(progress.total.is_some());
        self.seen.store(progress.received, Ordering::SeqCst);
    }

    fn stopped(&self) -> bool {
        self.seen.load(Ordering::SeqCst) >= self.after
    }
}

#[test]
fn it_says_how_far_it_has_come_and_stops_when_it_is_told() {
    let image = noise(500 << 10);
    for packing in ALL {
        let packed = pack(&image, packing);
        let total = packed.len() as u64;
        for (after, stops) in [(total / 3, true), (u64::MAX, false)] {
            let watch = Impatient {
                after,
                seen: AtomicU64::new(0),
            };
            let packed = Packed {
                bytes: &mut &packed[..],
                packing,
                length: Some(total),
            };
            let result = unpack(packed, &scratch(), NO_BOUNDS, &watch);
            if stops {
                assert!(matches!(result, Err(UnpackError::Stopped)), "{packing:?}");
                assert!(watch.seen.load(Ordering::SeqCst) < total, "{packing:?}");
            } else {
                result.expect("whole");
                assert_eq!(watch.seen.load(Ordering::SeqCst), total, "{packing:?}");
            }
        }
    }
}

#[test]
fn whose_fault_it_is_is_said() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    for packing in ALL {
        let packed = pack(&noise(50_000), packing);
        let mut broken = packed[..packed.len() / 2].chain(Broken);
        let source = Packed {
            bytes: &mut broken,
            packing,
            length: None,
        };
        match unpack(source, &scratch(), NO_BOUNDS, &()) {
            Err(UnpackError::Read(error)) => assert_eq!(error.to_string(), "the disk is gone"),
            other => panic!("{packing:?}: {other:?}"),
        }
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux");
        let result = unpacked(&packed, packing, &full);
        assert!(
            matches!(result, Err(UnpackError::Write(_))),
            "{packing:?}: {result:?}"
        );
    }
}
