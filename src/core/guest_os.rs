//! Which distribution a guest is: what its spec says, else what its image's name says.

use trustnet_api::vm::VirtualMachine;

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
    use super::from_name;

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
}
