//! The registry of a TrustNet: the directory of its nodes, kept in SQLite and told over HTTP.
//!
//! In the order in which data flows:

/// What time it is.
pub mod clock;
/// Registries found by a domain.
pub mod discovery;
/// The key that a registry or node is known by.
pub mod identity;
/// The directory, read from memory and written durably.
pub mod registrar;
/// The directory as a file: written, pruned, and put in place of a lost database.
pub mod snapshots;
/// SQLite databases that survive a kill, and say so when they are damaged.
pub mod sqlite;
/// The directory in SQLite.
mod store;
