//! Arguments of `pool` and `storage`.

use clap::{Args, Subcommand, ValueEnum};

/// What to do with storage pools.
#[derive(Debug, Subcommand)]
pub enum PoolVerb {
    /// List all storage pools.
    #[command(visible_alias = "ls")]
    List,
    /// Show a pool: its sizes, the formats that its volumes can have, its volumes and who uses them.
    Info(PoolName),
    /// Make a pool known to libvirt, start it, and have it started with the daemon. The same pool again changes
    /// nothing. Nothing is formatted: a device, volume group, export or Ceph pool is there before.
    Add(PoolAdd),
    /// Stop a pool and make libvirt forget it. What it holds stays where it is; a pool of which a VM uses something
    /// stays too.
    #[command(visible_alias = "rm")]
    Delete(PoolName),
    /// Look again which volumes pools hold.
    Refresh(PoolRefresh),
}

/// What to do with storage.
#[derive(Debug, Subcommand)]
pub enum StorageVerb {
    /// Show all pools with what is in them: images, disks of VMs, cache disks, and what no VM uses.
    Status,
}

/// A pool.
#[derive(Debug, Args)]
pub struct PoolName {
    /// The pool's name.
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Arguments of `pool refresh`.
#[derive(Debug, Args)]
pub struct PoolRefresh {
    /// The pools' names.
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub names: Vec<String>,
    /// All pools that are active.
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
}

/// Arguments of `pool add`.
#[derive(Debug, Args)]
pub struct PoolAdd {
    /// The pool's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What the pool is made of.
    #[arg(long = "type", value_name = "TYPE", default_value = "dir")]
    pub kind: PoolType,
    /// The directory of the volumes, on the hypervisor: for `dir` it is made where it is missing, for `fs` and `netfs`
    /// it is where the file system is mounted.
    #[arg(long, value_name = "PATH")]
    pub target: Option<String>,
    /// What is there already: for `fs` the block device, for `netfs` HOST:/DIRECTORY, for `logical` the volume group, for
    /// `zfs` the pool or POOL/DATASET, for `rbd` the pool in Ceph.
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// A monitor of the Ceph cluster; may be given several times.
    #[arg(long = "host", value_name = "HOST[:PORT]")]
    pub hosts: Vec<String>,
    /// The Ceph user.
    #[arg(long, value_name = "NAME", requires = "secret")]
    pub user: Option<String>,
    /// Which of libvirt's secrets holds the Ceph user's key, by its UUID or usage (`virsh secret-define`,
    /// `virsh secret-set-value`). The key itself is never asked for.
    #[arg(long, value_name = "UUID|USAGE", requires = "user")]
    pub secret: Option<String>,
    /// The file system on the device of an `fs` pool, where the kernel is not to find out.
    #[arg(long, value_name = "FILESYSTEM")]
    pub format: Option<String>,
    /// On btrfs, whether files are copied on write. Where nothing is said, libvirt turns that off in a directory that it
    /// makes.
    #[arg(long, value_name = "YES|NO")]
    pub cow: Option<YesNo>,
}

/// The types of pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PoolType {
    /// A directory, on btrfs too.
    #[value(alias = "btrfs")]
    Dir,
    /// A file system on a block device, which libvirt mounts.
    Fs,
    /// A directory of an NFS server, which libvirt mounts.
    #[value(alias = "nfs")]
    Netfs,
    /// An LVM volume group.
    #[value(alias = "lvm")]
    Logical,
    /// A ZFS pool or dataset.
    Zfs,
    /// A pool of a Ceph cluster.
    #[value(alias = "ceph")]
    Rbd,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    /// Yes.
    Yes,
    /// No.
    No,
}
