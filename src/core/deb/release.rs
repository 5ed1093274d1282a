//! The releases that are known: where their archives are, and whose signature counts.

/// One release of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// How it is called here: the distribution and its version.
    pub name: &'static str,
    /// The name that its suites go by.
    pub codename: &'static str,
    /// The parts of its archive.
    pub components: &'static [&'static str],
    /// The suites that packages come from: the release itself, then what is put over it.
    pub pockets: &'static [Pocket],
    /// The keys whose signature counts, as gpgv reads them.
    pub keyring: &'static [u8],
}

/// One suite of a release, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pocket {
    /// The suite's path below `dists/`, which is its codename too.
    pub suite: &'static str,
    /// The mirror for amd64.
    pub mirror: &'static str,
    /// The mirror for other architectures.
    pub ports: &'static str,
    /// Whether it is the archive of security updates, which has a mirror of its own.
    pub security: bool,
}

const DEBIAN: &str = "http://deb.debian.org/debian";
const DEBIAN_SECURITY: &str = "http://deb.debian.org/debian-security";
const UBUNTU: &str = "http://archive.ubuntu.com/ubuntu";
const UBUNTU_SECURITY: &str = "http://security.ubuntu.com/ubuntu";
const UBUNTU_PORTS: &str = "http://ports.ubuntu.com/ubuntu-ports";

const UBUNTU_KEYRING: &[u8] = include_bytes!("../../../images/keys/ubuntu.gpg");

/// All of them.
pub const RELEASES: &[Release] = &[
    Release {
        name: "debian-11",
        codename: "bullseye",
        components: &["main"],
        pockets: &[
            debian("bullseye"),
            debian("bullseye-updates"),
            debian_security("bullseye-security"),
        ],
        keyring: include_bytes!("../../../images/keys/debian-11.gpg"),
    },
    Release {
        name: "debian-12",
        codename: "bookworm",
        components: &["main"],
        pockets: &[
            debian("bookworm"),
            debian("bookworm-updates"),
            debian_security("bookworm-security"),
        ],
        keyring: include_bytes!("../../../images/keys/debian-12.gpg"),
    },
    Release {
        name: "debian-13",
        codename: "trixie",
        components: &["main"],
        pockets: &[
            debian("trixie"),
            debian("trixie-updates"),
            debian_security("trixie-security"),
        ],
        keyring: include_bytes!("../../../images/keys/debian-13.gpg"),
    },
    Release {
        name: "ubuntu-22.04",
        codename: "jammy",
        components: &["main", "universe"],
        pockets: &[
            ubuntu("jammy"),
            ubuntu("jammy-updates"),
            ubuntu_security("jammy-security"),
        ],
        keyring: UBUNTU_KEYRING,
    },
    Release {
        name: "ubuntu-24.04",
        codename: "noble",
        components: &["main", "universe"],
        pockets: &[
            ubuntu("noble"),
            ubuntu("noble-updates"),
            ubuntu_security("noble-security"),
        ],
        keyring: UBUNTU_KEYRING,
    },
];

impl Release {
    /// A release by its name here, such as `debian-12`.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        RELEASES.iter().find(|release| release.name == name)
    }
}

impl Pocket {
    /// Its mirror for an architecture.
    #[must_use]
    pub fn mirror_for(&self, architecture: &str) -> &'static str {
        if architecture == "amd64" {
            self.mirror
        } else {
            self.ports
        }
    }
}

const fn debian(suite: &'static str) -> Pocket {
    Pocket {
        suite,
        mirror: DEBIAN,
        ports: DEBIAN,
        security: false,
    }
}

const fn debian_security(suite: &'static str) -> Pocket {
    Pocket {
        suite,
        mirror: DEBIAN_SECURITY,
        ports: DEBIAN_SECURITY,
        security: true,
    }
}

const fn ubuntu(suite: &'static str) -> Pocket {
    Pocket {
        suite,
        mirror: UBUNTU,
        ports: UBUNTU_PORTS,
        security: false,
    }
}

const fn ubuntu_security(suite: &'static str) -> Pocket {
    Pocket {
        suite,
        mirror: UBUNTU_SECURITY,
        ports: UBUNTU_PORTS,
        security: true,
    }
}

#[cfg(test)]
mod tests {
    use super::{RELEASES, Release};

    /// The suites of a release, each with the mirrors for amd64 and arm64, and whether it is of security updates.
    fn suites(name: &str) -> Vec<(&'static str, &'static str, &'static str, bool)> {
        let release = Release::of(name).expect("it is known");
        let pockets = release.pockets.iter();
        pockets
            .map(|pocket| {
                let mirror = |arch| pocket.mirror_for(arch);
                (
                    pocket.suite,
                    mirror("amd64"),
                    mirror("arm64"),
                    pocket.security,
                )
            })
            .collect()
    }

    #[test]
    fn ubuntu_for_other_architectures_is_at_ports_and_its_universe_counts() {
        let archive = "http://archive.ubuntu.com/ubuntu";
        let security = "http://security.ubuntu.com/ubuntu";
        let ports = "http://ports.ubuntu.com/ubuntu-ports";
        assert_eq!(
            suites("ubuntu-22.04"),
            [
                ("jammy", archive, ports, false),
                ("jammy-updates", archive, ports, false),
                ("jammy-security", security, ports, true),
            ]
        );
        assert_eq!(
            suites("ubuntu-24.04"),
            [
                ("noble", archive, ports, false),
                ("noble-updates", archive, ports, false),
                ("noble-security", security, ports, true),
            ]
        );
        for name in ["ubuntu-22.04", "ubuntu-24.04"] {
            let release = Release::of(name).expect("it is known");
            assert_eq!(release.components, ["main", "universe"]);
            let keys: &[u8] = include_bytes!("../../../images/keys/ubuntu.gpg");
            assert_eq!(release.keyring, keys);
        }
    }

    #[test]
    fn debian_has_one_mirror_for_all_architectures_and_another_for_security() {
        let archive = "http://deb.debian.org/debian";
        let security = "http://deb.debian.org/debian-security";
        let releases = [
            (
                "debian-11",
                ["bullseye", "bullseye-updates", "bullseye-security"],
            ),
            (
                "debian-12",
                ["bookworm", "bookworm-updates", "bookworm-security"],
            ),
            ("debian-13", ["trixie", "trixie-updates", "trixie-security"]),
        ];
        for (name, [release, updates, fixes]) in releases {
            let expected = [
                (release, archive, archive, false),
                (updates, archive, archive, false),
                (fixes, security, security, true),
            ];
            assert_eq!(suites(name), expected);
        }
    }

    #[test]
    fn each_release_goes_by_its_codename_and_no_other_distributions_keys_count_for_it() {
        for release in RELEASES {
            assert_eq!(release.pockets[0].suite, release.codename);
            let distribution = |one: &Release| one.name.split('-').next();
            for other in RELEASES {
                let same_keys = release.keyring == other.keyring;
                assert!(
                    !same_keys || distribution(release) == distribution(other),
                    "{} has the keys of {}",
                    release.name,
                    other.name
                );
            }
        }
        assert_eq!(Release::of("ubuntu-23.10"), None);
    }
}
