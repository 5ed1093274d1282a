//! Everything that touches the world, behind small doors.
//!
//! In the order in which data flows:

/// Folders of the user: configuration, data, state, cache.
pub mod paths;
/// What went wrong with the world.
pub mod error;
/// The doors: what is asked of a hypervisor.
pub mod doors;
/// libvirt behind the doors.
pub mod libvirt;
/// The choice between KVM and QEMU's own translator.
pub mod kvm;
/// Secrets by reference, read from files and the environment.
pub mod secrets;
/// SSH keys that the program makes.
pub mod keys;
/// From the doors to the facts that a plan is made from.
pub mod observe;
/// Locks between processes.
pub mod lock;
/// A plan on disk, with how far it has come.
pub mod journal;
/// Interruption by the user.
pub mod interrupt;
/// The one loop that runs steps.
pub mod apply;
/// Waiting for a guest.
pub mod ready;
/// The user's own ssh(1), with the guest's host key pinned.
pub mod ssh;
/// The user's terminal, raw while a console is attached.
pub mod terminal;
