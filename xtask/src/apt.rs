//! What apt and dpkg know of this host, and what they are asked to do.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::packages::is_hypervisor;
use crate::process;

/// The Debian release of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `bookworm` or `trixie`.
    pub codename: String,
}

/// One place packages come from, as apt is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Where, as in `http://deb.debian.org/debian`.
    pub uri: String,
    /// Which suite, as in `bookworm-backports`.
    pub suite: String,
}

/// The release of this host; an error where it is none of those that were tried.
pub fn release() -> Result<Release> {
    let text = fs::read_to_string("/etc/os-release").context("failed to read `/etc/os-release`")?;
    release_of(&text)
}

fn release_of(os_release: &str) -> Result<Release> {
    let value = |key: &str| {
        let line = os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"')
    };
    match (value("ID"), value("VERSION_ID")) {
        ("debian", "12" | "13") => Ok(Release {
            codename: value("VERSION_CODENAME").to_owned(),
        }),
        (id, version) => bail!(
            "this host is `{id} {version}`, and only Debian 12 and 13 were tried\n\
             hint: install what `cargo xtask setup --check` names by your system's own means"
        ),
    }
}

/// Which of `names` are not installed.
pub fn missing<'a>(names: &[&'a str]) -> Result<Vec<&'a str>> {
    let installed = installed("")?;
    Ok(names
        .iter()
        .copied()
        .filter(|name| !installed.iter().any(|(package, _)| package == name))
        .collect())
}

/// The suite that the hypervisor must come from where it is not the release's own: a `qemu-utils` from backports
/// conflicts with every other part of QEMU from the release.
pub fn hypervisor_suite(release: &Release) -> Result<Option<String>> {
    Ok(backported(&installed("")?).then(|| format!("{}-backports", release.codename)))
}

fn backported(installed: &[(String, String)]) -> bool {
    installed
        .iter()
        .any(|(name, version)| is_hypervisor(name) && version.contains("~bpo"))
}

/// Installed packages with their versions.
fn installed(pattern: &str) -> Result<Vec<(String, String)>> {
    let mut query = Command::new("dpkg-query");
    query.args([
        "--show",
        "--showformat",
        "${db:Status-Abbrev} ${Package} ${Version}\n",
    ]);
    if !pattern.is_empty() {
        query.arg(pattern);
    }
    let listed = process::output(&mut query)?;
    Ok(listed.lines().filter_map(installed_line).collect())
}

fn installed_line(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let status = words.next()?;
    // The second letter is the state: "installed", not "configuration files are left".
    (status.as_bytes().get(1) == Some(&b'i')).then_some(())?;
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

/// Where apt is configured to fetch from, in its own order.
pub fn sites() -> Result<Vec<Site>> {
    let mut query = Command::new("apt-get");
    query.args([
        "indextargets",
        "--format",
        "$(SITE) $(RELEASE)",
        "Created-By: Packages",
    ]);
    let mut seen = BTreeSet::new();
    let listed = process::output(&mut query)?;
    let pairs = listed.lines().filter_map(|line| line.split_once(' '));
    let sites = pairs.filter(|pair| seen.insert(*pair));
    Ok(sites
        .map(|(uri, suite)| Site {
            uri: uri.to_owned(),
            suite: suite.to_owned(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{backported, installed_line, release_of};

    #[test]
    fn debian_12_and_13_are_known_and_nothing_else_is() {
        let known = release_of(
            "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
        );
        assert_eq!(known.expect("Debian 12 is known").codename, "bookworm");
        let other =
            release_of("ID=ubuntu\nVERSION_ID=\"24.04\"\n").expect_err("Ubuntu is not known");
        assert!(
            other.to_string().starts_with("this host is `ubuntu 24.04`"),
            "{other}"
        );
    }

    #[test]
    fn a_package_of_which_only_the_configuration_is_left_is_not_installed() {
        assert_eq!(
            installed_line("ii  gcc 4:12.2.0-3"),
            Some(("gcc".to_owned(), "4:12.2.0-3".to_owned()))
        );
        assert_eq!(installed_line("rc  gcc 4:12.2.0-3"), None);
        assert_eq!(installed_line("un  gcc "), None);
    }

    #[test]
    fn a_hypervisor_package_from_backports_is_noticed_and_any_other_is_not() {
        let package = |name: &str, version: &str| vec![(name.to_owned(), version.to_owned())];
        assert!(backported(&package("qemu-utils", "1:10.0.2+ds-2~bpo12+1")));
        assert!(!backported(&package("qemu-utils", "1:7.2+dfsg-7+deb12u16")));
        assert!(!backported(&package("git", "1:2.47~bpo12+1")));
    }
}
