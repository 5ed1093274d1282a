//! Whether a guest may start from an image, and what qemu-img may be given.

use thiserror::Error;
use trustnet_api::disk::DiskFormat;

use super::qcow2::{Fault, Header};
use super::{Foreign, ImageContent, Packing, Partitions, Sample, VmdkFault, vmdk};

/// What a guest can start from, all by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bootable {
    /// qcow2, with this size of the disk in bytes as the guest sees it.
    Qcow2 {
        /// Bytes.
        virtual_size: u64,
    },
    /// A raw disk: its length is its size.
    Raw(Partitions),
}

/// Why an image is not taken. Each reads after the image's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unfit {
    /// No bytes that are known, and no boot signature.
    #[error("is not a disk image: neither qcow2 nor a raw disk with a boot record")]
    Unknown,
    /// A server's answer.
    #[error("is a web page: a guest starts from qcow2 or a raw disk")]
    WebPage,
    /// Another program's.
    #[error("is {}: a guest starts from qcow2 or a raw disk", .0.name())]
    Foreign(Foreign),
    /// What is in it is not seen yet.
    #[error("is compressed by {}: a guest starts from qcow2 or a raw disk", .0.program())]
    Packed(Packing),
    /// qcow2 whose header does not hold together.
    #[error("is not a sound qcow2 image: {0}")]
    Damaged(Fault),
    /// Nobody here has the key.
    #[error("is encrypted")]
    Encrypted,
    /// Only the changes to another image. A stranger's image could so name any file of the host, and show it to
    /// the guest.
    #[error("depends on another file, its backing image `{}`, and cannot be trusted alone", .0.escape_debug())]
    Backing(String),
    /// The data is elsewhere; likewise.
    #[error("depends on another file, which holds its data{}, and cannot be trusted alone", named(.0.as_deref()))]
    ExternalData(Option<String>),
    /// It was not closed, or is open.
    #[error("is in use, or was not closed by who used it last")]
    Dirty,
    /// QEMU says so.
    #[error("is marked as corrupt by who used it last")]
    Corrupt,
    /// A disk of VMware's that is not whole in itself.
    #[error("is a VMDK disk that {0}")]
    Vmdk(VmdkFault),
    /// The name says something else than the bytes.
    #[error("is called `{name}`, and its bytes are {}", format_name(*.is))]
    Misnamed {
        /// What it is called, or is to be called.
        name: String,
        /// What it is.
        is: DiskFormat,
    },
}

/// The formats of qemu-img that are converted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFormat {
    /// Bytes as they are.
    Raw,
    /// qcow2.
    Qcow2,
    /// VMware's, all of it in one file.
    Vmdk,
    /// VirtualBox's.
    Vdi,
    /// Virtual PC's.
    Vhd,
    /// Hyper-V's.
    Vhdx,
}

impl SourceFormat {
    /// qemu-img's name of it.
    #[must_use]
    pub fn driver(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Vhd => "vpc",
            Self::Vhdx => "vhdx",
        }
    }
}

/// Whether a guest may start from this file under this name.
///
/// # Errors
/// It may not: why.
pub fn check(sample: Sample<'_>, name: &str) -> Result<Bootable, Unfit> {
    let bootable = ImageContent::of(sample).bootable()?;
    bootable.check_name(name)?;
    Ok(bootable)
}

/// As what qemu-img is to read this file. It would otherwise guess, and follow whatever the file names.
///
/// # Errors
/// It must not read it: why.
pub fn source_format(sample: Sample<'_>) -> Result<SourceFormat, Unfit> {
    match ImageContent::of(sample) {
        ImageContent::Foreign(Foreign::Vmdk) => {
            let checked = vmdk::check(sample.head).map_err(Unfit::Vmdk);
            checked.map(|()| SourceFormat::Vmdk)
        }
        ImageContent::Foreign(Foreign::Vdi) => Ok(SourceFormat::Vdi),
        ImageContent::Foreign(Foreign::Vhd) => Ok(SourceFormat::Vhd),
        ImageContent::Foreign(Foreign::Vhdx) => Ok(SourceFormat::Vhdx),
        content => Ok(match content.bootable()? {
            Bootable::Qcow2 { .. } => SourceFormat::Qcow2,
            Bootable::Raw(_) => SourceFormat::Raw,
        }),
    }
}

impl ImageContent {
    /// Whether a guest may start from it, whatever it is called.
    ///
    /// # Errors
    /// It may not: why.
    pub fn bootable(&self) -> Result<Bootable, Unfit> {
        match self {
            Self::Qcow2(header) => qcow2(header),
            Self::Raw(partitions) => Ok(Bootable::Raw(*partitions)),
            Self::Damaged(fault) => Err(Unfit::Damaged(fault.clone())),
            Self::Foreign(foreign) => Err(Unfit::Foreign(*foreign)),
            Self::Packed(packing) => Err(Unfit::Packed(*packing)),
            Self::WebPage => Err(Unfit::WebPage),
            Self::Unknown => Err(Unfit::Unknown),
        }
    }
}

fn qcow2(header: &Header) -> Result<Bootable, Unfit> {
    if header.encryption.is_some() {
        return Err(Unfit::Encrypted);
    }
    if let Some(backing) = &header.backing {
        return Err(Unfit::Backing(backing.name.clone()));
    }
    if !header.stands_alone() {
        return Err(Unfit::ExternalData(header.data_file.clone()));
    }
    if header.corrupt {
        return Err(Unfit::Corrupt);
    }
    if header.dirty {
        return Err(Unfit::Dirty);
    }
    Ok(Bootable::Qcow2 {
        virtual_size: header.virtual_size,
    })
}

impl Bootable {
    /// Its format.
    #[must_use]
    pub fn format(self) -> DiskFormat {
        match self {
            Self::Qcow2 { .. } => DiskFormat::Qcow2,
            Self::Raw(_) => DiskFormat::Raw,
        }
    }

    /// A name that ends in a format's extension is of that format; one of `.img` or of none may be of either.
    ///
    /// # Errors
    /// It is not.
    pub fn check_name(self, name: &str) -> Result<(), Unfit> {
        let file = name.rsplit('/').next().unwrap_or_default();
        let extension = file.rsplit_once('.').map(|(_, extension)| extension);
        let fits = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("qcow2" | "qcow") => self.format() == DiskFormat::Qcow2,
            Some("raw") => self.format() == DiskFormat::Raw,
            Some("vmdk" | "vdi" | "vhd" | "vpc" | "vhdx" | "iso" | "gz" | "xz" | "zst" | "bz2") => {
                false
            }
            _ => true,
        };
        if fits {
            return Ok(());
        }
        Err(Unfit::Misnamed {
            name: file.to_owned(),
            is: self.format(),
        })
    }
}

impl Unfit {
    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        let remedy = match self {
            Self::Unknown => "check how the file was made or downloaded",
            Self::WebPage => "download it again, from an address that gives the file itself",
            Self::Foreign(_) => "convert it: `qemu-img convert -O qcow2 IMAGE CONVERTED`",
            Self::Packed(packing) => return format!("unpack it: `{} -d IMAGE`", packing.program()),
            Self::Damaged(fault) => fault.remedy(),
            Self::Encrypted => "decrypt it: `qemu-img convert` with the image's secret",
            Self::Backing(_) | Self::ExternalData(_) => {
                "where that file is the right one, flatten: `qemu-img convert -O qcow2 IMAGE FLAT`"
            }
            Self::Dirty => "shut down what uses it; if nothing does: `qemu-img check -r all IMAGE`",
            Self::Corrupt => "download it again, or repair a copy: `qemu-img check -r all COPY`",
            Self::Vmdk(fault) => fault.remedy(),
            Self::Misnamed { name, is } => {
                let stem = name
                    .rsplit_once('.')
                    .map_or(name.as_str(), |(stem, _)| stem);
                return format!("call it `{stem}.{}`", format_name(*is));
            }
        };
        remedy.to_owned()
    }
}

fn named(file: Option<&str>) -> String {
    file.map_or_else(String::new, |name| format!(", `{}`", name.escape_debug()))
}

fn format_name(format: DiskFormat) -> &'static str {
    match format {
        DiskFormat::Qcow2 => "qcow2",
        DiskFormat::Raw => "raw",
    }
}
