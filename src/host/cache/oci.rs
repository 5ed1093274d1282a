//! Container images: from a registry into one file that every container engine loads.
//!
//! The file is an OCI image layout in a tar that also holds docker-archive's `manifest.json`. It has the
//! image's own bytes, as the registry gave them, and nothing that depends on when or where it was made:
//! the same image under the same name gives the same file.

use std::io::{self, Write};

use oci_client::{ParseError, Reference};
use trustnet_core::artifact::{Arch, Digest};

mod layout;
mod manifest;
mod registry;
mod stored;
#[cfg(test)]
mod tests;

use layout::Packer;
use manifest::{Descriptor, Document, Manifest};
use registry::Registry;
pub use stored::{Wanted, fetch};

/// As whom a registry is asked.
#[derive(Clone, Default)]
pub enum Login {
    /// As nobody; a registry that hands out tokens to everyone is asked for one.
    #[default]
    Anonymous,
    /// By name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { user, .. } => write!(f, "Password({user:?}, ***)"),
        }
    }
}

/// Why an image was not pulled.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The name is no image's.
    #[error("failed to read `{text}` as an image's name: {why}")]
    Name {
        /// The name as it was written.
        text: String,
        /// Why.
        why: String,
    },
    /// The registry does not have it.
    #[error("failed to pull `{image}`: the registry does not have {what}")]
    NotFound {
        /// The image.
        image: String,
        /// What is missing.
        what: String,
    },
    /// The registry does not give it to us.
    #[error("failed to pull `{image}`: the registry refuses: {why}")]
    Refused {
        /// The image.
        image: String,
        /// Why.
        why: String,
    },
    /// There is no image for the guest's architecture.
    #[error("failed to pull `{image}`: it is not there for linux/{wanted}, only for {there}")]
    Architecture {
        /// The image.
        image: String,
        /// The architecture that was asked for.
        wanted: Arch,
        /// The platforms that there are.
        there: String,
    },
    /// What came is not what its digest says.
    #[error("failed to pull `{image}`: what came for {what} is something else")]
    Digest {
        /// The image.
        image: String,
        /// The digest.
        what: String,
    },
    /// What came is longer or shorter than the manifest says.
    #[error("failed to pull `{image}`: {what} has {wanted} bytes by the manifest, and {got} came")]
    Size {
        /// The image.
        image: String,
        /// The digest.
        what: String,
        /// The bytes by the manifest.
        wanted: u64,
        /// The bytes that came, or that began to come.
        got: String,
    },
    /// The manifest or the configuration is not what an image has.
    #[error("failed to pull `{image}`: {why}")]
    Manifest {
        /// The image.
        image: String,
        /// Why.
        why: String,
    },
    /// The registry was not reached, or broke off, or failed.
    #[error("failed to pull `{image}` while {doing}: {why}")]
    Registry {
        /// The image.
        image: String,
        /// What was being done.
        doing: String,
        /// Why.
        why: String,
    },
    /// The file could not be written.
    #[error("failed to write the image `{image}`")]
    Write {
        /// The image.
        image: String,
        /// Why.
        source: io::Error,
    },
}

impl OciError {
    /// The next action.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Name { .. } => "write it such as `docker.io/vaultwarden/server:1.37.1@sha256:…`",
            Self::NotFound { .. } => "look at the registry for the tags that there are",
            Self::Refused { .. } => "a registry says the same of an image that it does not have",
            Self::Digest { .. } | Self::Size { .. } => {
                "nothing of it is kept; try again, and if it stays so, do not use that registry"
            }
            _ => return None,
        })
    }
}

/// The name of an image: registry, repository, tag and perhaps digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName(Reference);

impl ImageName {
    /// Reads a name as container engines do: `nginx` is `docker.io/library/nginx:latest`.
    ///
    /// # Errors
    /// It is no image's name, or its digest is not SHA-256.
    pub fn parse(text: &str) -> Result<Self, OciError> {
        let error = |why: String| OciError::Name {
            text: text.to_owned(),
            why,
        };
        let reference =
            Reference::try_from(text).map_err(|why: ParseError| error(why.to_string()))?;
        match reference.digest() {
            Some(digest) if !manifest::is_digest(digest) => Err(error(
                "a digest is `sha256:` and 64 hexadecimal digits in lower case".to_owned(),
            )),
            _ => Ok(Self(reference)),
        }
    }

    /// Whether the name says by itself which image it is.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.0.digest().is_some()
    }

    fn tagged(&self) -> Option<String> {
        let tag = self.0.tag()?;
        Some(format!(
            "{}/{}:{tag}",
            self.0.registry(),
            self.0.repository()
        ))
    }

    fn pin(&self, digest: &str) -> String {
        let tag = self.0.tag().map_or(String::new(), |tag| format!(":{tag}"));
        let (registry, repository) = (self.0.registry(), self.0.repository());
        format!("{registry}/{repository}{tag}@{digest}")
    }
}

impl std::fmt::Display for ImageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// An image that was found, with all that is needed to fetch it.
pub struct Found {
    registry: Registry,
    name: ImageName,
    arch: Arch,
    /// The image under its full name with its digest; this belongs into a lock.
    pub pinned: String,
    /// The manifest of the architecture's image.
    pub digest: String,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The image's identifier in container engines: its configuration's digest.
    pub id: String,
    /// The digest of the file.
    pub sha256: Digest,
    /// The bytes of the file.
    pub size: u64,
}

/// Finds an image for an architecture. A tag is looked up, and so becomes a digest.
///
/// # Errors
/// The registry is not reached, refuses, does not have it, or has something else.
pub fn find(name: &ImageName, arch: Arch, login: &Login) -> Result<Found, OciError> {
    let registry = Registry::connect(name, login)?;
    let (asked, bytes) = registry.manifest(name.0.digest())?;
    let (digest, manifest, manifest_bytes) = match manifest::read(&bytes).map_err(wrong(name))? {
        Document::Manifest(manifest) => (asked.clone(), manifest, bytes),
        Document::Index(index) => {
            let entry = index
                .choose(arch.as_str())
                .map_err(|there| missing(name, arch, there))?;
            let (digest, bytes) = registry.manifest(Some(&entry.digest))?;
            if bytes.len() as u64 != entry.size {
                return Err(size(name, entry, bytes.len().to_string()));
            }
            match manifest::read(&bytes).map_err(wrong(name))? {
                Document::Manifest(manifest) => (digest, manifest, bytes),
                Document::Index(_) => {
                    return Err(wrong(name)("its index holds another index".to_owned()));
                }
            }
        }
    };
    Ok(Found {
        registry,
        name: name.clone(),
        arch,
        pinned: name.pin(&asked),
        digest,
        manifest,
        manifest_bytes,
    })
}

impl Found {
    /// The bytes that are still to be fetched.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.manifest.blobs().map(|blob| blob.size).sum()
    }

    /// Fetches the image and writes the file. Every blob is verified on its way; where this fails, what
    /// was written is of no use.
    ///
    /// # Errors
    /// The registry fails or gives something else, or the file cannot be written.
    pub fn fetch(&self, out: &mut dyn Write) -> Result<Packed, OciError> {
        let name = &self.name;
        let config = self.registry.small_blob(&self.manifest.config)?;
        let platform = manifest::platform(&config).map_err(wrong(name))?;
        if platform.os != "linux" || platform.architecture != self.arch.as_str() {
            return Err(missing(name, self.arch, platform.to_string()));
        }
        let image = layout::Image {
            tagged: name.tagged(),
            tag: name.0.tag(),
            platform: &platform,
            digest: &self.digest,
            manifest: &self.manifest,
            manifest_size: self.manifest_bytes.len() as u64,
        };
        let written = |source| OciError::Write {
            image: name.to_string(),
            source,
        };
        let mut packer = Packer::new(out);
        packer.heading(&image).map_err(written)?;
        packer
            .blob(&self.digest, &self.manifest_bytes)
            .map_err(written)?;
        packer
            .blob(&self.manifest.config.digest, &config)
            .map_err(written)?;
        for layer in self.manifest.layers_once() {
            packer.begin(&layer.digest, layer.size).map_err(written)?;
            self.registry.blob(layer, &mut packer)?;
            packer.end().map_err(written)?;
        }
        let (sha256, size) = packer.finish().map_err(written)?;
        Ok(Packed {
            id: self.manifest.config.digest.clone(),
            sha256,
            size,
        })
    }
}

fn wrong(name: &ImageName) -> impl Fn(String) -> OciError {
    move |why| OciError::Manifest {
        image: name.to_string(),
        why,
    }
}

fn missing(name: &ImageName, wanted: Arch, there: String) -> OciError {
    OciError::Architecture {
        image: name.to_string(),
        wanted,
        there,
    }
}

fn size(name: &ImageName, blob: &Descriptor, got: String) -> OciError {
    OciError::Size {
        image: name.to_string(),
        what: blob.digest.clone(),
        wanted: blob.size,
        got,
    }
}
