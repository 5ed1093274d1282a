//! Everything that can be decided from values alone. No I/O, no clock, no environment, no randomness.
//!
//! In the order in which data flows:

/// Files that services need: their names, digests and sources.
pub mod artifact;
/// The disk that brings artifacts into guests.
pub mod cache_disk;
/// Debian's package archives: indexes, versions, and everything that a package needs.
pub mod deb;
/// Which documents wait for which.
pub mod dependence;
/// What is wrong with a VM, and what mends it.
pub mod diagnosis;
/// Where two specs differ.
pub mod difference;
/// What was asked of VMs and their services, and how it came out.
pub mod examination;
/// The fields of spec files, explained.
pub mod explain;
/// Which distribution a guest is.
pub mod guest_os;
/// Disk images, judged by their first bytes.
pub mod image;
/// What `install` decides: questions, and the spec that their answers make.
pub mod install;
/// IPv6 of a machine, and the kernel's switches for it.
pub mod ipv6;
/// ISO 9660 images: a writer for the seed and a reader for what was written.
pub mod iso;
/// Kinds of documents that become VMs.
pub mod kind;
/// Registries and nodes as objects of Kubernetes.
pub mod kubernetes;
/// VMs as objects of KubeVirt.
pub mod kubevirt;
/// Text to wire types: strict YAML with positions.
pub mod load;
/// The lock file: chosen versions, and what every artifact must be.
pub mod lockfile;
/// Secrets in what is said, masked.
pub mod masks;
/// A TrustNet's directory: who is in it, who is heard of, what changed.
pub mod network;
/// What was seen of a host.
pub mod observed;
/// Paths of fields.
pub mod path;
/// What is to be done, as data.
pub mod plan;
/// Storage pools, and who uses what is in them.
pub mod pool;
/// Everything that is checked before anything is changed.
pub mod preflight;
/// What is wrong with a user's file: every problem, each with its place.
pub mod problem;
/// The steps that bring services into a guest, as data.
pub mod provision;
/// What the guest says of itself while it comes up.
pub mod readiness;
/// Recipes that images are built from.
pub mod recipe;
/// The record of a VM, kept in its domain's metadata.
pub mod record;
/// The cloud-init NoCloud seed: documents and the ISO 9660 image that carries them.
pub mod seed;
/// Services: definitions, parameters, templates.
pub mod service;
/// "Did you mean …?"
pub mod suggest;
/// The record under which a network's registries are found: what is to be there, what was seen, what changes.
pub mod tnr;
/// Sizes for people.
pub mod units;
/// Versions as publishers write them, and the choice among them.
pub mod version;
/// The working type: a VM that cannot be invalid, and the way from the wire types to it.
pub mod vm;
/// libvirt XML, written and read.
pub mod xml;
