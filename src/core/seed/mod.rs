//! The seed.
