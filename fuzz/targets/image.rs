//! Any bytes as an image: it is judged without a panic, what a guest may start from is all in the one file, the
//! numbers of a header that holds together are of their ranges, and bytes behind it change nothing of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trustnet_core::image::qcow2::Header;
use trustnet_core::image::{Bootable, ImageContent, Sample, SourceFormat, TAIL, check, source_format};

fuzz_target!(|data: &[u8]| {
    let tail = &data[data.len() - data.len().min(TAIL as usize)..];
    let sample = Sample { head: data, tail, length: None };
    let content = ImageContent::of(sample);
    let bootable = check(sample, "image");
    assert_eq!(bootable, content.bootable());
    for extension in ["qcow2", "raw", "vmdk"] {
        let named = check(sample, &format!("image.{extension}"));
        let format = bootable.as_ref().map(|bootable| bootable.format());
        let fits = format.is_ok_and(|format| format!("{format:?}").eq_ignore_ascii_case(extension));
        assert_eq!(named.is_ok(), fits, "{named:?}");
    }
    match source_format(sample) {
        Ok(SourceFormat::Vmdk) => {
            let hint = b"parentFileNameHint";
            assert!(!data[512..512 + 20 * 512].windows(hint.len()).any(|some| some == hint));
            assert_ne!(&data[12..20], &[0; 8]);
        }
        Ok(SourceFormat::Qcow2 | SourceFormat::Raw) => assert!(bootable.is_ok()),
        Ok(_) => assert!(bootable.is_err()),
        Err(unfit) => assert!(!unfit.to_string().chars().any(char::is_control)),
    }

    let Ok(header) = Header::read(data, None) else { return };
    assert!(header.cluster_size.is_power_of_two() && (512..=2 << 20).contains(&header.cluster_size));
    assert!(header.refcount_bits.is_power_of_two() && header.refcount_bits <= 64);
    assert!(header.virtual_size > 0 && header.virtual_size <= 1 << 61);
    if let Some(backing) = &header.backing {
        assert!(!backing.name.is_empty());
        if let Some(path) = backing.within("/pool", "/pool/image") {
            assert!(path.starts_with("/pool/") && !path.split('/').any(|part| part == ".."));
        }
    }
    if matches!(bootable, Ok(Bootable::Qcow2 { virtual_size }) if virtual_size == header.virtual_size) {
        assert!(header.stands_alone() && header.encryption.is_none() && !header.corrupt);
    }
    let longer = [data, b"what comes behind"].concat();
    assert_eq!(Header::read(&longer, None), Ok(header));
});
