//! Artifacts: files that a service needs, named by who needs them and known by their digest.

/// Lists of checksums, as publishers write them.
pub mod checksums;
/// SHA-256 digests.
pub mod digest;
/// What is recorded of an artifact that is in the cache.
pub mod entry;
/// Artifacts that go together.
pub mod set;
/// Where an artifact comes from, and what vouches for it.
pub mod source;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use digest::{Digest, DigestError};
pub use entry::{Entry, Verified, VerifiedBy};
pub use set::ArtifactSet;
pub use source::{Checksum, Signature, Trust, UrlSource};

/// The longest part of an artifact's name: with what the cache adds it stays a valid file name.
const MAX_PART: usize = 200;

/// The architecture of a guest, by the name that Debian and Go give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

/// How an artifact is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactKind {
    /// A file behind a URL.
    Url,
    /// A package of a Debian archive.
    Deb,
    /// A container image.
    Oci,
    /// A local build.
    File,
}

/// Which artifact: of which service, in which version, for which architecture, by which name. Every part is a
/// file name of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "WrittenId", into = "WrittenId")]
pub struct ArtifactId {
    service: String,
    version: String,
    arch: Arch,
    name: String,
}

/// Why a part of an artifact's name is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {part} `{text}` {why}")]
pub struct IdError {
    /// Which part.
    pub part: &'static str,
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// No architecture that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the architecture `{0}` is not known; known are amd64 and arm64")]
pub struct ArchError(pub String);

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Its name: Debian's and Go's.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Its name in libvirt, which is the kernel's.
    #[must_use]
    pub fn libvirt(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Reads a name, Debian's or libvirt's.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, ArchError> {
        Self::ALL
            .into_iter()
            .find(|arch| text == arch.as_str() || text == arch.libvirt())
            .ok_or_else(|| ArchError(text.to_owned()))
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ArtifactKind {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Deb => "deb",
            Self::Oci => "oci",
            Self::File => "file",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ArtifactId {
    /// Names an artifact.
    ///
    /// # Errors
    /// A part is no file name.
    pub fn new(service: &str, version: &str, arch: Arch, name: &str) -> Result<Self, IdError> {
        Ok(Self {
            service: part("service", service)?,
            version: part("version", version)?,
            arch,
            name: part("name", name)?,
        })
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The version of the service.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The architecture.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            version,
            arch,
            name,
        } = self;
        write!(f, "{service} {version} {arch} {name}")
    }
}

/// Whether a text can stand as a file name in every place where one is made of it: letters, digits and
/// `._+~%:@=-`, neither hidden nor like an option.
fn part(part: &'static str, text: &str) -> Result<String, IdError> {
    let bad = |why| {
        Err(IdError {
            part,
            text: text.chars().take(MAX_PART).collect(),
            why,
        })
    };
    if text.is_empty() {
        return bad("is empty");
    }
    if text.len() > MAX_PART {
        return bad("is longer than 200 characters");
    }
    if text.starts_with(['.', '-']) {
        return bad("begins with `.` or `-`");
    }
    let known = |c: char| c.is_ascii_alphanumeric() || "._+~%:@=-".contains(c);
    if !text.chars().all(known) {
        return bad("holds more than letters, digits and `._+~%:@=-`");
    }
    Ok(text.to_owned())
}

/// An artifact's name as it is written; checked when it is read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenId {
    service: String,
    version: String,
    arch: Arch,
    name: String,
}

impl TryFrom<WrittenId> for ArtifactId {
    type Error = IdError;

    fn try_from(id: WrittenId) -> Result<Self, IdError> {
        Self::new(&id.service, &id.version, id.arch, &id.name)
    }
}

impl From<ArtifactId> for WrittenId {
    fn from(id: ArtifactId) -> Self {
        Self {
            service: id.service,
            version: id.version,
            arch: id.arch,
            name: id.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_is_known_by_both_of_its_names() {
        for arch in Arch::ALL {
            assert_eq!(Arch::parse(arch.as_str()), Ok(arch));
            assert_eq!(Arch::parse(arch.libvirt()), Ok(arch));
        }
        assert!(Arch::parse("AMD64").is_err());
    }

    #[test]
    fn a_name_that_leaves_its_folder_or_hides_in_it_is_refused() {
        let id = |name: &str| ArtifactId::new("sql", "15", Arch::Amd64, name);
        for good in [
            "a",
            "libc6_2.36-9+deb12u10_amd64.deb",
            "1%3a2~rc1",
            "x=y@z:1",
        ] {
            assert!(id(good).is_ok(), "{good}");
        }
        let long = "a".repeat(201);
        for bad in [
            "", ".", "..", ".x", "-x", "a/b", "a\0", "a b", "a\n", "ä", &long,
        ] {
            let error = id(bad).expect_err(bad);
            assert_eq!(error.part, "name");
            assert!(ArtifactId::new(bad, "1", Arch::Amd64, "x").is_err());
            assert!(ArtifactId::new("x", bad, Arch::Amd64, "x").is_err());
        }
        let read: Result<ArtifactId, _> = serde_json::from_str(
            r#"{"service": "..", "version": "1", "arch": "amd64", "name": "x"}"#,
        );
        assert!(read.is_err());
    }
}
