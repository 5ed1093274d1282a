//! A node of a TrustNet: it registers, beats, and knows its peers.
//!
//! In the order in which data flows:

/// The address that a node tells others.
pub mod address;
/// Whom the administrator keeps out.
pub mod bans;
/// What a node says to registries.
pub mod client;
/// What makes a node go.
mod driver;
/// How nodes know of one another.
pub mod gossip;
/// The registry in a node's own process.
mod integrated;
/// What a node remembers from run to run.
pub mod memory;
/// What a node counts.
mod metrics;
/// The peers that a node knows of.
pub mod peers;
/// Where a node listens.
pub mod ports;
/// What a node answers over HTTP.
mod routes;
/// Connections, their limits, and their end.
mod server;
/// A node that runs.
pub mod service;
/// The configuration file.
pub mod settings;
/// What a node tells of itself.
pub mod view;
