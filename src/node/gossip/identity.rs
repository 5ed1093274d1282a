//! A member of the gossip.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trustnet_core::network::NodeId;
use trustnet_core::network::signature::SigningKey;

use super::card::{Card, Claim};

/// A member: its id and its edition, and its card, where more than that is known.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) id: NodeId,
    pub(super) edition: u64,
    pub(super) known: Known,
}

/// What is known of a member.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// Its card, checked.
    Card(Arc<Card>),
    /// A card that is not checked yet.
    Claimed(Box<Claim>, [u8; 64]),
    /// Where it may answer. So is called who is known from a registry only.
    Address(SocketAddr),
    /// Nothing: it is the receiver of a message.
    Name,
    /// It is this node.
    Own(Arc<Card>, Arc<Author>),
}

/// Who signs this node's cards.
#[derive(Debug)]
pub(super) struct Author {
    pub key: SigningKey,
    pub domain: String,
}

impl Author {
    /// A card of this node's with something changed, of the next edition.
    pub fn renew(&self, card: &Card, change: impl FnOnce(&mut Claim)) -> Option<Arc<Card>> {
        let mut claim = card.claim().clone();
        claim.edition += 1;
        change(&mut claim);
        Card::sign(claim, &self.key, &self.domain)
            .ok()
            .map(Arc::new)
    }
}

impl Identity {
    pub fn of(card: Arc<Card>) -> Self {
        Self {
            id: card.id(),
            edition: card.claim().edition,
            known: Known::Card(card),
        }
    }

    pub fn own(card: Arc<Card>, author: Arc<Author>) -> Self {
        Self {
            known: Known::Own(Arc::clone(&card), author),
            ..Self::of(card)
        }
    }

    /// Somebody of whom nothing is signed yet. It is called, and never told of.
    pub fn at(id: NodeId, address: SocketAddr) -> Self {
        Self {
            id,
            edition: 0,
            known: Known::Address(address),
        }
    }

    /// The member by its name only.
    pub fn name(&self) -> Self {
        Self {
            known: Known::Name,
            ..*self
        }
    }

    pub fn card(&self) -> Option<&Arc<Card>> {
        match &self.known {
            Known::Card(card) | Known::Own(card, _) => Some(card),
            Known::Claimed(..) | Known::Address(_) | Known::Name => None,
        }
    }

    /// Where to send what is for this member.
    pub fn socket(&self) -> Option<SocketAddr> {
        match &self.known {
            Known::Address(address) => Some(*address),
            _ => self.card().map(|card| card.socket()),
        }
    }

    fn signature(&self) -> Option<&[u8; 64]> {
        self.card().map(|card| card.signature())
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.edition == other.edition
    }
}

impl Eq for Identity {}

impl foca::Identity for Identity {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        let Known::Own(card, author) = &self.known else {
            return None;
        };
        let card = author.renew(card, |_| ())?;
        Some(Self::own(card, Arc::clone(author)))
    }

    fn addr(&self) -> NodeId {
        self.id
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        // A node never signs two cards of an edition; if it did, all choose the same one.
        (self.edition, self.signature()) > (adversary.edition, adversary.signature())
    }
}

/// A member as it is written into a datagram.
#[derive(Serialize, Deserialize)]
enum Wire {
    Card(Claim, [u8; 32], [u8; 32]),
    Name([u8; 8], u64),
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = match &self.known {
            Known::Card(card) | Known::Own(card, _) => {
                let (mut first, mut last) = ([0; 32], [0; 32]);
                first.copy_from_slice(&card.signature()[..32]);
                last.copy_from_slice(&card.signature()[32..]);
                Wire::Card(card.claim().clone(), first, last)
            }
            _ => Wire::Name(*self.id.as_bytes(), self.edition),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Card(claim, first, last) => {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&first);
                signature[32..].copy_from_slice(&last);
                let key = trustnet_core::network::PublicKey::new(claim.key);
                Self {
                    id: key.node_id(),
                    edition: claim.edition,
                    known: Known::Claimed(Box::new(claim), signature),
                }
            }
            Wire::Name(id, edition) => Self {
                id: NodeId::new(id),
                edition,
                known: Known::Name,
            },
        })
    }
}
