//! Arguments of `preflight`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Places, parse_duration};

/// Arguments of `preflight`.
#[derive(Debug, Args)]
pub struct Preflight {
    /// Spec files, folders of them, or `-` for standard input: what they ask for is looked at. None for what every
    /// service needs.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The same, as kubectl has it.
    #[arg(short, long, value_name = "FILE")]
    pub filename: Vec<PathBuf>,
    /// The network's domain, such as example.org: it is looked up, with its record of registries.
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub domain: Option<String>,
    /// What is to be added to the network: it decides whether the domain has to name a root, and which ports are looked at.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<Role>,
    /// Where and how disks and images are.
    #[command(flatten)]
    pub places: Places,
    /// Ask no network; everything has to be in the cache and in the pools.
    #[arg(long)]
    pub offline: bool,
    /// Where IPv6 is off, or routers are not heeded: change the kernel's switches, for good. What changes is shown first,
    /// and asked for unless `--yes`. Needs root.
    #[arg(long)]
    pub ipv6_auto_enable: bool,
    /// Take back what `--ipv6-auto-enable` has changed, shown first. Nothing else is looked at. Needs root.
    #[arg(
        long,
        conflicts_with_all = ["ipv6_auto_enable", "files", "filename", "domain", "role", "offline", "pool", "image_pool"]
    )]
    pub undo_ipv6: bool,
    /// How often is looked whether IPv6 is there, once it was switched on.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub ipv6_tries: u32,
    /// How long is waited before each of these looks, such as 10s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub ipv6_pause: Duration,
    /// Look at a machine whose files are below this folder, of which nobody is asked anything. For tests.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

impl Preflight {
    /// All files that were named, in either way.
    pub fn files(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.filename).cloned().collect()
    }
}

/// What is added to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Its root registry.
    Root,
    /// A registry that follows the root.
    Secondary,
    /// A node.
    Node,
}

/// Reads the name of a domain.
fn domain(text: &str) -> Result<String, String> {
    if trustnet_core::network::is_domain(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(
        "expected labels of letters, digits and `-` with dots between, such as example.org"
            .to_owned(),
    )
}
