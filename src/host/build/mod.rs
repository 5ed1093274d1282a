//! Building: an image from a recipe, once for each state of what it is made of.

/// What the archives hold.
mod archives;
/// A recipe's folder.
mod folder;
/// The script that builds, and what it is told.
mod script;
/// What must be installed.
mod tools;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use trustnet_core::artifact::Digest;
use trustnet_core::recipe::{
    Archive, ArchiveError, Identities, Inputs, Mirrors, Recipe, same_packages,
};

pub use self::folder::{Source, read_overlay};
use self::script::Script;
use crate::cache::download::{DownloadError, Fetch, Watch, shown};
use crate::error::HostError;
use crate::lock::Lock;

/// The script that builds.
const SCRIPT: &str = include_str!("../../../images/build-debian.sh");

/// Why an image was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file of this machine.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Programs are not installed.
    #[error("cannot build: {} missing", list(.programs))]
    Tools {
        /// The programs and files.
        programs: Vec<&'static str>,
        /// Debian's packages that bring them.
        packages: Vec<&'static str>,
    },
    /// An archive was not asked.
    #[error("failed to look at `{suite}` of `{}`", shown(.mirror))]
    Archive {
        /// The suite.
        suite: String,
        /// Its archive.
        mirror: String,
        /// Why.
        source: DownloadError,
    },
    /// An archive's answer is no good.
    #[error("failed to read what `{mirror}` says of `{suite}`")]
    Answer {
        /// The suite.
        suite: String,
        /// Its archive.
        mirror: String,
        /// Why.
        source: ArchiveError,
    },
    /// An archive got other packages meanwhile.
    #[error("the archive changed while `{0}` was built from it")]
    Moved(String),
    /// Nothing was built of the recipe as it is, and nothing may be fetched.
    #[error("no image of `{0}` as the recipe is now is in the cache")]
    NotCached(String),
    /// A command of the recipe failed.
    #[error("`spec.commands[{number}]` failed: {command}\n{said}")]
    Command {
        /// Its place in the recipe's list.
        number: usize,
        /// The command.
        command: String,
        /// The last lines that it said.
        said: String,
    },
    /// Something else of the build failed.
    #[error("failed to build `{name}`: {status}\n{said}")]
    Failed {
        /// The image.
        name: String,
        /// How the script ended.
        status: String,
        /// The last lines that were said.
        said: String,
    },
    /// Another user's folder is where the build's own is to be.
    #[error("`{}` is not ours", .0.display())]
    Foreign(PathBuf),
    /// Something is mounted in the folder that is the build's own.
    #[error("something is mounted below `{}`", .0.display())]
    Mounted(PathBuf),
    /// The user interrupted.
    #[error("interrupted: nothing of the build was left")]
    Stopped,
}

impl BuildError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tools { packages, .. } => Some(format!("apt-get install {}", packages.join(" "))),
            Self::Archive { .. } => {
                Some("name a mirror that answers with `--mirror`, or give `--offline`".to_owned())
            }
            Self::Moved(_) => Some("build it again".to_owned()),
            Self::NotCached(_) => Some("leave `--offline` out once".to_owned()),
            Self::Mounted(folder) => Some(format!("umount --recursive {}/*", folder.display())),
            Self::Foreign(_) => Some("remove it, or set TMPDIR".to_owned()),
            Self::Host(_)
            | Self::Answer { .. }
            | Self::Command { .. }
            | Self::Failed { .. }
            | Self::Stopped => None,
        }
    }
}

fn list(programs: &[&str]) -> String {
    let quoted: Vec<String> = programs.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [one] => format!("{one} is"),
        _ => format!("{} are", quoted.join(", ")),
    }
}

/// What is to be built.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its file and what is laid over the root.
    pub source: &'a Source,
    /// Where packages are fetched from.
    pub mirrors: Mirrors,
    /// Whether only what is in the cache counts, whatever the archives hold now.
    pub offline: bool,
    /// Whether it is built although it is there.
    pub force: bool,
}

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The file; it is the cache's.
    pub path: PathBuf,
    /// Whether this call has built it.
    pub new: bool,
}

/// Where builds are kept, and those who watch.
pub struct Builder<'a> {
    /// The folder with built images.
    pub folder: &'a Path,
    /// A folder for what is on its way; other users must be able to go through it.
    pub temporary: &'a Path,
    /// The door to the archives.
    pub from: &'a dyn Fetch,
    /// Whether to stop.
    pub watch: &'a dyn Watch,
    /// Hears the lines that are said meanwhile.
    pub hear: &'a (dyn Fn(&str) + Sync),
}

impl Builder<'_> {
    /// The image of the recipe as it is now and of the packages that the archives have now: built where that is not in
    /// the cache. Where the archives cannot be reached, the newest that was built of the recipe will do.
    ///
    /// # Errors
    /// It cannot be built. Nothing is left then.
    pub fn build(&self, wanted: &Wanted<'_>) -> Result<Built, BuildError> {
        let name = wanted.recipe.name();
        fs::create_dir_all(self.folder).map_err(HostError::file("make", self.folder))?;
        let lock = self.folder.join(format!(".{name}.lock"));
        let stop = || self.watch.stopped();
        let Some(_lock) = Lock::take_unless(&lock, stop)? else {
            return Err(BuildError::Stopped);
        };
        let inputs = Inputs {
            recipe: wanted.source.recipe.clone(),
            script: SCRIPT.as_bytes().to_vec(),
            overlay: wanted.source.overlay.clone(),
        };
        let recipe = inputs.recipe_digest();
        if wanted.offline {
            let newest = self.newest(name, &recipe)?;
            let path = newest.ok_or_else(|| BuildError::NotCached(name.to_owned()))?;
            return Ok(Built { path, new: false });
        }
        let suites = wanted.recipe.suites(&wanted.mirrors);
        let architecture = &wanted.recipe.spec().architecture;
        let archives = match archives::ask(self.from, &suites, architecture, self.watch) {
            Err(BuildError::Archive { suite, mirror, .. }) if !wanted.force && !stop() => {
                match self.newest(name, &recipe)? {
                    Some(path) => {
                        (self.hear)(&format!(
                            "image: `{suite}` of {mirror} does not answer: the image that was built last will do"
                        ));
                        return Ok(Built { path, new: false });
                    }
                    None => archives::ask(self.from, &suites, architecture, self.watch)?,
                }
            }
            asked => asked?,
        };
        let path = self
            .folder
            .join(file_name(name, &recipe, &inputs.digest(&archives)));
        if path.exists() && !wanted.force {
            return Ok(Built { path, new: false });
        }
        tools::check()?;
        self.make(wanted, &inputs, &archives, &path)?;
        Ok(Built { path, new: true })
    }

    fn make(
        &self,
        wanted: &Wanted<'_>,
        inputs: &Inputs,
        archives: &[Archive],
        path: &Path,
    ) -> Result<(), BuildError> {
        let name = wanted.recipe.name();
        let unfinished = self.folder.join(format!(".{name}.unfinished"));
        let script = Script {
            recipe: wanted.recipe,
            overlay: &wanted.source.overlay,
            mirrors: &wanted.mirrors,
            identities: Identities::of(inputs, archives),
            output: &unfinished,
            lock: &self.folder.join(format!(".{name}.build.lock")),
            work: self.temporary.join(work_name(name, self.folder)),
        };
        let ended = script.run(&|| self.watch.stopped(), self.hear);
        let releases = ended.inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
        let suites = wanted.recipe.suites(&wanted.mirrors);
        let used = archives::read(&releases, &suites, &wanted.recipe.spec().architecture)?;
        if !same_packages(archives, &used) {
            drop(fs::remove_file(&unfinished));
            return Err(BuildError::Moved(name.to_owned()));
        }
        let written = || -> io::Result<()> {
            fs::File::open(&unfinished)?.sync_all()?;
            fs::rename(&unfinished, path)
        };
        Ok(written().map_err(HostError::file("write", path))?)
    }

    /// The image that was built last of a recipe as it is.
    fn newest(&self, name: &str, recipe: &Digest) -> Result<Option<PathBuf>, BuildError> {
        let prefix = prefix(name, recipe);
        let read = || -> io::Result<Option<PathBuf>> {
            let mut found = Vec::new();
            for entry in fs::read_dir(self.folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    found.push((entry.metadata()?.modified()?, entry.path()));
                }
            }
            Ok(found.into_iter().max().map(|(_, path)| path))
        };
        Ok(read().map_err(HostError::file("list", self.folder))?)
    }
}

/// The first digits of a digest, enough to tell the builds of one recipe apart.
fn digits(digest: &Digest) -> String {
    digest.to_string().chars().take(12).collect()
}

fn prefix(name: &str, recipe: &Digest) -> String {
    format!("{name}-{}-", digits(recipe))
}

fn file_name(name: &str, recipe: &Digest, all: &Digest) -> String {
    format!("{}{}.qcow2", prefix(name, recipe), digits(all))
}

/// The same for every build of a name into a folder: what a killed one has left is found by the next.
fn work_name(name: &str, folder: &Path) -> String {
    let place = Digest::of(folder.as_os_str().as_encoded_bytes());
    let user = rustix::process::geteuid().as_raw();
    format!("trustnet-image.{user}.{name}.{}", digits(&place))
}
