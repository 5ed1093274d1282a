//! Our judgement of qcow2 files beside that of qemu-img.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::{Strategy, any, prop, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use tempfile::TempDir;
use trustnet_core::image::qcow2::{Compression, Encryption, Header};
use trustnet_core::image::{ImageContent, Unfit, check};

use super::Look;

fn qemu_img(folder: &Path, line: &str) -> Output {
    let output = Command::new("qemu-img")
        .current_dir(folder)
        .args(line.split(' ').map(OsStr::new))
        .output();
    output.expect("qemu-img is there: install qemu-utils")
}

fn made(folder: &Path, line: &str) {
    let output = qemu_img(folder, line);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {err}");
}

fn info(folder: &Path, name: &str) -> Option<Value> {
    let output = qemu_img(folder, &format!("info -f qcow2 --output=json {name}"));
    let json = output.status.success().then_some(output.stdout);
    json.map(|json| serde_json::from_slice(&json).expect("JSON"))
}

fn header(path: &Path) -> Header {
    let look = Look::at(path).expect("a file");
    match ImageContent::of(look.sample()) {
        ImageContent::Qcow2(header) => *header,
        other => panic!("{other:?}"),
    }
}

/// What qemu-img says, in our words.
fn agrees(header: &Header, info: &Value) {
    let data = &info["format-specific"]["data"];
    let number = |value: &Value| value.as_u64().expect("a number");
    assert_eq!(header.virtual_size, number(&info["virtual-size"]));
    assert_eq!(header.cluster_size, number(&info["cluster-size"]));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let backing = header.backing.as_ref();
    assert_eq!(
        backing.map(|it| it.name.clone()),
        text(&info["backing-filename"])
    );
    let format = backing.and_then(|it| it.format.clone());
    assert_eq!(format, text(&info["backing-filename-format"]));
    assert_eq!(header.data_file, text(&data["data-file"]));
    assert_eq!(header.version, if data["compat"] == "0.10" { 2 } else { 3 });
    assert_eq!(header.dirty, info["dirty-flag"] == true);
    assert_eq!(header.corrupt, data["corrupt"] == true);
    assert_eq!(header.extended_l2, data["extended-l2"] == true);
    assert_eq!(header.lazy_refcounts, data["lazy-refcounts"] == true);
    assert_eq!(
        u64::from(header.refcount_bits),
        number(&data["refcount-bits"])
    );
    let compression = match header.compression {
        Compression::Zlib => "zlib",
        Compression::Zstd => "zstd",
    };
    assert_eq!(compression, data["compression-type"]);
    let encryption = header.encryption.map(|kind| match kind {
        Encryption::Aes => "aes",
        Encryption::Luks => "luks",
    });
    assert_eq!(encryption, data["encrypt"]["format"].as_str());
    let count = |value: &Value| value.as_array().map_or(0, Vec::len) as u64;
    assert_eq!(u64::from(header.snapshots), count(&info["snapshots"]));
    assert_eq!(u64::from(header.bitmaps), count(&data["bitmaps"]));
}

#[test]
fn of_what_qemu_img_makes_it_says_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("secret"), "a passphrase").expect("room");
    made(folder.path(), "create -q -f qcow2 base 1M");
    type Expected = fn(&Unfit) -> bool;
    let good: [(&str, Option<Expected>); 16] = [
        ("-o compat=0.10 it 5G", None),
        ("it 1M", None),
        ("it 512", None),
        ("it 2T", None),
        ("-o cluster_size=512 it 1G", None),
        ("-o cluster_size=2M it 10T", None),
        ("-o compression_type=zstd it 1G", None),
        ("-o extended_l2=on,cluster_size=16k it 1G", None),
        ("-o lazy_refcounts=on,refcount_bits=1 it 1G", None),
        ("-o refcount_bits=64 it 1G", None),
        ("-o preallocation=metadata it 64M", None),
        (
            "-b base -F qcow2 it",
            Some(|unfit| matches!(unfit, Unfit::Backing(name) if name == "base")),
        ),
        (
            "-o compat=0.10 -b base -F qcow2 it",
            Some(|unfit| matches!(unfit, Unfit::Backing(_))),
        ),
        (
            "-o data_file=data it 1M",
            Some(|unfit| matches!(unfit, Unfit::ExternalData(Some(name)) if name == "data")),
        ),
        (
            "-o data_file=data,data_file_raw=on it 1M",
            Some(|unfit| matches!(unfit, Unfit::ExternalData(Some(_)))),
        ),
        (
            "--object secret,id=s,file=secret -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 it 1M",
            Some(|unfit| matches!(unfit, Unfit::Encrypted)),
        ),
    ];
    for (options, unfit) in good {
        made(folder.path(), &format!("create -q -f qcow2 {options}"));
        agrees(
            &header(&at("it")),
            &info(folder.path(), "it").expect(options),
        );
        let judged = check(Look::at(&at("it")).expect("a file").sample(), "it");
        match unfit {
            None => {
                judged.expect(options);
                made(folder.path(), "check -q -f qcow2 it");
            }
            Some(is) => assert!(is(&judged.expect_err(options)), "{options}"),
        }
        fs::remove_file(at("it")).expect("made");
    }
}

#[test]
fn an_image_that_was_lived_in_is_known_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("it");
    made(folder.path(), "create -q -f qcow2 it 64M");
    for line in [
        "snapshot -c one it",
        "snapshot -c two it",
        "bitmap --add it first",
        "resize -q it 128M",
    ] {
        // No image with snapshots of the older kind is resized: what is refused changes nothing.
        let _ = qemu_img(folder.path(), line);
        let info = info(folder.path(), "it").expect("sound");
        agrees(&header(&path), &info);
    }
    let lived = header(&path);
    assert_eq!((lived.snapshots, lived.bitmaps), (2, 1));
    made(folder.path(), "check -q -f qcow2 it");

    // The flags that QEMU sets while it writes, and when it finds what cannot be.
    let file = File::options().write(true).open(&path).expect("ours");
    for (flag, unfit) in [(1, Unfit::Dirty), (2, Unfit::Corrupt)] {
        file.write_all_at(&[flag], 79).expect("room");
        agrees(
            &header(&path),
            &info(folder.path(), "it").expect("readable"),
        );
        let look = Look::at(&path).expect("a file");
        assert_eq!(check(look.sample(), "it"), Err(unfit));
    }
}

/// Good images to be damaged, small enough to be written anew each time.
fn originals(folder: &TempDir) -> Vec<(PathBuf, Vec<u8>)> {
    let options = [
        "-o compat=0.10",
        "-o cluster_size=4k",
        "-o compression_type=zstd,cluster_size=4k",
        "-o extended_l2=on,cluster_size=16k",
    ];
    let all = options.iter().enumerate().map(|(index, options)| {
        let name = format!("original-{index}");
        made(
            folder.path(),
            &format!("create -q -f qcow2 {options} {name} 1G"),
        );
        let path = folder.path().join(name);
        let bytes = fs::read(&path).expect("made");
        (path, bytes)
    });
    all.collect()
}

/// The fields of a header: offset and length.
const FIELDS: [(usize, usize); 20] = [
    (4, 4),
    (8, 8),
    (16, 4),
    (20, 4),
    (24, 8),
    (32, 4),
    (36, 4),
    (40, 8),
    (48, 8),
    (56, 4),
    (60, 4),
    (64, 8),
    (72, 8),
    (80, 8),
    (88, 8),
    (96, 4),
    (100, 4),
    (104, 8),
    (112, 4),
    (116, 4),
];

/// A field and what is written there.
fn change() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let value = prop_oneof![
        (0u64..32),
        (0u32..64).prop_map(|bit| 1u64 << bit),
        (0u64..64).prop_map(|clusters| clusters << 12),
        (0u64..64).prop_map(|less| u64::MAX - less),
        any::<u64>(),
    ];
    let field = (select(FIELDS.to_vec()), value)
        .prop_map(|((at, length), value)| (at, value.to_be_bytes()[8 - length..].to_vec()));
    let byte = (0usize..600, any::<u8>()).prop_map(|(at, byte)| (at, vec![byte]));
    prop_oneof![4 => field, 1 => byte]
}

#[test]
fn what_is_taken_of_damaged_headers_qemu_img_takes_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let originals = originals(&folder);
    let changes = (0..originals.len(), prop::collection::vec(change(), 1..3));
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let (asked, refused) = (Cell::new(0), Cell::new(0));
    let path = folder.path().join("damaged");
    let result = runner.run(&changes, |(original, changes)| {
        let mut bytes = originals[original].1.clone();
        for (at, change) in &changes {
            bytes[*at..at + change.len()].copy_from_slice(change);
        }
        fs::write(&path, &bytes).expect("room");
        let look = Look::at(&path).expect("a file");
        if check(look.sample(), "damaged").is_err() {
            refused.set(refused.get() + 1);
            return Ok(());
        }
        let header = header(&path);
        // Where the tables of snapshots and bitmaps are is in the header, what they hold is not.
        if header.snapshots > 0 || header.bitmaps > 0 {
            return Ok(());
        }
        asked.set(asked.get() + 1);
        let info = info(folder.path(), "damaged");
        let info = info.unwrap_or_else(|| panic!("qemu-img refuses {header:?}"));
        // Its sizes are whole sectors.
        let sectors = Header {
            virtual_size: header.virtual_size / 512 * 512,
            ..header
        };
        agrees(&sectors, &info);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let counts = (asked.get(), refused.get());
    assert!(counts.0 > 20 && counts.1 > 20, "asked, refused: {counts:?}");
}
