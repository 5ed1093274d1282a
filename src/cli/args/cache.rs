//! Arguments of `cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub enum CacheVerb {
    /// Fetch what services need, verify it, and lock it beside their specs.
    Fetch(CacheFetch),
    /// List the artifacts in the cache.
    #[command(visible_alias = "ls")]
    List(CacheFilter),
    /// Show where the cache is, and how much is in it.
    Info,
    /// Hash everything in the cache again; what has changed is moved aside.
    Verify,
    /// Remove what is not needed any more: files that were never whole, are damaged, or belong to no artifact.
    Prune(CachePrune),
    /// Write artifacts into one file, to carry them to a machine without a network.
    Export(CacheExport),
    /// Take the artifacts of a file that `export` has written.
    Import(CacheImport),
    /// Tell which artifacts have a digest, where they come from, and how they were verified.
    Why(CacheWhy),
}

/// Arguments of `cache fetch`.
#[derive(Debug, Args)]
pub struct CacheFetch {
    /// Spec files: what the services of their VMs need.
    #[arg(short, long, value_name = "FILE", required_unless_present = "service")]
    pub filename: Vec<PathBuf>,
    /// A service, such as `sql`, or with a version `kubectl@~1.36`; may be given several times.
    #[arg(long, value_name = "NAME[@VERSION]")]
    pub service: Vec<String>,
    /// The distribution of the guest, such as debian-12; else what the spec says.
    #[arg(long, value_name = "NAME")]
    pub os: Option<String>,
    /// The guest's architecture, amd64 or arm64; else this machine's.
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// The folder of trustnet-vm.lock for services that are named here; else this one.
    #[arg(long, value_name = "DIR")]
    pub lock_dir: Option<PathBuf>,
    /// Look everything up anew, whatever the lock says.
    #[arg(long)]
    pub update: bool,
    /// Fetch nothing: only tell whether all is there.
    #[arg(long)]
    pub offline: bool,
}

/// Which artifacts.
#[derive(Debug, Clone, Args)]
pub struct CacheFilter {
    /// Only those of these services.
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,
    /// Only those for this architecture: amd64 or arm64.
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
}

/// Arguments of `cache prune`.
#[derive(Debug, Args)]
pub struct CachePrune {
    /// Keep what this lock file names, and nothing else; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub keep: Vec<PathBuf>,
    /// Keep nothing.
    #[arg(long, conflicts_with = "keep")]
    pub all: bool,
    /// Remove the hypervisor's cache disks that no VM uses, instead of files of this machine.
    #[arg(long, conflicts_with_all = ["keep", "all"])]
    pub volumes: bool,
    /// Only tell what would be removed.
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `cache export`.
#[derive(Debug, Args)]
pub struct CacheExport {
    /// The file to write, or `-` for standard output.
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    /// Which artifacts; all, if nothing is said.
    #[command(flatten)]
    pub filter: CacheFilter,
    /// Only those that this lock file names; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub lock: Vec<PathBuf>,
}

/// Arguments of `cache import`.
#[derive(Debug, Args)]
pub struct CacheImport {
    /// The file to read, or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
}

/// Arguments of `cache why`.
#[derive(Debug, Args)]
pub struct CacheWhy {
    /// The digest, or how it begins.
    pub digest: String,
}
