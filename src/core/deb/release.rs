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
