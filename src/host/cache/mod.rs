//! The cache of artifacts: a store that goes by content, and what fills it.

/// Packages from a Debian or Ubuntu archive.
pub mod deb;
/// Getting files over HTTP, resumed, bounded and verified; it knows nothing of the cache.
pub mod download;
/// What goes wrong with the cache.
pub mod error;
/// Local builds.
pub mod file;
/// Container images from a registry.
pub mod oci;
/// Signatures of publishers.
mod signature;
/// The store: blobs by their digest, with readable entries.
pub mod store;
/// Artifacts behind a URL.
pub mod url;

#[cfg(test)]
mod tests;
