//! Kinds of documents that become VMs: a registry and a node of a TrustNet, each written with what it is, and
//! made into a VM with the service that it is.

mod expansion;
mod fields;
mod node;
mod registry;
mod siblings;
mod vm;

pub use expansion::{Expansion, Origin};
pub(crate) use fields::address;
pub use fields::token_name;
pub use node::expand as node;
pub use registry::expand as registry;
pub use siblings::Siblings;

/// The service that a registry is.
pub const REGISTRY_SERVICE: &str = "trustnet-registry";
/// The service that a node is.
pub const NODE_SERVICE: &str = "trustnet-node";
/// The secret of both services that admits new keys.
pub(crate) const JOIN_TOKEN: &str = "joinToken";
