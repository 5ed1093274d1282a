//! The system packages, each with its reason.

/// What a package is needed for: a user who never runs the checks need not have theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To build or run the program and make the image.
    Work,
    /// To check the sources and test.
    Checks,
}

/// One system package.
#[derive(Debug)]
pub struct Package {
    /// Debian's name of it.
    pub name: &'static str,
    /// What it is for.
    pub need: Need,
    /// Why it is needed.
    pub reason: &'static str,
}

const fn work(name: &'static str, reason: &'static str) -> Package {
    Package {
        name,
        need: Need::Work,
        reason,
    }
}

const fn checks(name: &'static str, reason: &'static str) -> Package {
    Package {
        name,
        need: Need::Checks,
        reason,
    }
}

/// All of them. Recommended packages are not installed along; the ones that matter are named here.
pub const PACKAGES: &[Package] = &[
    // building
    work("gcc", "links the program"),
    work(
        "libc6-dev",
        "the C library's start files, which linking needs",
    ),
    work("pkg-config", "finds libvirt for the build"),
    work("libvirt-dev", "libvirt's headers"),
    work("libssl-dev", "OpenSSL's headers, for libssh2"),
    // libvirt and QEMU
    work(
        "libvirt-daemon-system",
        "libvirtd and the configuration of qemu:///system",
    ),
    work("libvirt-clients", "virsh, to look at what the program made"),
    work("qemu-system-x86", "the hypervisor"),
    work("qemu-utils", "qemu-img, for the image"),
    work("ovmf", "UEFI firmware, with and without Secure Boot"),
    work("seabios", "BIOS firmware"),
    work("swtpm", "an emulated TPM"),
    work("swtpm-tools", "gives the emulated TPM its certificates"),
    work("iproute2", "bridges and addresses"),
    work("iptables", "what libvirt's networks forward with"),
    work("dnsmasq-base", "DHCP and DNS in libvirt's networks"),
    work(
        "polkitd",
        "lets members of the group libvirt use qemu:///system",
    ),
    work("openssh-client", "ssh into guests"),
    work("gpgv", "verifies the signed index of a package archive"),
    // the image
    work("mmdebstrap", "installs Debian into a directory"),
    work("uidmap", "lets mmdebstrap do so without root"),
    work("e2fsprogs", "makes the root file system"),
    work("dosfstools", "makes the EFI system partition"),
    work("mtools", "fills the EFI system partition"),
    work("gdisk", "makes the partition table"),
    work("grub-pc-bin", "starts the guest on BIOS firmware"),
    work("ca-certificates", "mirrors that speak https"),
    // the laboratory
    work(
        "util-linux",
        "unshare, mount and setpriv, for an isolated libvirtd",
    ),
    // checks
    checks(
        "openssh-server",
        "the sshd that provisioning is tested against",
    ),
    checks(
        "docker-registry",
        "the registry that images are pulled from in tests",
    ),
    checks(
        "knot",
        "the name server that look-ups and updates are tested against",
    ),
    checks("skopeo", "reads pulled images back"),
    checks("gnupg", "signs the package archives that tests make"),
    checks("shellcheck", "lints the shell files"),
    checks("busybox", "runs the guest's script under a minimal shell"),
    checks("btrfs-progs", "makes the file system of a test's pool"),
    checks("lvm2", "makes the volume group of a test's pool"),
    checks("genisoimage", "reads the seed's image back (isoinfo)"),
    checks("xorriso", "reads the seed's image back"),
    checks(
        "python3",
        "reads cloud-init documents back as cloud-init does",
    ),
    checks("python3-yaml", "the YAML reader that cloud-init uses"),
    checks(
        "python3-venv",
        "holds the packages that test the services against their OpenAPI documents",
    ),
];

/// The packages of the hypervisor, which must all come from one suite.
pub fn is_hypervisor(name: &str) -> bool {
    name.starts_with("libvirt") || name.starts_with("qemu-") || name == "seabios"
}

#[cfg(test)]
mod tests {
    use super::{PACKAGES, is_hypervisor};

    #[test]
    fn no_package_is_named_twice_and_each_has_a_reason() {
        let mut names: Vec<_> = PACKAGES.iter().map(|package| package.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PACKAGES.len());
        assert!(PACKAGES.iter().all(|package| !package.reason.is_empty()));
    }

    #[test]
    fn the_hypervisor_is_libvirt_qemu_and_its_firmware_of_the_same_source() {
        let names: Vec<_> = PACKAGES
            .iter()
            .map(|package| package.name)
            .filter(|name| is_hypervisor(name))
            .collect();
        assert_eq!(
            names,
            [
                "libvirt-dev",
                "libvirt-daemon-system",
                "libvirt-clients",
                "qemu-system-x86",
                "qemu-utils",
                "seabios"
            ]
        );
    }
}
