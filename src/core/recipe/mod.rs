//! Recipes of images: what a valid one is, and what a build's result depends on.

/// The recipes that the program brings.
mod builtin;
/// What a build depends on, and what follows from it.
mod inputs;

use trustnet_api::recipe::{ImageRecipe, ImageRecipeSpec};

pub use self::builtin::{Builtin, builtin, builtin_names};
pub use self::inputs::{
    Archive, ArchiveError, Content, Identities, InputFile, Inputs, same_packages,
};
use crate::deb::relation::is_package_name;
use crate::problem::Problem;
use crate::vm::VmName;

/// A recipe that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    written: ImageRecipe,
}

/// One suite that packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Its name below `dists/`.
    pub name: String,
    /// The archive that has it.
    pub mirror: String,
}

/// The archives that a build fetches from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    /// The release itself, and its updates.
    pub archive: String,
    /// Its security updates.
    pub security: String,
}

/// The least of a root file system, in MiB: the essential packages alone have some 200.
const LEAST_ROOT_MIB: u32 = 64;
/// The least of an EFI system partition, in MiB: the signed boot chain has some 4.
const LEAST_ESP_MIB: u32 = 8;
/// The most of either, in MiB: 64 GiB.
const MOST_MIB: u32 = 64 << 10;
/// Where Debian's archives are kept as they were.
const SNAPSHOTS: &str = "http://snapshot.debian.org/archive";

impl Recipe {
    /// The recipe, where nothing is wrong with it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(written: ImageRecipe) -> Result<Self, Vec<Problem>> {
        let problems = Self::check(&written);
        if problems.is_empty() {
            Ok(Self { written })
        } else {
            Err(problems)
        }
    }

    /// What is wrong with a recipe.
    #[must_use]
    pub fn check(written: &ImageRecipe) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = VmName::parse(&written.metadata.name) {
            problems.push(Problem::error("metadata.name", error.to_string()));
        }
        let spec = &written.spec;
        words(spec, &mut problems);
        sizes(spec, &mut problems);
        archives(spec, &mut problems);
        let line = &spec.kernel_command_line;
        if line.trim().is_empty() || line.chars().any(char::is_control) {
            let message = "the kernel's command line is one line, and not empty";
            problems.push(Problem::error("spec.kernelCommandLine", message));
        }
        for (number, command) in spec.commands.iter().enumerate() {
            if command.trim().is_empty() || command.contains('\0') {
                let path = format!("spec.commands[{number}]");
                problems.push(Problem::error(path, "there is no command here"));
            }
        }
        problems
    }

    /// What the image is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.written.metadata.name
    }

    /// What it is made of.
    #[must_use]
    pub fn spec(&self) -> &ImageRecipeSpec {
        &self.written.spec
    }

    /// The archives of its own: those of its snapshot, where it names one.
    #[must_use]
    pub fn mirrors(&self) -> Mirrors {
        let spec = self.spec();
        match &spec.snapshot {
            Some(moment) => Mirrors {
                archive: format!("{SNAPSHOTS}/debian/{moment}"),
                security: format!("{SNAPSHOTS}/debian-security/{moment}"),
            },
            None => Mirrors {
                archive: spec.mirror.clone(),
                security: spec.security_mirror.clone(),
            },
        }
    }

    /// The suites that its packages come from, the release's own first.
    #[must_use]
    pub fn suites(&self, mirrors: &Mirrors) -> [Suite; 3] {
        let suite = &self.spec().suite;
        let of = |name: String, mirror: &str| Suite {
            name,
            mirror: mirror.trim_end_matches('/').to_owned(),
        };
        [
            of(suite.clone(), &mirrors.archive),
            of(format!("{suite}-updates"), &mirrors.archive),
            of(format!("{suite}-security"), &mirrors.security),
        ]
    }
}

/// Names that become words of a command.
fn words(spec: &ImageRecipeSpec, problems: &mut Vec<Problem>) {
    let is_suite = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_suite(&spec.suite) {
        let message = format!("`{}` is no name of a suite", spec.suite);
        problems.push(Problem::error("spec.suite", message).hint("such as `bookworm`"));
    }
    if spec.architecture != "amd64" {
        let message = format!("`{}` cannot be built", spec.architecture);
        let hint = "the boot chain that is laid into an image is that of `amd64`";
        problems.push(Problem::error("spec.architecture", message).hint(hint));
    }
    for (number, package) in spec.packages.iter().enumerate() {
        if !is_package_name(package) {
            let message = format!("`{package}` is no name of a package");
            problems.push(Problem::error(format!("spec.packages[{number}]"), message));
        }
    }
    let is_unit = |text: &str| {
        let mut bytes = text.bytes();
        text.contains('.')
            && !text.starts_with(['.', '-'])
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:\\".contains(&byte))
    };
    for (number, unit) in spec.mask.iter().enumerate() {
        if !is_unit(unit) {
            let message = format!("`{unit}` is no name of a unit");
            problems.push(
                Problem::error(format!("spec.mask[{number}]"), message)
                    .hint("such as `apt-daily.timer`"),
            );
        }
    }
}

fn sizes(spec: &ImageRecipeSpec, problems: &mut Vec<Problem>) {
    for (path, size, least) in [
        ("spec.rootMiB", spec.root_mib, LEAST_ROOT_MIB),
        ("spec.espMiB", spec.esp_mib, LEAST_ESP_MIB),
    ] {
        if !(least..=MOST_MIB).contains(&size) {
            let message = format!("{size} MiB is not between {least} and {MOST_MIB} MiB");
            problems.push(Problem::error(path, message));
        }
    }
}

fn archives(spec: &ImageRecipeSpec, problems: &mut Vec<Problem>) {
    for (path, mirror) in [
        ("spec.mirror", &spec.mirror),
        ("spec.securityMirror", &spec.security_mirror),
    ] {
        if let Err(why) = check_mirror(mirror) {
            problems.push(Problem::error(path, why));
        }
    }
    if let Some(moment) = &spec.snapshot
        && !is_moment(moment)
    {
        let message = format!("`{moment}` is no moment of snapshot.debian.org");
        problems.push(Problem::error("spec.snapshot", message).hint("such as `20260101T000000Z`"));
    }
}

/// Whether this can be an archive's URL: it becomes a word of apt's list of sources.
///
/// # Errors
/// Why it cannot.
pub fn check_mirror(url: &str) -> Result<(), String> {
    let known = ["http://", "https://", "file:///"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(format!("`{url}` is no URL of http, https or file"));
    }
    let plain = |c: char| c.is_ascii_graphic() && !"[]\"'\\$`".contains(c);
    if url.chars().all(plain) {
        Ok(())
    } else {
        Err(format!("`{url}` has characters that apt would misread"))
    }
}

/// `20260101T000000Z`.
fn is_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 16
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests;
