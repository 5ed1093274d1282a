use super::{Bootable, CLUSTER, Draft, Fault, HEAD, Header, Sample, Table, Unfit, check};
use crate::image::qcow2::{Backing, Compression, Encryption};

const BACKING_FORMAT: u32 = 0xe279_2aca;
const FEATURE_NAMES: u32 = 0x6803_f857;
const BITMAPS: u32 = 0x2385_2875;
const ENCRYPTION: u32 = 0x0537_be77;
const DATA_FILE: u32 = 0x4441_5441;

#[test]
fn a_header_says_what_the_disk_is() {
    let header = Draft::new().read().expect("sound");
    assert_eq!(
        (header.version, header.virtual_size, header.cluster_size),
        (3, 5 << 30, CLUSTER)
    );
    assert_eq!((header.refcount_bits, header.snapshots), (16, 0));
    assert!(header.stands_alone());
    assert_eq!(
        Draft::new().check(),
        Ok(Bootable::Qcow2 {
            virtual_size: 5 << 30
        })
    );
    // The bytes of a version 2 header end where the features of version 3 begin: extensions begin there.
    let old = Draft::new().u32(4, 2).put(72, &[0; 32]);
    assert_eq!(old.read().map(|header| header.version), Ok(2));
    let small = Draft::new().u32(96, 0).read().expect("sound");
    assert_eq!(small.refcount_bits, 1);
    let lazy = Draft::new().u64(80, 1).read().expect("sound");
    assert!(lazy.lazy_refcounts);
}

#[test]
fn a_feature_that_is_known_is_named_and_one_that_is_not_is_refused() {
    let with = |features: u64| Draft::new().u64(72, features);
    assert_eq!(with(1).check(), Err(Unfit::Dirty));
    assert_eq!(with(0b10).check(), Err(Unfit::Corrupt));
    assert_eq!(with(0b11).check(), Err(Unfit::Corrupt));
    assert_eq!(with(0b100).check(), Err(Unfit::ExternalData(None)));
    let extended = with(0b1_0000).u32(36, 20);
    assert!(extended.read().expect("sound").extended_l2);

    let mut row = b"\0\x05shadow tables".to_vec();
    row.resize(48, 0);
    let unknown = with(0b10_0000).u64(80, u64::MAX);
    let unnamed = Fault::Features("incompatible feature 5".to_owned());
    assert_eq!(unknown.read(), Err(unnamed));
    let named = unknown.extension(104, FEATURE_NAMES, &row);
    let fault = Fault::Features("shadow tables".to_owned());
    assert_eq!(named.read(), Err(fault));
    // Features of the other kinds may be ignored.
    assert!(Draft::new().u64(80, u64::MAX).read().is_ok());
    assert!(Draft::new().u64(88, u64::MAX << 2).read().is_ok());
}

#[test]
fn the_type_of_compression_and_the_features_agree() {
    let with = |features: u64, length: u32, kind: u8| {
        let draft = Draft::new().u64(72, features).u32(100, length);
        draft
            .put(104, &[kind])
            .read()
            .map(|header| header.compression)
    };
    assert_eq!(with(0, 112, 0), Ok(Compression::Zlib));
    assert_eq!(with(8, 112, 1), Ok(Compression::Zstd));
    for (features, length, kind) in [(0, 112, 1), (8, 112, 0), (8, 112, 2), (8, 104, 0)] {
        assert_eq!(
            with(features, length, kind),
            Err(Fault::Compression(kind)),
            "{features} {length}"
        );
    }
}

#[test]
fn an_image_that_depends_on_another_file_is_refused_by_that_name() {
    let backed = Draft::new().backing(1024, "/etc/shadow");
    assert_eq!(
        backed.check(),
        Err(Unfit::Backing("/etc/shadow".to_owned()))
    );
    let formatted = backed.clone().extension(104, BACKING_FORMAT, b"raw");
    assert_eq!(
        formatted.read().expect("sound").backing,
        Some(Backing {
            name: "/etc/shadow".to_owned(),
            format: Some("raw".to_owned())
        })
    );
    let version_2 = backed.u32(4, 2).put(72, &[0; 32]);
    assert!(matches!(version_2.check(), Err(Unfit::Backing(_))));

    let external = Draft::new().extension(104, DATA_FILE, b"/dev/sda");
    let refusal = Err(Unfit::ExternalData(Some("/dev/sda".to_owned())));
    assert_eq!(external.clone().u64(72, 4).check(), refusal);
    // The name alone is enough: somebody may set the feature later.
    assert_eq!(external.check(), refusal);

    let unfit = Unfit::Backing("a\x1b[31mb".to_owned());
    assert_eq!(
        unfit.to_string(),
        "depends on another file, its backing image `a\\u{1b}[31mb`, and cannot be trusted alone"
    );
}

#[test]
fn a_backing_image_is_within_a_folder_or_points_outside() {
    let within = |name: &str| {
        let backing = Backing {
            name: name.to_owned(),
            format: None,
        };
        backing.within("/pool/", "/pool/sub/image.qcow2")
    };
    let inside = |path: &str| Some(path.to_owned());
    assert_eq!(within("base.qcow2"), inside("/pool/sub/base.qcow2"));
    assert_eq!(within("/pool/base.qcow2"), inside("/pool/base.qcow2"));
    for name in [
        "/etc/shadow",
        "/pool",
        "/pool/",
        "/pools/base.qcow2",
        "../base.qcow2",
        "/pool/../etc/shadow",
        "nbd://host/disk",
        "nbd:host:10809",
        "json:{\"file\": \"/pool/a\"}",
        "file:base.qcow2",
        "/pool/a\0b",
    ] {
        assert_eq!(within(name), None, "{name}");
    }
}

#[test]
fn an_encrypted_image_is_refused() {
    for version in [2, 3] {
        let draft = Draft::new().u32(4, version).u32(32, 1);
        let draft = if version == 2 {
            draft.put(72, &[0; 32])
        } else {
            draft
        };
        assert_eq!(
            draft.read().expect("sound").encryption,
            Some(Encryption::Aes)
        );
        assert_eq!(draft.check(), Err(Unfit::Encrypted));
    }
    let luks = Draft::new().u32(32, 2);
    let pointer = [&(4 * CLUSTER).to_be_bytes()[..], &592u64.to_be_bytes()].concat();
    let whole = luks.clone().extension(104, ENCRYPTION, &pointer);
    assert_eq!(whole.check(), Err(Unfit::Encrypted));
    assert_eq!(luks.read(), Err(Fault::Extension));
    assert_eq!(whole.u32(32, 0).read(), Err(Fault::Extension));
    assert_eq!(Draft::new().u32(32, 3).read(), Err(Fault::Encryption(3)));
}

#[test]
fn a_number_that_cannot_be_is_refused() {
    let new = Draft::new;
    for (draft, fault) in [
        (new().u32(4, 1), Fault::Version(1)),
        (new().u32(4, 4), Fault::Version(4)),
        (new().u32(20, 8), Fault::ClusterBits(8)),
        (new().u32(20, 22), Fault::ClusterBits(22)),
        (new().u32(20, u32::MAX), Fault::ClusterBits(u32::MAX)),
        (new().u32(100, 96), Fault::HeaderLength(96)),
        (new().u32(100, 108), Fault::HeaderLength(108)),
        (new().u32(100, 1 << 17), Fault::HeaderLength(1 << 17)),
        (new().u32(96, 7), Fault::RefcountOrder(7)),
        (new().u64(24, 0), Fault::VirtualSize(0)),
        (new().u64(24, u64::MAX), Fault::VirtualSize(u64::MAX)),
        // The L1 table: too small, too large, not aligned, over the header, over the reference counts.
        (new().u32(36, 9), Fault::Table(Table::L1)),
        (new().u32(36, (4 << 20) + 1), Fault::Table(Table::L1)),
        (new().u64(40, 3 * CLUSTER + 512), Fault::Table(Table::L1)),
        (new().u64(40, 0), Fault::Table(Table::L1)),
        (new().u64(40, CLUSTER), Fault::Table(Table::L1)),
        (
            new().u64(40, u64::MAX - CLUSTER + 1),
            Fault::Table(Table::L1),
        ),
        (new().u32(56, 0), Fault::Table(Table::Refcounts)),
        (new().u32(56, 129), Fault::Table(Table::Refcounts)),
        (new().u64(48, 0), Fault::Table(Table::Refcounts)),
        (new().u64(48, 1), Fault::Table(Table::Refcounts)),
        (new().u32(60, 1), Fault::Table(Table::Snapshots)),
        (new().u64(64, 512), Fault::Table(Table::Snapshots)),
        (new().u64(64, 1 << 63), Fault::Table(Table::Snapshots)),
        (
            new().u32(60, 65_537).u64(64, 5 * CLUSTER),
            Fault::Table(Table::Snapshots),
        ),
        (new().u64(8, CLUSTER + 1), Fault::BackingName),
        (new().u64(8, 1024), Fault::BackingName),
        (new().u64(8, 8).u32(16, 4), Fault::BackingName),
        (new().u64(8, 1024).u32(16, 1024), Fault::BackingName),
        (new().u64(8, CLUSTER).u32(16, 1), Fault::BackingName),
        (new().u64(88, 0b01), Fault::Extension),
        (new().u64(88, 0b10), Fault::Extension),
    ] {
        assert_eq!(draft.read(), Err(fault.clone()), "{fault}");
        assert_eq!(draft.check(), Err(Unfit::Damaged(fault)));
    }
    let subclusters = new().u64(72, 1 << 4).u32(20, 13).u32(36, 1000);
    assert_eq!(subclusters.read(), Err(Fault::ClusterBits(13)));
    let snapshots = new().u32(60, 2).u64(64, 5 * CLUSTER).read();
    assert_eq!(snapshots.map(|header| header.snapshots), Ok(2));
}

#[test]
fn header_extensions_are_whole_and_there_once() {
    let bitmaps = |count: u32, reserved: u32, offset: u64| {
        let mut data = [count.to_be_bytes(), reserved.to_be_bytes()].concat();
        data.extend([96u64.to_be_bytes(), offset.to_be_bytes()].concat());
        Draft::new().u64(88, 1).extension(104, BITMAPS, &data)
    };
    assert_eq!(
        bitmaps(2, 0, 7 * CLUSTER)
            .read()
            .map(|header| header.bitmaps),
        Ok(2)
    );
    let twice = Draft::new().extension(104, FEATURE_NAMES, &[0; 48]);
    let again = |kind| twice.clone().extension(160, kind, &[0; 48]).read();
    assert_eq!(again(FEATURE_NAMES), Err(Fault::Extension));
    assert!(again(0x1234_5678).is_ok());
    for (draft, fault) in [
        (bitmaps(0, 0, 7 * CLUSTER), Fault::Extension),
        (bitmaps(65_536, 0, 7 * CLUSTER), Fault::Extension),
        (bitmaps(1, 1, 7 * CLUSTER), Fault::Extension),
        (bitmaps(1, 0, 7), Fault::Table(Table::Bitmaps)),
        (
            Draft::new().extension(104, BACKING_FORMAT, b"a name of 16 byt"),
            Fault::Extension,
        ),
        // Longer than the first cluster, and over the name of the backing image.
        (
            Draft::new().u32(104, FEATURE_NAMES).u32(108, 1 << 16),
            Fault::Extension,
        ),
        (
            Draft::new().u32(104, 0x1234_5678).u32(108, u32::MAX),
            Fault::Extension,
        ),
        (twice.backing(128, "base"), Fault::Extension),
    ] {
        assert_eq!(draft.read(), Err(fault));
    }
}

#[test]
fn a_header_that_is_cut_off_is_refused() {
    let whole = Draft::new().extension(104, 0x1234_5678, &[7; 100]);
    // To the end of the extension's data, its padding, and the word that says that none follows.
    let needed = 104 + 8 + 104 + 8;
    assert!(Header::read(&whole.0[..needed], None).is_ok());
    for length in 4..needed {
        let cut = Header::read(&whole.0[..length], None);
        assert_eq!(cut, Err(Fault::CutOff), "{length}");
    }
    // What goes on behind what is read is not judged by half.
    let long = Draft::new().u32(20, 21).u64(40, 3 << 21).u64(48, 1 << 21);
    let head = long.extension(104, 0x1234_5678, &[]).u32(108, 1 << 20);
    assert_eq!(head.0.len() as u64, HEAD);
    assert_eq!(head.read(), Err(Fault::CutOff));
}

#[test]
fn tables_begin_within_the_file() {
    let draft = Draft::new();
    let within = |length: u64| {
        let sample = Sample {
            length: Some(length),
            ..Sample::head(&draft.0)
        };
        check(sample, "debian-12").is_ok()
    };
    assert!(within(3 * CLUSTER + 80));
    assert!(!within(3 * CLUSTER));
    assert!(!within(CLUSTER));
}
