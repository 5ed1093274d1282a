//! What a registry says of an image: index, manifest, configuration. Read from values alone.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use trustnet_core::readiness::clean;

/// The most bytes that a manifest or a configuration may have; registries take no longer ones.
pub(super) const MAX_DOCUMENT: u64 = 4 << 20;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
const LAYERS: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// What is asked for.
pub(super) const ACCEPTED: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST];

/// What stands at a name or a digest.
pub(super) enum Document {
    Index(Index),
    Manifest(Manifest),
}

/// One thing of known digest and size.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    platform: Option<Platform>,
}

/// What an image runs on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    pub(super) architecture: String,
    pub(super) os: String,
    pub(super) variant: Option<String>,
}

/// Images of several platforms.
pub(super) struct Index(Vec<Descriptor>);

/// One image.
pub(super) struct Manifest {
    pub(super) media_type: &'static str,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// Every field of the two kinds, so that a document which is both is seen.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

pub(super) fn is_digest(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    text.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

/// Reads an index or a manifest; the error says why it is none that we can use.
pub(super) fn read(bytes: &[u8]) -> Result<Document, String> {
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(format!("its manifest has more than {MAX_DOCUMENT} bytes"));
    }
    let wire: Wire = serde_json::from_slice(bytes)
        .map_err(|error| format!("its manifest cannot be read: {}", clean(&error.to_string())))?;
    if wire.schema_version != 2 {
        return Err(format!(
            "its manifest is of version {}, not 2",
            wire.schema_version
        ));
    }
    let kind = |known: [&'static str; 2]| match wire.media_type.as_deref() {
        None => Some(known[0]),
        Some(said) => known.into_iter().find(|known| *known == said),
    };
    let other = || {
        let said = wire
            .media_type
            .as_deref()
            .unwrap_or("nothing that is known");
        format!(
            "it is no container image: its manifest is `{}`",
            clean(said)
        )
    };
    match (wire.manifests, wire.config, wire.layers) {
        (Some(manifests), None, None) => {
            kind([OCI_INDEX, DOCKER_INDEX]).ok_or_else(other)?;
            manifests.iter().try_for_each(checked)?;
            Ok(Document::Index(Index(manifests)))
        }
        (None, Some(config), Some(layers)) => {
            let media_type = kind([OCI_MANIFEST, DOCKER_MANIFEST]).ok_or_else(other)?;
            of_type(&config, &CONFIGURATIONS)?;
            if config.size > MAX_DOCUMENT {
                return Err(format!(
                    "its configuration has more than {MAX_DOCUMENT} bytes"
                ));
            }
            for layer in &layers {
                of_type(layer, &LAYERS)?;
            }
            let sizes = layers.iter().map(|layer| layer.size);
            sizes
                .chain([config.size])
                .try_fold(0_u64, u64::checked_add)
                .ok_or("its layers are larger than any disk")?;
            Ok(Document::Manifest(Manifest {
                media_type,
                config,
                layers,
            }))
        }
        _ => Err(other()),
    }
}

fn checked(descriptor: &Descriptor) -> Result<(), String> {
    if is_digest(&descriptor.digest) {
        Ok(())
    } else {
        let digest = clean(&descriptor.digest);
        Err(format!(
            "its manifest has the digest `{digest}`, which is not SHA-256"
        ))
    }
}

fn of_type(descriptor: &Descriptor, known: &[&str]) -> Result<(), String> {
    checked(descriptor)?;
    if known.contains(&descriptor.media_type.as_str()) {
        return Ok(());
    }
    let said = clean(&descriptor.media_type);
    Err(format!(
        "it has a part of the type `{said}`, which no container image for Linux has"
    ))
}

/// The platform that a configuration names.
pub(super) fn platform(config: &[u8]) -> Result<Platform, String> {
    serde_json::from_slice(config).map_err(|error| {
        format!(
            "its configuration cannot be read: {}",
            clean(&error.to_string())
        )
    })
}

impl Index {
    /// The image for an architecture; of its variants the plain one, else the first. Else the platforms
    /// that there are.
    pub(super) fn choose(&self, architecture: &str) -> Result<&Descriptor, String> {
        let fits = |descriptor: &&Descriptor| {
            let platform = descriptor.platform.as_ref();
            platform.is_some_and(|p| p.os == "linux" && p.architecture == architecture)
        };
        let variant = |descriptor: &Descriptor| {
            let platform = descriptor.platform.as_ref();
            platform.and_then(|platform| platform.variant.clone())
        };
        let plain = |descriptor: &&Descriptor| {
            let plain = if architecture == "arm64" { "v8" } else { "v1" };
            variant(descriptor).is_none_or(|variant| variant == plain)
        };
        let mut fitting = self.0.iter().filter(fits);
        let first = fitting.clone().next();
        fitting
            .find(plain)
            .or(first)
            .ok_or_else(|| self.platforms())
    }

    fn platforms(&self) -> String {
        // What builders add to vouch for an image has a platform of this name.
        let platforms = self.0.iter().filter_map(|d| d.platform.as_ref());
        let real = platforms.filter(|platform| platform.os != "unknown");
        let names: BTreeSet<String> = real.map(ToString::to_string).collect();
        if names.is_empty() {
            return "no platform at all".to_owned();
        }
        names.into_iter().collect::<Vec<_>>().join(", ")
    }
}

impl Manifest {
    /// Configuration and layers, each once.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(self.layers_once())
    }

    /// The layers in their order; one that comes twice, once.
    pub(super) fn layers_once(&self) -> impl Iterator<Item = &Descriptor> {
        let mut seen = BTreeSet::from([&self.config.digest]);
        self.layers
            .iter()
            .filter(move |layer| seen.insert(&layer.digest))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            architecture,
            os,
            variant,
        } = self;
        let mut text = format!("{os}/{architecture}");
        if let Some(variant) = variant {
            text = format!("{text}/{variant}");
        }
        f.write_str(&clean(&text))
    }
}
