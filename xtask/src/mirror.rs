//! Where an image's packages are fetched from: the host's own mirrors first.

use std::env;

use crate::apt::{Release, Site};
use crate::recipe::Recipe;

const ARCHIVE: &str = "http://deb.debian.org/debian";

/// The two archives a build fetches from.
#[derive(Debug, PartialEq, Eq)]
pub struct Mirrors {
    /// The release itself.
    pub archive: String,
    /// Its security updates.
    pub security: String,
}

/// What apt on this host uses for its own release, else Debian's name for the nearest mirror.
pub fn archive(sites: &[Site], release: &Release) -> String {
    find(sites, &release.codename).unwrap_or_else(|| ARCHIVE.to_owned())
}

/// Where a suite is fetched from: named in the environment, else what apt on this host uses, else Debian's name for
/// the nearest mirror.
pub fn of_suite(suite: &str, sites: &[Site], host: Option<&Release>) -> String {
    env::var("TRUSTNET_VM_MIRROR")
        .ok()
        .or_else(|| find(sites, suite))
        .or_else(|| host.map(|release| archive(sites, release)))
        .unwrap_or_else(|| ARCHIVE.to_owned())
}

/// The mirrors for a recipe: named in the environment, else the host's own, else the recipe's.
pub fn for_recipe(recipe: &Recipe, sites: &[Site], host: Option<&Release>) -> Mirrors {
    let spec = &recipe.spec;
    // A mirror of one release is one of the others, too: the path is the archive's, the suite is below it.
    let codenames: Vec<&str> = [
        Some(spec.suite.as_str()),
        host.map(|release| release.codename.as_str()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let hosts = |suffix: &str| {
        codenames
            .iter()
            .find_map(|codename| find(sites, &format!("{codename}{suffix}")))
    };
    let archive = env::var("TRUSTNET_VM_MIRROR")
        .ok()
        .or_else(|| hosts(""))
        .unwrap_or_else(|| spec.mirror.clone());
    let security = env::var("TRUSTNET_VM_SECURITY_MIRROR")
        .ok()
        .or_else(|| hosts("-security"));
    Mirrors {
        archive,
        security: security.unwrap_or_else(|| spec.security_mirror.clone()),
    }
}

fn find(sites: &[Site], suite: &str) -> Option<String> {
    sites
        .iter()
        .find(|site| site.suite == suite)
        .map(|site| site.uri.clone())
}
