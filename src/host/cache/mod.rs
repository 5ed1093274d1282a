//! The cache of artifacts on the host, and its fetchers.

/// Container images from a registry.
pub mod oci;
