//! Everything that touches the world, behind small doors.
//!
//! In the order in which data flows:

/// The one loop that runs steps.
pub mod apply;
/// Images built from recipes.
pub mod build;
/// The cache of artifacts, and what fills it.
pub mod cache;
/// The disks that bring artifacts into guests.
pub mod cache_disk;
/// Programs that do not outlive us.
mod child;
/// From a connection URI to the doors behind it.
pub mod connect;
/// Names looked up, and the record of a network's registries kept.
pub use trustnet_dns as dns;

/// The doors: what is asked of a hypervisor.
pub mod doors;
/// What went wrong with the world.
pub mod error;
/// Looking at a guest over its connection, and mending something small there.
pub mod examine;
/// A hypervisor in a file, for tests.
#[cfg(feature = "fake")]
pub mod fake;
/// The addresses of VMs, remembered between lists.
pub mod glance;
mod hashing;
/// Images: in pools, and on their way there.
pub mod image;
/// One question over HTTP: at an address, or inside a guest.
pub mod inquiry;
/// Interruption by the user.
pub mod interrupt;
/// IPv6 of this machine.
pub mod ipv6;
/// A plan on disk, with how far it has come.
pub mod journal;
/// SSH keys that the program makes.
pub mod keys;
/// Asking a guest over SSH that never reports.
pub mod knock;
/// Objects brought into a Kubernetes cluster.
pub mod kubernetes;
/// The choice between KVM and QEMU's own translator.
pub mod kvm;
/// libvirt behind the doors.
pub mod libvirt;
/// Locks between processes.
pub mod lock;
pub mod login;
/// From the doors to the facts that a plan is made from.
pub mod observe;
/// Folders of the user: configuration, data, state, cache.
pub mod paths;
/// What is looked at before anything is changed.
pub mod preflight;
/// Services brought into a guest.
pub mod provision;
/// Waiting for a guest.
pub mod ready;
/// Secrets by reference, read from files and the environment.
pub mod secrets;
mod settling;
/// One verified SSH connection to a guest: commands, files, and ports inside it.
pub mod shell;
/// The user's own ssh(1), with the guest's host key pinned.
pub mod ssh;
/// The user's terminal, raw while a console is attached.
pub mod terminal;
/// TLS towards registries and nodes.
pub mod trust;
