//! The tiers of tests, fastest first, and what each runs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::paths;

/// One tier of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Pure: api, core and these tasks
    Unit,
    /// The programs: registry and node, trustnet-vm and the host's side of it, without guests
    Program,
    /// Real QEMU guests
    Guests,
}

/// One call of the test runner.
#[derive(Debug, PartialEq, Eq)]
pub struct Suite {
    /// What it is called in the summary.
    pub name: &'static str,
    /// What cargo is told to build and run.
    pub selection: Vec<String>,
    /// One test at a time.
    pub alone: bool,
    /// Beside a libvirtd of its own.
    pub in_lab: bool,
    /// With artifacts that are fetched before.
    pub artifacts: bool,
    /// With the services of a network, built for guests.
    pub services: bool,
    /// Documentation tests, which only cargo's own runner knows.
    pub documents: bool,
    /// What pytest runs in `tests/openapi`; cargo selects nothing.
    pub openapi: bool,
}

impl Tier {
    /// How many of its suites run at once: guests wait for each other more than they compute, each suite has a libvirtd
    /// of its own, and where there is a processor for each both go as fast as alone.
    pub fn lanes(self) -> usize {
        match self {
            Self::Unit | Self::Program => 1,
            Self::Guests => 2,
        }
    }

    /// What it runs.
    pub fn suites(self) -> Result<Vec<Suite>> {
        let root = paths::repository();
        Ok(match self {
            Self::Unit => {
                let documents = packages(&["trustnet-api", "trustnet-core"]);
                vec![
                    Suite::plain(
                        "unit",
                        packages(&["trustnet-api", "trustnet-core", "xtask"]),
                    ),
                    Suite {
                        documents: true,
                        ..Suite::plain("documents", documents)
                    },
                ]
            }
            Self::Program => {
                let mut selection = packages(&["trustnet-vm", "trustnet-host"]);
                selection.extend(["--lib".to_owned(), "--bins".to_owned()]);
                for directory in [root.join("tests"), root.join("src/host/tests")] {
                    for name in targets(&directory)?
                        .iter()
                        .filter(|name| !name.starts_with("guests_"))
                    {
                        selection.extend(["--test".to_owned(), name.clone()]);
                    }
                }
                vec![
                    Suite::plain(
                        "network",
                        packages(&["trustnet-dns", "trustnet-registry", "trustnet-node"]),
                    ),
                    Suite::plain("route53", route53()),
                    Suite {
                        openapi: true,
                        ..Suite::plain("openapi", Vec::new())
                    },
                    Suite::plain("program", selection),
                ]
            }
            // The longest first, so that the lanes end together.
            Self::Guests => vec![
                Suite {
                    services: true,
                    ..Suite::guests("guests_network", true)
                },
                Suite {
                    artifacts: true,
                    ..Suite::guests("guests_services", true)
                },
                Suite {
                    services: true,
                    ..Suite::guests("guests_install", true)
                },
                Suite::guests("guests_session", false),
                Suite::guests("guests_system", true),
                Suite::guests("guests_contract", false),
            ],
        })
    }
}

impl Suite {
    fn plain(name: &'static str, selection: Vec<String>) -> Self {
        Self {
            name,
            selection,
            alone: false,
            in_lab: false,
            artifacts: false,
            services: false,
            documents: false,
            openapi: false,
        }
    }

    fn guests(name: &'static str, in_lab: bool) -> Self {
        let mut selection = packages(&["trustnet-vm"]);
        selection.extend(["--test".to_owned(), name.to_owned()]);
        Self {
            name,
            selection,
            alone: true,
            in_lab,
            artifacts: false,
            services: false,
            documents: false,
            openapi: false,
        }
    }
}

/// Amazon's kit is behind a feature: only what needs it is built with it, and nothing that links libvirt.
fn route53() -> Vec<String> {
    let mut selection = packages(&["trustnet-dns"]);
    let more = [
        "--no-default-features",
        "--features",
        "route53",
        "--test",
        "route53",
    ];
    selection.extend(more.map(str::to_owned));
    selection
}

fn packages(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .flat_map(|name| ["--package".to_owned(), (*name).to_owned()])
        .collect()
}

/// The names of the integration tests in a directory, by cargo's rules.
fn targets(directory: &Path) -> Result<Vec<String>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)
        .with_context(|| format!("failed to list `{}`", directory.display()))?
    {
        let path = entry
            .with_context(|| format!("failed to list `{}`", directory.display()))?
            .path();
        let is_target = path.extension().is_some_and(|extension| extension == "rs")
            || path.join("main.rs").exists();
        names.extend(
            path.file_stem()
                .filter(|_| is_target)
                .map(|stem| stem.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}
