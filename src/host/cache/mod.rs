//! The cache of artifacts: a store that goes by content, and what fills it.

/// Packages from a Debian or Ubuntu archive.
pub mod deb;
/// Getting files over HTTP, resumed, bounded and verified; it knows nothing of the cache.
pub mod download;
/// What goes wrong with the cache.
pub mod error;
/// Local builds.
pub mod file;
/// What services need, from the lock or from its publisher.
pub mod obtain;
/// Container images from a registry.
pub mod oci;
/// Signatures of publishers.
mod signature;
/// The store: blobs by their digest, with readable entries.
pub mod store;
/// One archive that carries artifacts to a machine without a network.
pub mod transfer;
/// Artifacts behind a URL.
pub mod url;
/// Looking versions up where publishers list them.
pub mod versions;
/// What a file must be, and who says so.
pub(crate) mod vouch;

#[cfg(test)]
pub(crate) mod tests;
