//! The file: an OCI image layout in a tar, which docker-archive's readers take too.
//! <https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md>

use std::io::{self, Read, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};
use trustnet_core::artifact::Digest;

use super::manifest::{Manifest, Platform};

const BLOCK: u64 = 512;

/// What the file's own documents say.
pub(super) struct Image<'a> {
    pub(super) tagged: Option<String>,
    pub(super) tag: Option<&'a str>,
    pub(super) platform: &'a Platform,
    pub(super) digest: &'a str,
    pub(super) manifest: &'a Manifest,
    pub(super) manifest_size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayoutVersion {
    image_layout_version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'static str,
    manifests: [Entry<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: u64,
    platform: On<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations<'a>>,
}

#[derive(Serialize)]
struct On<'a> {
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
}

#[derive(Serialize)]
struct Annotations<'a> {
    #[serde(rename = "io.containerd.image.name")]
    containerd: &'a str,
    #[serde(rename = "org.opencontainers.image.ref.name")]
    tag: &'a str,
}

/// An image in docker-archive's `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Archived<'a> {
    config: String,
    repo_tags: Vec<&'a str>,
    layers: Vec<String>,
}

/// Writes the tar, and keeps its digest and length. No entry has a time, an owner or a name of this host.
pub(super) struct Packer<'a> {
    out: &'a mut dyn Write,
    digest: Sha256,
    size: u64,
}

impl<'a> Packer<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            digest: Sha256::new(),
            size: 0,
        }
    }

    /// All that stands before the blobs.
    pub(super) fn heading(&mut self, image: &Image) -> io::Result<()> {
        self.document(
            "oci-layout",
            &LayoutVersion {
                image_layout_version: "1.0.0",
            },
        )?;
        self.document("index.json", &index(image))?;
        let layers = image
            .manifest
            .layers
            .iter()
            .map(|layer| path(&layer.digest));
        let archived = Archived {
            config: path(&image.manifest.config.digest),
            repo_tags: image.tagged.as_deref().into_iter().collect(),
            layers: layers.collect(),
        };
        self.document("manifest.json", &[archived])?;
        for folder in ["blobs/", "blobs/sha256/"] {
            self.header(folder, EntryType::Directory, 0)?;
        }
        Ok(())
    }

    /// A blob that is known whole.
    pub(super) fn blob(&mut self, digest: &str, bytes: &[u8]) -> io::Result<()> {
        self.begin(digest, bytes.len() as u64)?;
        self.write_all(bytes)?;
        self.end()
    }

    /// Begins a blob whose bytes are written next.
    pub(super) fn begin(&mut self, digest: &str, size: u64) -> io::Result<()> {
        self.header(&path(digest), EntryType::Regular, size)
    }

    /// Fills what was written up to a whole block.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let rest = (BLOCK - self.size % BLOCK) % BLOCK;
        io::copy(&mut io::repeat(0).take(rest), self).map(drop)
    }

    /// The end of the tar; the file's SHA-256 and size.
    pub(super) fn finish(mut self) -> io::Result<(Digest, u64)> {
        self.write_all(&[0; 2 * BLOCK as usize])?;
        self.out.flush()?;
        let digest = Digest::from_bytes(self.digest.finalize().into());
        Ok((digest, self.size))
    }

    fn document<T: Serialize + ?Sized>(&mut self, name: &str, document: &T) -> io::Result<()> {
        let bytes = serde_json::to_vec(document)?;
        self.header(name, EntryType::Regular, bytes.len() as u64)?;
        self.write_all(&bytes)?;
        self.end()
    }

    fn header(&mut self, name: &str, kind: EntryType, size: u64) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.write_all(header.as_bytes())
    }
}

impl Write for Packer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn index<'a>(image: &'a Image) -> Index<'a> {
    let names = image.tagged.as_deref().zip(image.tag);
    Index {
        schema_version: 2,
        media_type: "application/vnd.oci.image.index.v1+json",
        manifests: [Entry {
            media_type: image.manifest.media_type,
            digest: image.digest,
            size: image.manifest_size,
            platform: On {
                architecture: &image.platform.architecture,
                os: &image.platform.os,
                variant: image.platform.variant.as_deref(),
            },
            annotations: names.map(|(containerd, tag)| Annotations { containerd, tag }),
        }],
    }
}

fn path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}
