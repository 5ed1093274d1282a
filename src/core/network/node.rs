//! A node of the directory.

use std::net::Ipv6Addr;
use std::sync::Arc;

use trustnet_api::network::{NodeRecord, NodeState, Peer, PeerInformationSource, SIGNATURE_LIFE};

use super::now::timestamp;
use super::{Endpoint, NodeId, Now, PublicKey, Refusal, Registration};

/// The reputation of a new node.
const NEW_REPUTATION: u8 = 50;
/// How far ahead the signature of a write may be that is taken, in seconds: of one that was queued, so far ahead of when it
/// was queued, and that so far ahead of now.
const FURTHEST_AHEAD: u64 = 2 * SIGNATURE_LIFE;
/// The most writes of one key within one second.
pub(super) const MAX_A_SECOND: usize = 8;

/// That a write was signed: when, and by which signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The signature's `created`: seconds since 1970.
    pub created: u64,
    /// The first eight bytes of the signature's SHA-256.
    pub signature: u64,
}

/// What was last signed by a key: nothing before it is taken any more, and nothing of its second twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signed {
    /// The latest `created`.
    pub at: u64,
    /// The signatures of that second.
    pub seen: Vec<u64>,
}

impl Signed {
    /// Whether a signature is new.
    pub(super) fn admits(&self, proof: &Proof, now: &Now) -> Result<(), Refusal> {
        let replayed = self.is_after(proof, now)
            || (proof.created == self.at
                && (self.seen.contains(&proof.signature) || self.seen.len() >= MAX_A_SECOND));
        if replayed {
            Err(Refusal::Replayed)
        } else {
            Ok(())
        }
    }

    /// Whether a signature is older than the last. The last may be as far ahead as any that is taken: of what a secondary
    /// took by a clock that is ahead as far as that. One that is still further ahead was made, and taken, by clocks that
    /// were wrong: it says nothing of what is signed since they are right, and is too far ahead to be sent again.
    pub(super) fn is_after(&self, proof: &Proof, now: &Now) -> bool {
        proof.created < self.at && self.at <= now.seconds().saturating_add(FURTHEST_AHEAD)
    }

    /// Remembers a signature.
    #[must_use]
    pub(super) fn with(&self, proof: &Proof) -> Self {
        let mut seen = if proof.created == self.at {
            self.seen.clone()
        } else {
            Vec::new()
        };
        seen.push(proof.signature);
        Self {
            at: proof.created,
            seen,
        }
    }
}

/// A node of the directory: what it says of itself, and what is known of it. Times are milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its key.
    pub key: PublicKey,
    /// Its name.
    pub name: Box<str>,
    /// Where it answers.
    pub address: Ipv6Addr,
    /// The port that it answers at.
    pub port: u16,
    /// The network's domain, one for all nodes.
    pub domain: Arc<str>,
    /// The registry nearest to it.
    pub registry: Endpoint,
    /// Whether it is heard of.
    pub state: NodeState,
    /// 0 to 100.
    pub reputation: u8,
    /// When it registered first, by the wall clock.
    pub first_seen: i64,
    /// When it was last heard of, by the wall clock.
    pub last_heartbeat: i64,
    /// The last heartbeat's sequence; 0 after a registration.
    pub sequence: u64,
    /// How long it was active, up to `active_since`.
    pub active_for: u64,
    /// Since when it is active, by the steady clock; of no meaning in other states.
    pub active_since: u64,
    /// When it was last heard of, by the steady clock.
    pub beat_at: u64,
    /// The last signed write.
    pub signed: Signed,
}

impl Node {
    /// A new node.
    pub(super) fn new(
        registration: &Registration,
        domain: Arc<str>,
        signed: Signed,
        now: &Now,
    ) -> Self {
        Self {
            id: registration.id(),
            key: *registration.key(),
            name: registration.name().into(),
            address: registration.address(),
            port: registration.port(),
            domain,
            registry: registration.registry(),
            state: NodeState::Active,
            reputation: NEW_REPUTATION,
            first_seen: now.wall,
            last_heartbeat: now.wall,
            sequence: 0,
            active_for: 0,
            active_since: now.steady,
            beat_at: now.steady,
            signed,
        }
    }

    /// The node as it registers again.
    pub(super) fn registered(
        &self,
        registration: &Registration,
        domain: Arc<str>,
        proof: &Proof,
        now: &Now,
    ) -> Self {
        let mut node = self.in_state(NodeState::Active, now);
        node.name = registration.name().into();
        node.address = registration.address();
        node.port = registration.port();
        node.domain = domain;
        node.registry = registration.registry();
        node.sequence = 0;
        node.signed = self.signed.with(proof);
        node.heard(now);
        node
    }

    /// The node in another state, or in the same.
    #[must_use]
    pub(super) fn in_state(&self, state: NodeState, now: &Now) -> Self {
        let mut node = self.clone();
        if state == self.state {
            return node;
        }
        if self.state == NodeState::Active {
            node.active_for = self.active_ms(now);
        }
        if state == NodeState::Active {
            node.active_since = now.steady;
        }
        node.state = state;
        node
    }

    /// It was heard of just now.
    pub(super) fn heard(&mut self, now: &Now) {
        self.last_heartbeat = now.wall;
        self.beat_at = now.steady;
    }

    fn active_ms(&self, now: &Now) -> u64 {
        match self.state {
            NodeState::Active => self.active_for + now.steady.saturating_sub(self.active_since),
            _ => self.active_for,
        }
    }

    /// The node as registries tell of it.
    #[must_use]
    pub fn record(&self, now: &Now) -> NodeRecord {
        NodeRecord {
            node_id: self.id.to_string(),
            node_name: self.name.to_string(),
            state: self.state,
            ipv6_address: self.address,
            port: self.port,
            domain: self.domain.to_string(),
            registry_address: self.registry.to_string(),
            public_key: self.key.to_string(),
            reputation: self.reputation,
            uptime_pct: self.uptime(now),
            first_seen: timestamp(self.first_seen),
            last_heartbeat: timestamp(self.last_heartbeat),
            peer_information_source: PeerInformationSource::Registry,
        }
    }

    /// How much of the time since it registered it was active, in percent, to two places.
    fn uptime(&self, now: &Now) -> f64 {
        let known = now
            .wall
            .saturating_sub(self.first_seen)
            .max(0)
            .unsigned_abs();
        let active = self.active_ms(now).min(known);
        match (active * 10_000).checked_div(known) {
            Some(part) => f64::from(u32::try_from(part).unwrap_or(10_000)) / 100.0,
            None => 100.0,
        }
    }

    /// The node as another one needs to know it.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer {
            node_id: self.id.to_string(),
            node_name: self.name.to_string(),
            ipv6_address: self.address,
            port: self.port,
            registry_address: self.registry.to_string(),
        }
    }

    /// The node that a registry tells of.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] names the field that is no such thing: the registry speaks another language.
    pub fn told(record: &NodeRecord, domain: Arc<str>, now: &Now) -> Result<Self, Refusal> {
        let invalid = |field: &'static str| {
            move |error: &dyn std::error::Error| Refusal::invalid(field, error)
        };
        let key: PublicKey = record
            .public_key
            .parse()
            .map_err(|error| invalid("public_key")(&error))?;
        let id: NodeId = record
            .node_id
            .parse()
            .map_err(|error| invalid("node_id")(&error))?;
        if key.node_id() != id {
            return Err(Refusal::invalid("node_id", "it is not the key's"));
        }
        let registry: Endpoint = record
            .registry_address
            .parse()
            .map_err(|error| invalid("registry_address")(&error))?;
        let first_seen = record.first_seen.as_millisecond();
        let known = now.wall.saturating_sub(first_seen).max(0).unsigned_abs();
        Ok(Self {
            id,
            key,
            name: record.node_name.as_str().into(),
            address: record.ipv6_address,
            port: record.port,
            domain,
            registry,
            state: record.state,
            reputation: record.reputation.min(100),
            first_seen,
            last_heartbeat: record.last_heartbeat.as_millisecond(),
            sequence: 0,
            active_for: share(known, record.uptime_pct),
            active_since: now.steady,
            beat_at: now.steady,
            signed: Signed::default(),
        })
    }
}

/// So many percent of a time.
fn share(known: u64, percent: f64) -> u64 {
    let part = percent.clamp(0.0, 100.0) * 100.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 10,000"
    )]
    let part = part as u64;
    known / 10_000 * part + known % 10_000 * part / 10_000
}
