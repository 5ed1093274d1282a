//! Everything that can be decided from values alone. No I/O, no clock, no environment, no randomness.
//!
//! In the order in which data flows:

/// What is wrong with a user's file: every problem, each with its place.
pub mod problem;
/// Text to wire types: strict YAML with positions.
pub mod load;
/// The working type: a VM that cannot be invalid, and the way from the wire types to it.
pub mod vm;
/// The cloud-init NoCloud seed: documents and the ISO 9660 image that carries them.
pub mod seed;
