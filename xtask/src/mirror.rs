//! Where an image's packages are fetched from: the host's own mirrors first.

use std::env;

use crate::apt::{Release, Site};

const ARCHIVE: &str = "http://deb.debian.org/debian";

/// The suite of the base image.
const IMAGE: &str = "bookworm";

/// The archives that apt on this host would use for the base image, where it names some.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// The release itself.
    pub archive: Option<String>,
    /// Its security updates.
    pub security: Option<String>,
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

/// The host's own mirrors for the base image.
pub fn of_image(sites: &[Site], host: Option<&Release>) -> Mirrors {
    // A mirror of one release is one of the others, too: the path is the archive's, the suite is below it.
    let codenames = [Some(IMAGE), host.map(|release| release.codename.as_str())];
    let of = |suffix: &str| {
        let mut names = codenames.iter().flatten();
        names.find_map(|codename| find(sites, &format!("{codename}{suffix}")))
    };
    Mirrors {
        archive: of(""),
        security: of("-security"),
    }
}

fn find(sites: &[Site], suite: &str) -> Option<String> {
    sites
        .iter()
        .find(|site| site.suite == suite)
        .map(|site| site.uri.clone())
}
