use trustnet_api::disk::DiskFormat;

use super::qcow2::{Fault, Header, Table};
use super::{
    Bootable, Foreign, HEAD, ImageContent, Packing, Partitions, Sample, SourceFormat, Unfit,
    VmdkFault, check, source_format,
};

mod qcow2;

const CLUSTER: u64 = 1 << 16;

/// A header under construction, with room behind it up to the end of the first cluster.
#[derive(Clone)]
struct Draft(Vec<u8>);

impl Draft {
    /// Version 3, 5 GiB, as `qemu-img create` would make it.
    fn new() -> Self {
        let draft = Self(vec![0; 1 << 16]);
        draft
            .put(0, b"QFI\xfb")
            .u32(4, 3)
            .u32(20, 16)
            .u64(24, 5 << 30)
            .u32(36, 10)
            .u64(40, 3 * CLUSTER)
            .u64(48, CLUSTER)
            .u32(56, 1)
            .u32(96, 4)
            .u32(100, 104)
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn u32(self, at: usize, value: u32) -> Self {
        self.put(at, &value.to_be_bytes())
    }

    fn u64(self, at: usize, value: u64) -> Self {
        self.put(at, &value.to_be_bytes())
    }

    /// A header extension at `at`.
    fn extension(self, at: usize, kind: u32, data: &[u8]) -> Self {
        let length = u32::try_from(data.len()).expect("short");
        self.u32(at, kind).u32(at + 4, length).put(at + 8, data)
    }

    fn backing(self, at: u64, name: &str) -> Self {
        let length = u32::try_from(name.len()).expect("short");
        let place = usize::try_from(at).expect("small");
        self.u64(8, at).u32(16, length).put(place, name.as_bytes())
    }

    fn read(&self) -> Result<Header, Fault> {
        Header::read(&self.0, None)
    }

    fn check(&self) -> Result<Bootable, Unfit> {
        check(Sample::head(&self.0), "debian-12")
    }
}

fn boot_record() -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn content(head: &[u8]) -> ImageContent {
    ImageContent::of(Sample::head(head))
}

#[test]
fn what_is_often_taken_for_an_image_is_called_by_its_name() {
    let mut virtual_box = b"<<< Oracle VM VirtualBox Disk Image >>>\n".to_vec();
    virtual_box.resize(64, 0);
    virtual_box.extend([0x7f, 0x10, 0xda, 0xbe]);
    for (head, expected) in [
        (&b"KDMV\x01\0\0\0"[..], ImageContent::Foreign(Foreign::Vmdk)),
        (b"COWD\x01\0\0\0", ImageContent::Foreign(Foreign::Vmdk)),
        (
            b"# Disk DescriptorFile\nversion=1\n",
            ImageContent::Foreign(Foreign::Vmdk),
        ),
        (&virtual_box, ImageContent::Foreign(Foreign::Vdi)),
        (b"conectix\0\0\0\x02", ImageContent::Foreign(Foreign::Vhd)),
        (b"vhdxfile", ImageContent::Foreign(Foreign::Vhdx)),
        (b"\x1f\x8b\x08", ImageContent::Packed(Packing::Gzip)),
        (b"\xfd7zXZ\0\0\x04", ImageContent::Packed(Packing::Xz)),
        (b"\x28\xb5\x2f\xfd\x04", ImageContent::Packed(Packing::Zstd)),
        (b"BZh91AY&SY", ImageContent::Packed(Packing::Bzip2)),
        (
            b"<!DOCTYPE html><title>404 Not Found</title>",
            ImageContent::WebPage,
        ),
        (b"\r\n <HTML lang=\"en\">", ImageContent::WebPage),
    ] {
        assert_eq!(content(head), expected);
        // What is packed may well be bootable; what it is packed in is not.
        let mut whole = boot_record();
        whole[..head.len()].copy_from_slice(head);
        assert_eq!(content(&whole), expected);
        assert!(check(Sample::head(&whole), "debian-12").is_err());
    }
}

#[test]
fn a_raw_disk_is_known_by_its_boot_record_and_divided_by_either_table() {
    let mbr = boot_record();
    assert_eq!(content(&mbr), ImageContent::Raw(Partitions::Mbr));
    for sector in [512, 4096] {
        let mut disk = mbr.clone();
        disk.resize(8192, 0);
        disk[sector..sector + 8].copy_from_slice(b"EFI PART");
        // A header that no protective partition covers is left over from a former life.
        assert_eq!(content(&disk), ImageContent::Raw(Partitions::Mbr));
        disk[450] = 0xee;
        assert_eq!(content(&disk), ImageContent::Raw(Partitions::Gpt));
    }
    for head in [&b""[..], &[0; 1024], &mbr[..511], b"QFI", b"notes"] {
        assert_eq!(content(head), ImageContent::Unknown, "{head:?}");
        assert_eq!(check(Sample::head(head), "a.raw"), Err(Unfit::Unknown));
    }
}

#[test]
fn a_vhd_of_a_fixed_size_is_told_from_a_raw_disk_by_its_footer() {
    let head = boot_record();
    let mut tail = b"conectix".to_vec();
    tail.resize(512, 0);
    let sample = Sample {
        tail: &tail,
        ..Sample::head(&head)
    };
    assert_eq!(
        check(sample, "debian-12.raw"),
        Err(Unfit::Foreign(Foreign::Vhd))
    );
    assert_eq!(source_format(sample), Ok(SourceFormat::Vhd));
}

#[test]
fn a_name_that_ends_in_a_format_is_of_that_format() {
    let (raw, qcow2) = (boot_record(), Draft::new().0);
    for (name, of_raw, of_qcow2) in [
        ("debian-12", true, true),
        ("ubuntu-24.04", true, true),
        ("debian.img", true, true),
        ("debian.qcow2", false, true),
        ("debian.QCOW2", false, true),
        ("debian.raw", true, false),
        ("folder.qcow2/debian.raw", true, false),
        ("debian.vmdk", false, false),
        ("debian.qcow2.xz", false, false),
    ] {
        for (head, fits, is) in [
            (&raw, of_raw, DiskFormat::Raw),
            (&qcow2, of_qcow2, DiskFormat::Qcow2),
        ] {
            let checked = check(Sample::head(head), name);
            assert_eq!(checked.is_ok(), fits, "{name}: {checked:?}");
            if let Err(unfit) = checked {
                let file = name.rsplit('/').next().expect("a name").to_owned();
                assert_eq!(unfit, Unfit::Misnamed { name: file, is });
            }
        }
    }
    let misnamed = check(Sample::head(&qcow2), "debian.raw").expect_err("it is qcow2");
    assert_eq!(
        format!("{misnamed}; {}", misnamed.remedy()),
        "is called `debian.raw`, and its bytes are qcow2; call it `debian.qcow2`"
    );
}

/// A VMDK's first sectors, with this descriptor embedded.
fn vmdk(capacity: u64, descriptor: &str) -> Vec<u8> {
    let mut head = b"KDMV\x01\0\0\0".to_vec();
    head.resize(512 * 32, 0);
    for (at, value) in [(12, capacity), (28, 1), (36, 20)] {
        head[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    head[512..512 + descriptor.len()].copy_from_slice(descriptor.as_bytes());
    head
}

#[test]
fn only_a_vmdk_of_one_piece_is_converted() {
    const WHOLE: &str = "# Disk DescriptorFile\nversion=1\nCID=1234abcd\nparentCID=ffffffff\n\
        createType=\"monolithicSparse\"\n\nRW 2048 SPARSE \"disk.vmdk\"\n";
    let of = |head: &[u8]| source_format(Sample::head(head));
    assert_eq!(of(&vmdk(2048, WHOLE)), Ok(SourceFormat::Vmdk));
    let streamed = WHOLE.replace("monolithicSparse", "streamOptimized");
    assert_eq!(of(&vmdk(2048, &streamed)), Ok(SourceFormat::Vmdk));

    let elsewhere = "RW 2048 FLAT \"/etc/shadow\" 0\n";
    let flat = WHOLE.replace("RW 2048 SPARSE \"disk.vmdk\"\n", elsewhere);
    for (head, fault) in [
        (WHOLE.as_bytes().to_vec(), VmdkFault::Descriptor),
        // QEMU then takes the embedded descriptor for one that stands alone.
        (vmdk(0, &flat), VmdkFault::Descriptor),
        (vmdk(2048, &flat), VmdkFault::Pieces),
        (
            vmdk(2048, &format!("{WHOLE}{elsewhere}")),
            VmdkFault::Pieces,
        ),
        (
            vmdk(2048, &WHOLE.replace("monolithicSparse", "seSparse")),
            VmdkFault::Pieces,
        ),
        (
            vmdk(2048, &WHOLE.replace("=ffffffff", "=00001111")),
            VmdkFault::Parent,
        ),
        (
            vmdk(2048, &format!("{WHOLE}parentFileNameHint=\"/etc/shadow\"")),
            VmdkFault::Parent,
        ),
        // Behind the end of the text, where QEMU may look all the same.
        (
            vmdk(
                2048,
                &format!("{WHOLE}\0parentFileNameHint=\"/etc/shadow\""),
            ),
            VmdkFault::Parent,
        ),
        (b"COWD".to_vec(), VmdkFault::Pieces),
        (b"KDMV".to_vec(), VmdkFault::Header),
        (vmdk(2048, WHOLE)[..8192].to_vec(), VmdkFault::Header),
    ] {
        assert_eq!(of(&head), Err(Unfit::Vmdk(fault)));
    }
}
