//! Guests of other kinds than the machine: roots that `cargo xtask test` has made of packages.

use std::path::PathBuf;

use crate::sshd::Sshd;

/// A guest whose init is OpenRC and whose tools are BusyBox's; none where its root was not made.
pub fn openrc_guest() -> Option<Sshd> {
    archive("TRUSTNET_VM_TEST_ROOT_OPENRC").map(|archive| Sshd::in_rootfs(&archive))
}

/// A guest with DNF and RPM; none where its root was not made.
pub fn dnf_guest() -> Option<Sshd> {
    archive("TRUSTNET_VM_TEST_ROOT_DNF").map(|archive| Sshd::in_rootfs(&archive))
}

#[expect(
    clippy::print_stdout,
    reason = "the tally of the tests counts what is said so"
)]
fn archive(variable: &str) -> Option<PathBuf> {
    let archive = std::env::var_os(variable).map(PathBuf::from);
    if archive.is_none() {
        let test = std::thread::current();
        let test = test.name().unwrap_or_default();
        println!(
            "skipped: {test}: {variable} is not set; `cargo xtask test` makes the root and sets it"
        );
    }
    archive
}
