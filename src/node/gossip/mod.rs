//! How nodes know of one another while every registry is down: SWIM, by the crate foca, over UDP.
//!
//! [`Gossip`] is told what came and what time it is, and says what is to be sent; it has no socket and no clock. Every
//! member has a [`Card`], signed by its key, so nobody speaks of a node what that node did not say; and every datagram
//! is in an envelope ([`Seal`]) that only who has the network's join token can close, if there is a token. What a member
//! says of whether another one lives is believed, as always with SWIM: who is wrongly declared dead says so himself.

mod card;
mod codec;
mod engine;
mod identity;
mod limit;
mod seal;
#[cfg(test)]
mod tests;

pub use card::{Card, CardError, Claim};
pub use engine::{Counts, Dropped, Gossip, GossipSettings, Notice};
pub use seal::Seal;
