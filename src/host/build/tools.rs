//! The programs that a build needs.

use std::env;
use std::path::Path;

use super::BuildError;

/// Programs and files, and Debian's packages that bring them.
const NEEDED: &[(&str, &str)] = &[
    ("mmdebstrap", "mmdebstrap"),
    ("dpkg-deb", "dpkg"),
    ("mke2fs", "e2fsprogs"),
    ("debugfs", "e2fsprogs"),
    ("dumpe2fs", "e2fsprogs"),
    ("sgdisk", "gdisk"),
    ("mkfs.vfat", "dosfstools"),
    ("mcopy", "mtools"),
    ("mmd", "mtools"),
    ("grub-mkimage", "grub-common"),
    ("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin"),
    ("qemu-img", "qemu-utils"),
    ("flock", "util-linux"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
];

/// What lets a user without root be root of a namespace.
const WITHOUT_ROOT: (&str, &str) = ("newuidmap", "uidmap");

/// Whether everything is there.
pub(super) fn check() -> Result<(), BuildError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let root = rustix::process::geteuid().is_root();
    let is_there = |program: &str| {
        let system = ["/usr/sbin", "/sbin"].map(Path::new);
        let own = env::split_paths(&path).any(|folder| folder.join(program).is_file());
        own || system.iter().any(|folder| folder.join(program).is_file())
    };
    let needed = NEEDED.iter().chain((!root).then_some(&WITHOUT_ROOT));
    let missing: Vec<_> = needed.filter(|(program, _)| !is_there(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    Err(BuildError::Tools {
        programs: missing.iter().map(|(program, _)| *program).collect(),
        packages,
    })
}
