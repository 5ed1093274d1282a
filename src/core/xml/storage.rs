//! Volumes. <https://libvirt.org/formatstorage.html>

use trustnet_api::disk::DiskFormat;

use super::{document, empty, nest, read, text};

/// Facts of a volume's XML.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeXml {
    /// The name in its pool.
    pub name: String,
    /// The path on the hypervisor.
    pub path: String,
    /// The format, such as `qcow2`.
    pub format: String,
    /// Size as the guest sees it, in bytes.
    pub capacity: u64,
    /// Bytes taken in the pool.
    pub allocation: u64,
    /// Bytes of the file, with its holes; 0 where it is not told.
    pub physical: u64,
    /// When its bytes were last written: seconds since 1970 with a fraction, as the hypervisor writes them; none
    /// where it does not say.
    pub modified: Option<String>,
    /// The path of the backing image.
    pub backing: Option<String>,
}

/// A volume of `capacity` bytes, thin, over the backing file `(path, format)` if there is one.
#[must_use]
pub fn volume(
    name: &str,
    capacity: u64,
    format: DiskFormat,
    backing: Option<(&str, &str)>,
) -> String {
    document(|w| {
        nest(w, "volume", &[], |w| {
            text(w, "name", &[], name)?;
            text(w, "capacity", &[("unit", "bytes")], &capacity.to_string())?;
            text(w, "allocation", &[("unit", "bytes")], "0")?;
            nest(w, "target", &[], |w| {
                empty(w, "format", &[("type", format_name(format))])?;
                if format == DiskFormat::Qcow2 {
                    text(w, "compat", &[], "1.1")?;
                }
                // Only the owner and QEMU (same user, or through libvirt's relabelling) read a disk.
                nest(w, "permissions", &[], |w| text(w, "mode", &[], "0600"))
            })?;
            if let Some((path, format)) = backing {
                nest(w, "backingStore", &[], |w| {
                    text(w, "path", &[], path)?;
                    empty(w, "format", &[("type", format)])
                })?;
            }
            Ok(())
        })
    })
}

/// A raw volume of `capacity` bytes in a pool that knows no other: there in `whole`, or taking what is written to it.
#[must_use]
pub fn raw_volume(name: &str, capacity: u64, whole: bool) -> String {
    let allocation = if whole { capacity } else { 0 };
    document(|w| {
        nest(w, "volume", &[], |w| {
            text(w, "name", &[], name)?;
            text(w, "capacity", &[("unit", "bytes")], &capacity.to_string())?;
            // What is left out of a logical volume would make a sparse one of it, which breaks when it is full.
            text(
                w,
                "allocation",
                &[("unit", "bytes")],
                &allocation.to_string(),
            )?;
            nest(w, "target", &[], |w| empty(w, "format", &[("type", "raw")]))
        })
    })
}

/// A volume that an image of `length` bytes is written into as it is, whatever its format; `whole` where it takes all of
/// its room at once. Everybody may read it, as QEMU does under whatever name it runs.
#[must_use]
pub fn image_volume(name: &str, length: u64, whole: bool) -> String {
    let allocation = if whole { length } else { 0 };
    document(|w| {
        nest(w, "volume", &[], |w| {
            text(w, "name", &[], name)?;
            text(w, "capacity", &[("unit", "bytes")], &length.to_string())?;
            text(
                w,
                "allocation",
                &[("unit", "bytes")],
                &allocation.to_string(),
            )?;
            nest(w, "target", &[], |w| {
                empty(w, "format", &[("type", "raw")])?;
                nest(w, "permissions", &[], |w| text(w, "mode", &[], "0644"))
            })
        })
    })
}

/// libvirt's name of a format.
pub(super) fn format_name(format: DiskFormat) -> &'static str {
    match format {
        DiskFormat::Qcow2 => "qcow2",
        DiskFormat::Raw => "raw",
    }
}

/// Reads what planning needs of a volume's XML; what is missing stays empty.
#[must_use]
pub fn read_volume(xml: &str) -> VolumeXml {
    let mut facts = VolumeXml::default();
    read::walk(xml, |path, event| match (path, event) {
        (["volume", "name"], read::Seen::Text(value)) => facts.name = value.to_owned(),
        (["volume", "target", "path"], read::Seen::Text(value)) => facts.path = value.to_owned(),
        (["volume", "target", "format"], read::Seen::Start(tag)) => {
            facts.format = tag.attribute("type").unwrap_or_default();
        }
        (["volume", "capacity"], read::Seen::Text(value)) => {
            facts.capacity = value.parse().unwrap_or(0)
        }
        (["volume", "allocation"], read::Seen::Text(value)) => {
            facts.allocation = value.parse().unwrap_or(0)
        }
        (["volume", "physical"], read::Seen::Text(value)) => {
            facts.physical = value.parse().unwrap_or(0)
        }
        (["volume", "target", "timestamps", "mtime"], read::Seen::Text(value)) => {
            facts.modified = Some(value.to_owned());
        }
        (["volume", "backingStore", "path"], read::Seen::Text(value)) => {
            facts.backing = Some(value.to_owned())
        }
        _ => {}
    });
    facts
}
