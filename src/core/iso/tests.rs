//! The image against our own reader, and against the tools that are present.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run the programs that read this in a guest"
)]

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::{IsoError, Label, SECTOR, find, lay_out, write};

const FILES: &[(&str, &[u8])] = &[
    ("user-data", b"#cloud-config\n"),
    ("meta-data", b"a: b\n"),
    ("empty", b""),
];

/// A second, simple reader: Joliet names and contents, in the order of the directory.
fn joliet(image: &[u8]) -> Vec<(String, Vec<u8>)> {
    let word =
        |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().expect("four bytes")) as usize;
    let descriptor = 17 * SECTOR;
    assert_eq!(&image[descriptor + 88..descriptor + 91], b"%/E");
    let (mut at, length) = (word(descriptor + 158) * SECTOR, word(descriptor + 166));
    let end = at + length;
    let mut files = Vec::new();
    while at < end {
        let record = usize::from(image[at]);
        if record == 0 {
            at = (at + 1).next_multiple_of(SECTOR);
            continue;
        }
        let name = &image[at + 33..at + 33 + usize::from(image[at + 32])];
        if name.len() > 1 {
            let units: Vec<u16> = name
                .chunks(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]))
                .collect();
            let start = word(at + 2) * SECTOR;
            let data = image[start..start + word(at + 10)].to_vec();
            files.push((String::from_utf16(&units).expect("a name"), data));
        }
        at += record;
    }
    files
}

/// Runs a tool on the image, or says that it is not there.
fn tool(
    image: &[u8],
    program: &str,
    arguments: impl FnOnce(&Path) -> Vec<String>,
) -> Option<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("seed.iso");
    std::fs::write(&path, image).expect("the image");
    match Command::new(program).args(arguments(&path)).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{program}: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(text)
        }
        Err(error) => {
            let mut line = format!("skipped: {program}: {error}\n");
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes())
                .unwrap_or_else(|_| line.clear());
            None
        }
    }
}

#[test]
fn every_file_is_found_by_both_names_with_its_contents() {
    let image = write("cidata", FILES).expect("an image");
    for (name, data) in FILES {
        assert_eq!(
            find(&image, name).map(|range| &image[range]),
            Some(*data),
            "{name}"
        );
    }
    let names: Vec<_> = joliet(&image).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["empty", "meta-data", "user-data"]);
}

#[test]
fn the_same_files_in_another_order_are_the_same_bytes() {
    let mut reversed = FILES.to_vec();
    reversed.reverse();
    assert_eq!(write("cidata", FILES), write("cidata", &reversed));
}

#[test]
fn names_that_the_format_cannot_hold_are_refused() {
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "a\0",
        "a\nb",
        "a;1",
        &"x".repeat(65),
        &"\u{20ac}".repeat(41),
    ] {
        assert_eq!(
            write("cidata", &[(name, b"")]),
            Err(IsoError::Name(name.to_owned()))
        );
    }
    assert_eq!(
        write("cidata", &[("a", b"1"), ("a", b"2")]),
        Err(IsoError::Duplicate("a".to_owned()))
    );
    for id in ["", "a b", "seventeen-letters"] {
        assert_eq!(write(id, &[]), Err(IsoError::VolumeId(id.to_owned())));
    }
}

#[test]
fn isoinfo_and_xorriso_and_blkid_read_the_image() {
    let image = write("cidata", FILES).expect("an image");
    if let Some(text) = tool(&image, "isoinfo", |p| {
        ["-R", "-x", "/user-data", "-i"]
            .map(String::from)
            .into_iter()
            .chain([p.display().to_string()])
            .collect()
    }) {
        assert_eq!(text, "#cloud-config\n");
    }
    if let Some(text) = tool(&image, "isoinfo", |p| {
        vec![
            "-J".into(),
            "-f".into(),
            "-i".into(),
            p.display().to_string(),
        ]
    }) {
        assert_eq!(text, "/empty\n/meta-data\n/user-data\n");
    }
    if let Some(text) = tool(&image, "xorriso", |p| {
        let arguments =
            ["-abort_on", "WARNING", "-report_about", "SORRY", "-indev"].map(String::from);
        arguments
            .into_iter()
            .chain([
                p.display().to_string(),
                "-find".into(),
                "/".into(),
                "-exec".into(),
                "lsdl".into(),
            ])
            .collect()
    }) {
        let lines: Vec<_> = text
            .lines()
            .map(|l| {
                (
                    l.split(' ').next().unwrap_or(""),
                    l.rsplit(' ').next().unwrap_or(""),
                )
            })
            .collect();
        let file = "-r--------";
        assert_eq!(
            lines,
            [
                ("dr-x------", "'/'"),
                (file, "'/empty'"),
                (file, "'/meta-data'"),
                (file, "'/user-data'")
            ]
        );
    }
    if let Some(text) = tool(&image, "blkid", |p| {
        ["-p", "-o", "export"]
            .map(String::from)
            .into_iter()
            .chain([p.display().to_string()])
            .collect()
    }) {
        let facts: Vec<_> = text
            .lines()
            .filter(|l| l.starts_with("LABEL=") || l.starts_with("TYPE="))
            .collect();
        assert_eq!(facts, ["LABEL=cidata", "TYPE=iso9660"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_files_come_back_as_they_went_in(
        files in prop::collection::btree_map("[^\\p{Cc}*/:;?\\\\]{1,30}", prop::collection::vec(any::<u8>(), 0..5000), 0..60)
    ) {
        let listed: Vec<(&str, &[u8])> = files.iter().map(|(n, d)| (n.as_str(), d.as_slice())).collect();
        prop_assume!(listed.iter().all(|(n, _)| *n != "." && *n != ".."));
        let image = write("cidata", &listed).expect("an image");
        prop_assert_eq!(image.len() % SECTOR, 0);
        for (name, data) in &listed {
            prop_assert_eq!(find(&image, name).map(|range| &image[range]), Some(*data));
        }
        let mut read = joliet(&image);
        read.sort();
        prop_assert_eq!(read, files.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_damaged_image_is_read_without_a_panic(hits in prop::collection::vec((0..24 * SECTOR, any::<u8>()), 1..200)) {
        let mut image = write("cidata", FILES).expect("an image");
        for (at, value) in hits {
            if let Some(byte) = image.get_mut(at) {
                *byte = value;
            }
        }
        if let Some(range) = find(&image, "user-data") {
            prop_assert!(range.end <= image.len());
        }
    }
}

/// Runs a script in an image that this machine's kernel has mounted, where it can: that takes root, and a
/// kernel that knows the file system.
fn mounted(image: &Path, script: &str) -> Option<String> {
    let folder = image.with_extension("mounted");
    std::fs::create_dir(&folder).expect("a folder");
    let mount = "mount -r -t iso9660 -o loop \"$1\" \"$2\" || exit 9; cd \"$2\" && eval \"$3\"";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", mount, "sh"])
        .args([image, &folder])
        .arg(script)
        .output()
        .expect("unshare starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    if [
        "unshare failed",
        "permission",
        "superuser",
        "unknown filesystem",
    ]
    .iter()
    .any(|why| errors.contains(why))
    {
        let line = format!("skipped: mount: {errors}\n");
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("a line");
        return None;
    }
    assert!(output.status.success(), "{text}{errors}");
    Some(text)
}

fn label() -> Label {
    Label {
        volume_id: "TVM-CACHE".to_owned(),
        volume_set: "0123456789abcdef".repeat(4),
        system_area: "whose it is\n".to_owned(),
    }
}

#[test]
fn an_image_without_the_bytes_of_its_files_is_the_same_but_for_them() {
    let mut files = FILES.to_vec();
    files.sort_unstable();
    let sizes: Vec<(&str, u64)> = files.iter().map(|(n, d)| (*n, d.len() as u64)).collect();
    let label = Label {
        volume_id: "cidata".to_owned(),
        ..Label::default()
    };
    let layout = lay_out(&label, &sizes).expect("a layout");
    let mut image = layout.head.clone();
    image.resize(usize::try_from(layout.size).expect("it is small"), 0);
    for ((_, data), offset) in files.iter().zip(&layout.offsets) {
        let offset = usize::try_from(*offset).expect("it is small");
        image[offset..offset + data.len()].copy_from_slice(data);
    }
    assert_eq!(Ok(image), write("cidata", FILES));
}

#[test]
fn a_label_or_an_order_that_the_format_cannot_hold_is_refused() {
    let lay_out = |label, files: &[_]| lay_out(&label, files).expect_err("a refusal");
    let duplicate = lay_out(label(), &[("a", 1), ("a", 1)]);
    assert_eq!(duplicate, IsoError::Duplicate("a".to_owned()));
    let order = lay_out(label(), &[("b", 1), ("a", 1)]);
    assert_eq!(order, IsoError::Order("a".to_owned()));
    let large = lay_out(label(), &[("a", 8 << 40)]);
    assert_eq!(large, IsoError::TooLarge);
    let set = Label {
        volume_set: "x".repeat(65),
        ..label()
    };
    assert_eq!(lay_out(set, &[]), IsoError::VolumeId("x".repeat(65)),);
    let area = Label {
        system_area: "x".repeat(SECTOR + 1),
        ..label()
    };
    assert_eq!(lay_out(area, &[]), IsoError::TooLarge);
}

/// Files whose sizes stand on both sides of what one record can speak of, and in whose holes a few bytes tell
/// that each stretch is where it belongs.
#[test]
fn the_kernel_and_the_tools_read_files_larger_than_a_record_can_speak_of() {
    const SECTION: u64 = (1 << 32) - 2048;
    let files = [
        ("a-small", 3),
        ("b-at-the-edge", SECTION),
        ("c-over-the-edge", SECTION + 1),
        ("d-several", 2 * SECTION + 2048),
        ("e-last", 5),
    ];
    let layout = lay_out(&label(), &files).expect("a layout");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache.iso");
    let mut image = std::fs::File::create(&path).expect("the image");
    let mut put = |at: u64, bytes: &[u8]| {
        use std::io::{Seek, SeekFrom, Write};
        image.seek(SeekFrom::Start(at)).expect("a place");
        image.write_all(bytes).expect("bytes");
    };
    put(0, &layout.head);
    for ((name, size), offset) in files.iter().zip(&layout.offsets) {
        put(*offset, &name.as_bytes()[..1]);
        put(offset + size - 1, b"z");
    }
    image.set_len(layout.size).expect("a size");
    let script = "stat -c '%n %s %a' * && for f in *; do head -c 1 $f; tail -c 1 $f; done && echo && ls -U | wc -l";
    let expected: String = files
        .iter()
        .map(|(name, size)| format!("{name} {size} 400\n"))
        .collect();
    if let Some(text) = mounted(&path, script) {
        assert_eq!(text, format!("{expected}azbzczdzez\n5\n"));
    }
    let xorriso = Command::new("xorriso")
        .args(["-abort_on", "WARNING", "-report_about", "SORRY", "-indev"])
        .arg(&path)
        .args(["-find", "/", "-type", "f", "-exec", "lsdl"])
        .output();
    if let Ok(output) = xorriso {
        let text = String::from_utf8_lossy(&output.stdout);
        let sizes: Vec<&str> = text
            .lines()
            .filter_map(|l| l.split_whitespace().nth(4))
            .collect();
        let expected: Vec<String> = files.iter().map(|(_, size)| size.to_string()).collect();
        assert_eq!(
            sizes,
            expected,
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_directory_of_thousands_is_read_by_the_kernel_and_isoinfo() {
    let names: Vec<String> = (0..4000).map(|n| format!("{n:064x}")).collect();
    let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 4)).collect();
    let layout = lay_out(&label(), &files).expect("a layout");
    let mut image = layout.head.clone();
    for (number, offset) in layout.offsets.iter().enumerate() {
        image.resize(usize::try_from(*offset).expect("it is small"), 0);
        image.extend(format!("{number:04}").bytes());
    }
    image.resize(usize::try_from(layout.size).expect("it is small"), 0);
    if let Some(text) = tool(&image, "isoinfo", |p| {
        let path = p.display().to_string();
        ["-R", "-f", "-i", &path].map(String::from).to_vec()
    }) {
        let listed: Vec<String> = text.lines().map(|line| line[1..].to_owned()).collect();
        assert_eq!(listed, names);
    }
    if let Some(text) = tool(&image, "isoinfo", |p| {
        let path = p.display().to_string();
        ["-d", "-i", &path].map(String::from).to_vec()
    }) {
        assert!(text.contains("Volume id: TVM-CACHE\n"), "{text}");
        assert!(
            text.contains(&format!("Volume set id: {}\n", label().volume_set)),
            "{text}"
        );
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache.iso");
    std::fs::write(&path, &image).expect("the image");
    if let Some(text) = mounted(&path, "ls | wc -l && cat * | sha256sum") {
        let all: String = (0..4000).map(|number| format!("{number:04}")).collect();
        let digest = crate::artifact::Digest::of(all.as_bytes());
        assert_eq!(text, format!("4000\n{digest}  -\n"));
    }
}
