//! What a node says of itself, signed by it.

use std::fmt::{self, Debug, Formatter};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use serde::{Deserialize, Serialize};
use trustnet_api::network::Peer;
use trustnet_core::network::signature::SigningKey;
use trustnet_core::network::{Endpoint, NodeId, PublicKey, is_node_name};

/// What comes before that which is signed, so that no signature of a card is one of anything else.
const PURPOSE: &[u8] = b"trustnet gossip card 1\0";

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The node's public key, which makes its id.
    pub key: [u8; 32],
    /// The node's name.
    pub name: String,
    /// Where the node answers.
    pub address: Ipv6Addr,
    /// The port that it answers requests at.
    pub port: u16,
    /// The port that it gossips at.
    pub gossip_port: u16,
    /// The registry nearest to it.
    pub registry: Option<SocketAddr>,
    /// Ascends with every card of the node: the highest counts.
    pub edition: u64,
}

/// A claim with its signature, which was checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    claim: Claim,
    id: NodeId,
    signature: [u8; 64],
}

impl Debug for Card {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {} at {}, edition {}",
            self.id,
            self.claim.name,
            self.socket(),
            self.claim.edition
        )
    }
}

/// A card that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// A field holds what no node may say.
    #[error("a node's card has no valid {0}")]
    Field(&'static str),
    /// The signature is not that key's, or the node is of another network.
    #[error("a node's card is not signed by its key for this network")]
    Forged,
}

impl Card {
    /// Signs a claim.
    ///
    /// # Errors
    /// The claim is none that others would believe, or its key is another one.
    pub fn sign(claim: Claim, key: &SigningKey, domain: &str) -> Result<Self, CardError> {
        claim.check()?;
        let id = PublicKey::new(claim.key).node_id();
        if id != key.public().node_id() {
            return Err(CardError::Field("key"));
        }
        let signature = key.sign_bytes(&claim.signed(domain));
        Ok(Self {
            claim,
            id,
            signature,
        })
    }

    /// Checks a claim that somebody sent.
    ///
    /// # Errors
    /// The claim is none that a node may make, or it is not signed by its key for this domain.
    pub fn check(claim: Claim, signature: [u8; 64], domain: &str) -> Result<Self, CardError> {
        claim.check()?;
        let key = PublicKey::new(claim.key);
        key.verify_bytes(&claim.signed(domain), &signature)
            .map_err(|_| CardError::Forged)?;
        Ok(Self {
            claim,
            id: key.node_id(),
            signature,
        })
    }

    /// Whose card it is.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What the node says.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Where the node gossips.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        SocketAddrV6::new(self.claim.address, self.claim.gossip_port, 0, 0).into()
    }

    /// The registry nearest to the node, unless nobody but itself could reach it there.
    #[must_use]
    pub fn registry(&self) -> Option<Endpoint> {
        let registry = self.claim.registry?;
        let reachable = !registry.ip().is_loopback() || self.claim.address.is_loopback();
        let valid = registry.port() != 0 && !registry.ip().is_unspecified();
        (reachable && valid).then(|| Endpoint::from(registry))
    }

    /// The node as others are told of it.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer {
            node_id: self.id.to_string(),
            node_name: self.claim.name.clone(),
            ipv6_address: self.claim.address,
            port: self.claim.port,
            registry_address: self
                .claim
                .registry
                .map_or_else(String::new, |registry| registry.to_string()),
        }
    }
}

impl Claim {
    fn check(&self) -> Result<(), CardError> {
        if !is_node_name(&self.name) {
            return Err(CardError::Field("name"));
        }
        if self.address.is_unspecified() || self.address.is_multicast() {
            return Err(CardError::Field("address"));
        }
        if self.port == 0 || self.gossip_port == 0 {
            return Err(CardError::Field("port"));
        }
        Ok(())
    }

    /// The bytes that are signed: every field has its length, so no two claims have the same.
    fn signed(&self, domain: &str) -> Vec<u8> {
        let mut bytes = PURPOSE.to_vec();
        for text in [domain, &self.name] {
            bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend(self.key);
        bytes.extend(self.address.octets());
        bytes.extend(self.port.to_be_bytes());
        bytes.extend(self.gossip_port.to_be_bytes());
        bytes.extend(self.edition.to_be_bytes());
        let registry = self.registry.map(|registry| registry.to_string());
        bytes.extend(registry.unwrap_or_default().as_bytes());
        bytes
    }
}
