//! Which distribution a guest is: what its spec says, else what its image's name says.

use trustnet_api::vm::VirtualMachine;

use crate::provision::Facts;

/// Distributions whose cloud images are called by name and version.
const KNOWN: [&str; 8] = [
    "debian",
    "ubuntu",
    "fedora",
    "alpine",
    "rocky",
    "almalinux",
    "centos",
    "opensuse",
];

/// The distribution, as `debian-12`: the names are those of `/etc/os-release`.
#[must_use]
pub fn of(vm: &VirtualMachine) -> Option<String> {
    if let Some(said) = &vm.spec.guest_os {
        return Some(said.to_ascii_lowercase());
    }
    let image = vm.spec.boot_disk.image.as_deref()?;
    let file = image.rsplit(['/', ':']).next()?;
    from_name(&file.to_ascii_lowercase())
}

/// Refuses a guest that packages were not chosen for. A closure of packages belongs to one release; the names
/// of packages belong to a distribution.
///
/// # Errors
/// What is different.
pub fn fits(chosen: &str, facts: &Facts) -> Result<(), String> {
    let distribution = |os: &str| os.split('-').next().unwrap_or_default().to_owned();
    let same = if facts.packages == "apt" {
        chosen == facts.os
    } else {
        distribution(chosen) == distribution(&facts.os)
    };
    if same {
        return Ok(());
    }
    Err(format!(
        "the guest is {}, and its packages were chosen for {chosen}; `guestOS: {}` in the spec says so",
        facts.os, facts.os
    ))
}

/// `debian-12-genericcloud-amd64.qcow2` is `debian-12`, `ubuntu-24.04-minimal.img` is `ubuntu-24.04`.
fn from_name(name: &str) -> Option<String> {
    let mut words = name.split(['-', '_']);
    let distribution = words.next().filter(|word| KNOWN.contains(word))?;
    let version: String = words
        .next()?
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let version = version.trim_end_matches('.');
    (!version.is_empty()).then(|| format!("{distribution}-{version}"))
}

#[cfg(test)]
mod tests {
    use super::{fits, from_name};
    use crate::provision::Facts;

    #[test]
    fn the_names_of_cloud_images_say_what_they_are() {
        let said = |name: &str| from_name(name).unwrap_or_default();
        assert_eq!(said("debian-12.qcow2"), "debian-12");
        assert_eq!(said("debian-12-genericcloud-amd64.qcow2"), "debian-12");
        assert_eq!(said("ubuntu-24.04-minimal-cloudimg.img"), "ubuntu-24.04");
        assert_eq!(said("alpine-3.20.3-x86_64.qcow2"), "alpine-3.20.3");
        for name in [
            "noble-server.img",
            "debian.qcow2",
            "web-12.qcow2",
            "debian-sid.img",
            "",
        ] {
            assert_eq!(from_name(name), None, "{name}");
        }
    }
    #[test]
    fn a_closure_fits_one_release_and_names_of_packages_a_distribution() {
        let facts = |os: &str, packages: &str| Facts {
            os: os.to_owned(),
            packages: packages.to_owned(),
            ..Facts::default()
        };
        assert_eq!(fits("debian-12", &facts("debian-12", "apt")), Ok(()));
        assert_eq!(fits("alpine-3.20.3", &facts("alpine-3.20", "apk")), Ok(()));
        assert_eq!(fits("fedora-40", &facts("fedora-41", "dnf")), Ok(()));
        let refused = fits("debian-12", &facts("debian-13", "apt")).expect_err("another release");
        assert_eq!(
            refused,
            "the guest is debian-13, and its packages were chosen for debian-12; `guestOS: debian-13` in the spec says so"
        );
        assert!(fits("debian-12", &facts("ubuntu-24.04", "apt")).is_err());
        assert!(fits("debian-12", &facts("alpine-3.20", "apk")).is_err());
        assert!(fits("fedora-41", &facts("rocky-9.4", "dnf")).is_err());
    }
}
