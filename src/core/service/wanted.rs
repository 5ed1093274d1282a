//! What has to be in the cache before a service can be brought into a guest.

use trustnet_api::service::{Artifact, Checksums};

use crate::artifact::{Arch, Checksum};

use super::template::{Escape, Scope, TemplateError, render};

/// An artifact that a service of a guest needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The service.
    pub service: String,
    /// Its version.
    pub version: String,
    /// The guest's architecture.
    pub arch: Arch,
    /// The artifact's name.
    pub name: String,
    /// Where it comes from.
    pub source: ArtifactSource,
}

/// Where an artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactSource {
    /// A download.
    Url {
        /// The URL.
        url: String,
        /// The digest that it must have, where the definition gives it.
        digest: Option<Checksum>,
        /// The publisher's list of digests.
        checksums: Option<Checksums>,
    },
    /// Packages of a Debian-like distribution, with all that they depend on.
    Deb {
        /// The guest's distribution, such as `debian-12`.
        release: String,
        /// The packages' names.
        packages: Vec<String>,
    },
    /// An image of an OCI registry.
    Oci {
        /// The image, without tag and digest.
        image: String,
        /// The tag.
        tag: String,
        /// The digest that it must have, as `sha256:…`, where the definition gives it.
        digest: Option<String>,
    },
    /// A file of the host.
    File {
        /// Its path, relative to the definition's folder.
        path: String,
        /// The digest that it must have, where the definition gives it.
        digest: Option<Checksum>,
    },
}

/// What is wanted for an artifact of a definition; none for packages that the guest gets by itself.
pub(super) fn of(
    artifact: &Artifact,
    scope: &Scope,
    pinned_version: &str,
    guest_os: &str,
) -> Result<Option<ArtifactSource>, TemplateError> {
    let whole = |text: &str| render(text, scope, Escape::Whole);
    // Digests belong to one version.
    let pinned = scope.version == pinned_version;
    let digest = pinned
        .then(|| artifact.digests.get(&scope.arch))
        .flatten()
        .and_then(|text| Checksum::labelled(text));
    if let Some(url) = &artifact.url {
        let checksums = artifact.checksums.as_ref().map(|list| {
            let optional = |text: &Option<String>| text.as_deref().map(whole).transpose();
            Ok(Checksums {
                url: whole(&list.url)?,
                name: optional(&list.name)?,
                signature: optional(&list.signature)?,
                keyring: list.keyring.clone(),
                minisign: optional(&list.minisign)?,
                minisign_key: list.minisign_key.clone(),
            })
        });
        return Ok(Some(ArtifactSource::Url {
            url: whole(url)?,
            digest,
            checksums: checksums.transpose()?,
        }));
    }
    if let Some(image) = &artifact.oci {
        return Ok(Some(ArtifactSource::Oci {
            image: whole(&image.image)?,
            tag: whole(image.tag.as_deref().unwrap_or("{{ version }}"))?,
            digest: image.digest.clone().filter(|_| pinned),
        }));
    }
    if let Some(path) = &artifact.file {
        return Ok(Some(ArtifactSource::File {
            path: whole(path)?,
            digest,
        }));
    }
    let Some(packages) = &artifact.packages else {
        return Ok(None);
    };
    let apt = guest_os.starts_with("debian-") || guest_os.starts_with("ubuntu-");
    if !apt || packages.apt.is_empty() {
        return Ok(None);
    }
    let packages: Result<Vec<String>, TemplateError> =
        packages.apt.iter().map(|name| whole(name)).collect();
    Ok(Some(ArtifactSource::Deb {
        release: guest_os.to_owned(),
        packages: packages?,
    }))
}
