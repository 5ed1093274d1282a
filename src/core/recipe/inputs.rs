//! What a build depends on. The same inputs give the same digest, and everything in an image that would be chosen by
//! chance follows from it.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Suite;
use crate::artifact::Digest;
use crate::deb::{ReleaseFile, ReleaseFileError};

/// All that a build's result depends on, beside the tools that make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The recipe's file, byte for byte.
    pub recipe: Vec<u8>,
    /// The script that builds.
    pub script: Vec<u8>,
    /// The files that are laid over the root, by path.
    pub overlay: Vec<InputFile>,
}

/// A file that is laid over the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputFile {
    /// Its path below the root, as bytes.
    pub path: Vec<u8>,
    /// What it is.
    pub content: Content,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// A folder.
    Folder,
    /// A link, and where it leads.
    Link(Vec<u8>),
    /// A file that cannot be run.
    File(Vec<u8>),
    /// A file that can be run.
    Program(Vec<u8>),
}

/// What an archive holds of a suite at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The suite.
    pub suite: String,
    /// When its list was made, in seconds since 1970.
    pub date: i64,
    /// The digest of the list of its packages, with their versions and digests.
    pub packages: Digest,
}

/// Why an archive's state is not known.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArchiveError {
    /// Its `Release` file is no good.
    #[error(transparent)]
    Release(#[from] ReleaseFileError),
    /// It does not have what a recipe needs.
    #[error("it lists no `{0}`")]
    NoIndex(String),
}

impl Archive {
    /// What a `Release` or `InRelease` file says of a suite. Its signature is not looked at: whoever fetches packages
    /// by it verifies that.
    ///
    /// # Errors
    /// It cannot be read, is of another suite, or has no packages of this architecture.
    pub fn read(text: &str, suite: &Suite, architecture: &str) -> Result<Self, ArchiveError> {
        let release = ReleaseFile::parse(signed_text(text))?;
        release.check_suite(&suite.name)?;
        let index = format!("main/binary-{architecture}/Packages");
        let packages = release
            .files
            .get(&index)
            .map(|listed| listed.sha256)
            .ok_or(ArchiveError::NoIndex(index))?;
        Ok(Self {
            suite: suite.name.clone(),
            date: release.date,
            packages,
        })
    }
}

/// The text inside a cleartext signature, RFC 9580 section 7; text without one is as it is.
fn signed_text(text: &str) -> &str {
    let Some(armoured) = text.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----") else {
        return text;
    };
    let (_, body) = armoured.split_once("\n\n").unwrap_or_default();
    body.split_once("\n-----BEGIN PGP SIGNATURE-----")
        .map_or(body, |(signed, _)| signed)
}

impl Inputs {
    /// The digest of what the user and the program bring, whatever the archives hold.
    #[must_use]
    pub fn recipe_digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        let mut add = |part: &[u8]| {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        };
        add(&self.recipe);
        add(&self.script);
        let mut files: Vec<&InputFile> = self.overlay.iter().collect();
        files.sort();
        for file in files {
            add(&file.path);
            let (kind, bytes): (&[u8], &[u8]) = match &file.content {
                Content::Folder => (b"folder", b""),
                Content::Link(target) => (b"link", target),
                Content::File(bytes) => (b"file", bytes),
                Content::Program(bytes) => (b"program", bytes),
            };
            add(kind);
            add(bytes);
        }
        Digest::from_bytes(hasher.finalize().into())
    }

    /// The digest of all, the packages that the archives have included. When a list was made does not count, but for
    /// the release's own, whose date the image bears.
    #[must_use]
    pub fn digest(&self, archives: &[Archive]) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(self.recipe_digest().as_bytes());
        hasher.update(epoch(archives).to_be_bytes());
        for archive in archives {
            hasher.update((archive.suite.len() as u64).to_be_bytes());
            hasher.update(archive.suite.as_bytes());
            hasher.update(archive.packages.as_bytes());
        }
        Digest::from_bytes(hasher.finalize().into())
    }
}

/// The time that everything bears that a build makes, in seconds since 1970: when the release's own list was made. That
/// of updates and security is made anew every few hours, also where nothing has changed.
#[must_use]
pub fn epoch(archives: &[Archive]) -> i64 {
    archives.first().map_or(0, |archive| archive.date.max(0))
}

/// What of an image would be chosen by chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities {
    /// The time that everything bears that the build makes, in seconds since 1970.
    pub epoch: i64,
    /// The root file system.
    pub root: Uuid,
    /// What the root's folders are hashed with.
    pub hash_seed: Uuid,
    /// The partition table.
    pub disk: Uuid,
    /// The partition of the root.
    pub root_partition: Uuid,
    /// The EFI system partition.
    pub esp_partition: Uuid,
    /// The partition with GRUB for PC firmware.
    pub bios_partition: Uuid,
    /// The serial number of the file system in the EFI system partition.
    pub esp_serial: u32,
}

impl Identities {
    /// Those that follow from all inputs.
    #[must_use]
    pub fn of(inputs: &Inputs, archives: &[Archive]) -> Self {
        let digest = inputs.digest(archives);
        let (space, _) = digest.as_bytes().split_at(16);
        let mut name = [0; 16];
        name.copy_from_slice(space);
        let space = Uuid::from_bytes(name);
        let of = |what: &str| Uuid::new_v5(&space, what.as_bytes());
        let [a, b, c, d, ..] = *of("esp serial").as_bytes();
        Self {
            epoch: epoch(archives),
            root: of("root"),
            hash_seed: of("hash seed"),
            disk: of("disk"),
            root_partition: of("root partition"),
            esp_partition: of("esp partition"),
            bios_partition: of("bios partition"),
            esp_serial: u32::from_be_bytes([a, b, c, d]),
        }
    }
}

/// Whether two looks at the archives saw the same packages.
#[must_use]
pub fn same_packages(before: &[Archive], after: &[Archive]) -> bool {
    let same = |(one, other): (&Archive, &Archive)| {
        one.suite == other.suite && one.packages == other.packages
    };
    epoch(before) == epoch(after)
        && before.len() == after.len()
        && before.iter().zip(after).all(same)
}
