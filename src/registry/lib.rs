//! The registry of a TrustNet: the directory of its nodes, kept in SQLite and told over HTTP.
//!
//! In the order in which data flows:

#[cfg(test)]
#[path = "tests/certificates/mod.rs"]
mod certificates;
/// What a secondary says to its root.
pub mod client;
/// What time it is.
pub mod clock;
/// Registries found by a domain.
pub mod discovery;
/// Files that are replaced whole.
pub mod file;
/// A secondary's following of its root.
pub mod follower;
/// What a secondary hands on to its root.
pub mod forward;
/// The key that a registry or node is known by.
pub mod identity;
/// How much one address may ask for.
pub mod limits;
/// What is logged.
pub mod logging;
/// What is counted.
pub mod metrics;
/// The writes that a secondary keeps for its root.
pub mod queue;
/// The directory, read from memory and written durably.
pub mod registrar;
/// What the routes share.
pub mod registry;
/// The routes.
pub mod routes;
/// Connections, their limits, and their end.
pub mod server;
/// A registry that runs.
pub mod service;
/// The program's configuration file.
pub mod settings;
/// The directory as a file: written, pruned, and put in place of a lost database.
pub mod snapshots;
/// SQLite databases that survive a kill, and say so when they are damaged.
pub mod sqlite;
/// The directory in SQLite.
mod store;
/// A stream that does not wait for ever for those who do not read.
mod stream;
/// TLS: the certificate that a service shows.
pub mod tls;
/// The network's join token.
pub mod token;
/// How registries are called.
pub mod transport;
/// A stream on which what is no HTTP is refused in JSON, too.
pub mod worded;
