//! The lock file: which versions were chosen, and what every artifact must be. With it a run needs no network, and
//! gives the same guests.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::artifact::{Arch, ArtifactId, ArtifactKind, Digest};

/// The name of the file, beside the specs.
pub const FILE_NAME: &str = "trustnet-vm.lock";

const API_VERSION: &str = "trustnet.io/v1alpha1";
const KIND: &str = "Lock";

/// What stands above the lock.
const HEADER: &str = "# Written by trustnet-vm; to be kept with the specs.\n";

/// A lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    versions: BTreeMap<(String, String), String>,
    artifacts: BTreeMap<LockKey, Locked>,
}

/// Which artifact is locked: a set of packages once for each release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockKey {
    /// Which.
    pub artifact: ArtifactId,
    /// The guest's release, such as `debian-12`, for a set of packages.
    pub release: Option<String>,
}

impl LockKey {
    /// Whether it is for guests of a release, or for all. The index of a set of packages has the release in its name.
    fn is_for(&self, release: Option<&str>) -> bool {
        let index = self.artifact.name().strip_suffix(".Packages");
        match (&self.release, index) {
            (Some(own), _) => Some(own.as_str()) == release,
            (None, Some(name)) => release.is_some_and(|release| {
                name.strip_suffix(release)
                    .is_some_and(|name| name.ends_with('.'))
            }),
            (None, None) => true,
        }
    }
}

/// A version of a service that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The service.
    pub service: String,
    /// What was asked for, if anything.
    pub requested: Option<String>,
    /// The version, where that needs no look-up.
    pub exact: Option<String>,
    /// The definition's own version.
    pub own: String,
}

/// What an artifact must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// A file.
    File {
        /// How it is fetched.
        kind: ArtifactKind,
        /// From where.
        source: String,
        /// Its digest.
        sha256: Digest,
        /// Its size.
        size: u64,
    },
    /// A set of packages.
    Packages {
        /// From where.
        source: String,
        /// The packages, in the order of their names.
        packages: Vec<LockedPackage>,
    },
}

/// A package of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it is in its archive.
    pub filename: String,
    /// Its digest.
    pub sha256: Digest,
    /// Its size.
    pub size: u64,
}

/// How many missing files are told one by one.
const MOST_TOLD: usize = 20;

/// Something that is locked and not in the cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Which artifact needs it.
    pub artifact: ArtifactId,
    /// The package and its version, for a set of them.
    pub package: Option<(String, String)>,
    /// Its digest.
    pub sha256: Digest,
    /// Its size.
    pub size: u64,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.package {
            Some((name, version)) => write!(f, "{name} {version} {}", self.artifact.arch())?,
            None => write!(f, "{}", self.artifact)?,
        }
        write!(f, " sha256:{}", self.sha256)
    }
}

impl Missing {
    /// A line for each file, up to a number, and one for the rest.
    #[must_use]
    pub fn lines(files: &[Self]) -> Vec<String> {
        let told = files.iter().take(MOST_TOLD).map(Self::to_string);
        let rest = files.len().saturating_sub(MOST_TOLD);
        let rest = (rest > 0).then(|| format!("and {rest} more"));
        told.chain(rest).collect()
    }
}

/// Why a text is no lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LockError(String);

/// What a document says it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
}

/// The lock as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    #[serde(default)]
    services: Vec<WrittenVersion>,
    #[serde(default)]
    artifacts: Vec<WrittenArtifact>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenVersion {
    name: String,
    requested: String,
    version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenArtifact {
    service: String,
    version: String,
    arch: Arch,
    name: String,
    kind: ArtifactKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packages: Option<Vec<LockedPackage>>,
}

impl Lock {
    /// The version that was chosen for a request.
    #[must_use]
    pub fn version(&self, service: &str, requested: &str) -> Option<&str> {
        let key = (service.to_owned(), requested.to_owned());
        self.versions.get(&key).map(String::as_str)
    }

    /// Keeps the version that was chosen for a request.
    pub fn set_version(&mut self, service: &str, requested: &str, version: &str) {
        let key = (service.to_owned(), requested.to_owned());
        self.versions.insert(key, version.to_owned());
    }

    /// What an artifact must be.
    #[must_use]
    pub fn get(&self, artifact: &ArtifactId, release: Option<&str>) -> Option<&Locked> {
        self.artifacts.get(&LockKey {
            artifact: artifact.clone(),
            release: release.map(str::to_owned),
        })
    }

    /// Keeps what an artifact must be.
    pub fn set(&mut self, key: LockKey, mut locked: Locked) {
        if let Locked::Packages { packages, .. } = &mut locked {
            packages.sort();
        }
        self.artifacts.insert(key, locked);
    }

    /// Takes away what is locked of a service.
    pub fn forget(&mut self, service: &str) {
        self.versions.retain(|(name, _), _| name != service);
        self.artifacts
            .retain(|key, _| key.artifact.service() != service);
    }

    /// This lock with what another says, where that says something.
    #[must_use]
    pub fn overlaid(mut self, newer: Self) -> Self {
        self.versions.extend(newer.versions);
        self.artifacts.extend(newer.artifacts);
        self
    }

    /// This lock with what was renewed of services, for one architecture and release, in the place of what it
    /// had of the same versions.
    #[must_use]
    pub fn renewed(
        mut self,
        fresh: Self,
        services: &[&str],
        arch: Arch,
        release: Option<&str>,
    ) -> Self {
        let version = |key: &LockKey| {
            let id = &key.artifact;
            (id.service().to_owned(), id.version().to_owned())
        };
        let versions: BTreeSet<_> = fresh.artifacts.keys().map(version).collect();
        self.artifacts.retain(|key, _| {
            let covered = services.contains(&key.artifact.service())
                && key.artifact.arch() == arch
                && key.is_for(release);
            !(covered && versions.contains(&version(key)))
        });
        self.overlaid(fresh)
    }

    /// Takes away what nobody asks for, of those services that are `concerned`.
    pub fn retain(&mut self, demands: &[Demand], concerned: impl Fn(&str) -> bool) {
        self.versions.retain(|(service, requested), _| {
            let asked = demands
                .iter()
                .any(|one| one.service == *service && one.requested.as_deref() == Some(requested));
            asked || !concerned(service)
        });
        let versions = demands.iter().map(|one| {
            let requested = one.requested.as_deref().unwrap_or_default();
            let locked = self.version(&one.service, requested);
            let version = one.exact.as_deref().or(locked).unwrap_or(&one.own);
            (one.service.clone(), version.to_owned())
        });
        let versions: BTreeSet<(String, String)> = versions.collect();
        self.artifacts.retain(|key, _| {
            let id = &key.artifact;
            let version = (id.service().to_owned(), id.version().to_owned());
            versions.contains(&version) || !concerned(id.service())
        });
    }

    /// All that is locked.
    pub fn artifacts(&self) -> impl Iterator<Item = (&LockKey, &Locked)> {
        self.artifacts.iter()
    }

    /// Every digest that is locked.
    #[must_use]
    pub fn digests(&self) -> BTreeSet<Digest> {
        let all = self.artifacts.keys().collect::<Vec<_>>();
        let files = self.missing(&all, |_| false);
        files.into_iter().map(|file| file.sha256).collect()
    }

    /// What is locked of some artifacts and not in the cache, each digest once.
    #[must_use]
    pub fn missing(&self, of: &[&LockKey], have: impl Fn(&Digest) -> bool) -> Vec<Missing> {
        let mut seen = BTreeSet::new();
        let mut missing = self.files(of);
        missing.retain(|file| !have(&file.sha256) && seen.insert(file.sha256));
        missing
    }

    /// Every file of artifacts, as one that would be missing.
    fn files(&self, of: &[&LockKey]) -> Vec<Missing> {
        let mut files = Vec::new();
        for (key, locked) in of
            .iter()
            .filter_map(|key| self.artifacts.get_key_value(key))
        {
            let file = |package: Option<&LockedPackage>, sha256, size| Missing {
                artifact: key.artifact.clone(),
                package: package.map(|one| (one.name.clone(), one.version.clone())),
                sha256,
                size,
            };
            match locked {
                Locked::File { sha256, size, .. } => files.push(file(None, *sha256, *size)),
                Locked::Packages { packages, .. } => files.extend(
                    packages
                        .iter()
                        .map(|package| file(Some(package), package.sha256, package.size)),
                ),
            }
        }
        files
    }

    /// The lock as text: the same lock gives the same bytes.
    ///
    /// # Errors
    /// It cannot be written as YAML.
    pub fn to_yaml(&self) -> Result<String, LockError> {
        let document = Document {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            services: self.written_versions(),
            artifacts: self.artifacts.iter().map(written).collect(),
        };
        let yaml =
            serde_saphyr::to_string(&document).map_err(|error| LockError(error.to_string()))?;
        Ok(format!("{HEADER}{yaml}"))
    }

    fn written_versions(&self) -> Vec<WrittenVersion> {
        let versions = self.versions.iter();
        versions
            .map(|((name, requested), version)| WrittenVersion {
                name: name.clone(),
                requested: requested.clone(),
                version: version.clone(),
            })
            .collect()
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// It is none, or not one that this program knows.
    pub fn parse(yaml: &str) -> Result<Self, LockError> {
        // A newer one may have fields that this program does not know.
        let head: Head = from_yaml(yaml)?;
        if head.api_version != API_VERSION || head.kind != KIND {
            return Err(LockError(format!(
                "it is `{}` of `{}`; this program knows `{KIND}` of `{API_VERSION}`",
                head.kind, head.api_version
            )));
        }
        let document: Document = from_yaml(yaml)?;
        let mut lock = Self::default();
        for WrittenVersion {
            name,
            requested,
            version,
        } in document.services
        {
            if lock.version(&name, &requested).is_some() {
                return Err(LockError(format!("`{name}` {requested} is locked twice")));
            }
            lock.set_version(&name, &requested, &version);
        }
        for artifact in document.artifacts {
            let (key, locked) = read(artifact)?;
            if lock.artifacts.contains_key(&key) {
                return Err(LockError(format!("{} is locked twice", key.artifact)));
            }
            lock.set(key, locked);
        }
        Ok(lock)
    }
}

fn from_yaml<T: serde::de::DeserializeOwned>(yaml: &str) -> Result<T, LockError> {
    serde_saphyr::from_str(yaml).map_err(|error| {
        LockError(
            error
                .without_snippet()
                .render_with_formatter(&serde_saphyr::UserMessageFormatter),
        )
    })
}

fn written((key, locked): (&LockKey, &Locked)) -> WrittenArtifact {
    let mut artifact = WrittenArtifact {
        service: key.artifact.service().to_owned(),
        version: key.artifact.version().to_owned(),
        arch: key.artifact.arch(),
        name: key.artifact.name().to_owned(),
        kind: ArtifactKind::Deb,
        release: key.release.clone(),
        source: String::new(),
        sha256: None,
        size: None,
        packages: None,
    };
    match locked.clone() {
        Locked::File {
            kind,
            source,
            sha256,
            size,
        } => {
            artifact.kind = kind;
            artifact.source = source;
            artifact.sha256 = Some(sha256);
            artifact.size = Some(size);
        }
        Locked::Packages { source, packages } => {
            artifact.source = source;
            artifact.packages = Some(packages);
        }
    }
    artifact
}

fn read(artifact: WrittenArtifact) -> Result<(LockKey, Locked), LockError> {
    let WrittenArtifact {
        service,
        version,
        arch,
        name,
        kind,
        release,
        source,
        sha256,
        size,
        packages,
    } = artifact;
    let id = ArtifactId::new(&service, &version, arch, &name)
        .map_err(|error| LockError(error.to_string()))?;
    let locked = match (kind, sha256, size, packages) {
        (ArtifactKind::Deb, None, None, Some(packages)) if release.is_some() => {
            Locked::Packages { source, packages }
        }
        (kind, Some(sha256), Some(size), None)
            if kind != ArtifactKind::Deb && release.is_none() =>
        {
            Locked::File {
                kind,
                source,
                sha256,
                size,
            }
        }
        (ArtifactKind::Deb, ..) => {
            return Err(LockError(format!(
                "{id}: packages are locked by `release` and `packages`, and nothing beside"
            )));
        }
        _ => {
            return Err(LockError(format!(
                "{id}: a file is locked by `sha256` and `size`, and nothing beside"
            )));
        }
    };
    Ok((
        LockKey {
            artifact: id,
            release,
        },
        locked,
    ))
}

#[cfg(test)]
mod tests;
