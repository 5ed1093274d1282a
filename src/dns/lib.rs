//! The DNS: names looked up, and the record of a network's registries kept.
//!
//! In the order in which data flows. What is to be said of what comes out is in `trustnet_core::tnr`.

/// One message to a name server, and its answer.
mod exchange;
/// Names, as the machine, everybody and the zone's own servers know them.
pub mod names;
/// From answers to what was seen.
mod seen;
/// Which name servers are asked.
pub mod servers;
/// Waiting until a record is seen.
pub mod watch;

/// Those who keep zones, and change them.
#[cfg(feature = "providers")]
pub mod provider;

pub use names::{Names, NamesError};
#[cfg(feature = "providers")]
pub use provider::{Held, Patience, Provider, ProviderError, carry_out, provider};
pub use servers::{NAME_SERVERS, NameServers, ServersError};
pub use trustnet_core::tnr::{Seen, Sighting, View};
pub use watch::{Look, Watch};
