//! The catalogue of images: where publishers have them, and what vouches for them. `images/catalog.yaml` is built in,
//! and the user's own catalogues come before it.

/// The rules of a catalogue, beyond the types of its fields.
mod check;

use std::cmp::Reverse;
use std::fmt;

use trustnet_api::image_catalogue::{CatalogueImage, ImageArch, ImageCatalogue};

pub use self::check::check;
use crate::artifact::{Arch, Checksum, Trust};
use crate::load;
use crate::path;
use crate::problem::Problem;
use crate::service::Origin;
use crate::suggest;
use crate::version::Version;

/// The catalogue that the program brings.
const BUILT_IN: &str = include_str!("../../../images/catalog.yaml");

/// The keys that it names, below `images/keys`.
const KEYS: [(&str, &[u8]); 1] = [(
    "ubuntu-images.gpg",
    include_bytes!("../../../images/keys/ubuntu-images.gpg"),
)];

/// An image of a publisher, for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    wire: CatalogueImage,
    origin: Origin,
}

/// All images that are known: by name, then the newest first.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    images: Vec<Image>,
}

/// Why there is no such image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// The catalogue does not have it.
    #[error("there is no image `{wanted}` in the catalogue")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What may be meant.
        near: Option<String>,
        /// The names that there are.
        known: Vec<String>,
    },
    /// It is there, for other guests.
    #[error("the catalogue has no image `{wanted}` for {arch}")]
    Arch {
        /// What was asked for.
        wanted: String,
        /// For which architecture.
        arch: Arch,
        /// For which there is one.
        known: Vec<Arch>,
    },
}

impl FindError {
    /// The name that may be meant.
    #[must_use]
    pub fn near(&self) -> Option<&str> {
        match self {
            Self::Unknown { near, .. } => near.as_deref(),
            Self::Arch { .. } => None,
        }
    }

    /// The next action.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown {
                near: Some(near), ..
            } => format!("did you mean `{near}`?"),
            Self::Unknown { known, .. } => format!("there are {}", listed(known)),
            Self::Arch { known, .. } => format!("it has one for {}", listed(known)),
        }
    }
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

impl Image {
    /// What it is an image of.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.wire.name
    }
    /// The version, as its publisher writes it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.wire.version
    }
    /// The architecture of its guests.
    #[must_use]
    pub fn arch(&self) -> Arch {
        arch_of(&self.wire)
    }
    /// By what it is pulled, and the name that it has in a pool: `NAME-VERSION`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.name(), self.version())
    }
    /// What was written.
    #[must_use]
    pub fn wire(&self) -> &CatalogueImage {
        &self.wire
    }
    /// Where it was written.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What vouches for it: [`check`] has seen that something does. `keys` gives what a file with keys holds, by its
    /// name beside a catalogue of the user's.
    ///
    /// # Errors
    /// The keys cannot be had.
    pub fn trust<E>(
        &self,
        keys: impl FnOnce(&str) -> Result<Vec<u8>, E>,
    ) -> Result<Option<Trust>, E> {
        let digest = self.wire.digest.as_deref().and_then(Checksum::labelled);
        if let Some(checksum) = digest {
            return Ok(Some(Trust::Pinned(checksum)));
        }
        let Some(list) = &self.wire.checksums else {
            return Ok(None);
        };
        let trust = Trust::published(list, |name| match &self.origin {
            Origin::BuiltIn => Ok(own_keys(name)),
            Origin::File(_) => keys(name),
        });
        trust.map(Some)
    }

    /// Images of one name stand together, the newest first.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let age = |image: &Self| {
            let version = image.version().to_owned();
            Reverse((Version::parse(&version), version))
        };
        self.name()
            .cmp(other.name())
            .then_with(|| age(self).cmp(&age(other)))
            .then_with(|| self.arch().cmp(&other.arch()))
    }
}

/// The keys of that name that the program brings. A test looks at each name: there are some.
fn own_keys(name: &str) -> Vec<u8> {
    let found = KEYS.iter().find(|(known, _)| *known == name);
    found.map_or_else(Vec::new, |(_, keys)| keys.to_vec())
}

fn arch_of(image: &CatalogueImage) -> Arch {
    match image.arch {
        ImageArch::Amd64 => Arch::Amd64,
        ImageArch::Arm64 => Arch::Arm64,
    }
}

impl Catalogue {
    /// The catalogue that the program brings.
    #[must_use]
    pub fn builtin() -> Self {
        let mut catalogue = Self::default();
        // A test looks at each: none has problems.
        for document in load::load_image_catalogues(BUILT_IN.as_bytes()).0 {
            let _ = catalogue.add(document.object, &Origin::BuiltIn);
        }
        catalogue
    }

    /// Adds the images of a catalogue; one of ours of the same name, version and architecture gives way.
    ///
    /// # Errors
    /// All problems of the catalogue, if there is one; nothing is added then. That another file of the user's has one
    /// of the images is a problem too: which of them counts would be chance.
    pub fn add(&mut self, catalogue: ImageCatalogue, origin: &Origin) -> Result<(), Vec<Problem>> {
        let mut problems = check(&catalogue);
        problems.extend(self.twins(&catalogue));
        if !problems.is_empty() {
            return Err(problems);
        }
        for wire in catalogue.items {
            let image = Image {
                wire,
                origin: origin.clone(),
            };
            self.images.retain(|there| there.order(&image).is_ne());
            self.images.push(image);
        }
        self.images.sort_by(Image::order);
        Ok(())
    }

    fn twins(&self, catalogue: &ImageCatalogue) -> Vec<Problem> {
        let items = catalogue.items.iter().enumerate();
        let twins = items.filter_map(|(index, wire)| {
            let same = |there: &&Image| {
                let arch = there.wire.arch == wire.arch;
                arch && there.name() == wire.name && there.version() == wire.version
            };
            let twin = self.images.iter().find(same)?;
            let Origin::File(file) = &twin.origin else {
                return None;
            };
            let message = format!("`{}` for {} is in `{file}` too", twin.id(), twin.arch());
            Some(Problem::error(path::item("items", index), message).hint("keep one of them"))
        });
        twins.collect()
    }

    /// The image that is asked for by `NAME-VERSION`, or by `NAME` in its newest version, for that architecture.
    ///
    /// # Errors
    /// There is none; the error knows what comes near.
    pub fn find(&self, wanted: &str, arch: Arch) -> Result<&Image, FindError> {
        let named = |image: &&Image| image.id() == wanted || image.name() == wanted;
        let found = self.images.iter().filter(named);
        if let Some(image) = found.clone().find(|image| image.arch() == arch) {
            return Ok(image);
        }
        let mut known: Vec<Arch> = found.map(Image::arch).collect();
        if known.is_empty() {
            return Err(self.unknown(wanted));
        }
        known.sort_unstable();
        known.dedup();
        let wanted = wanted.to_owned();
        Err(FindError::Arch {
            wanted,
            arch,
            known,
        })
    }

    fn unknown(&self, wanted: &str) -> FindError {
        let mut known: Vec<String> = self.images.iter().map(Image::id).collect();
        known.dedup();
        let names = self.images.iter().map(Image::name);
        let names = known.iter().map(String::as_str).chain(names);
        FindError::Unknown {
            wanted: wanted.to_owned(),
            near: suggest::nearest(wanted, names).map(str::to_owned),
            known,
        }
    }

    /// All images: by name, then the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Image> {
        self.images.iter()
    }
}

#[cfg(test)]
mod tests;
