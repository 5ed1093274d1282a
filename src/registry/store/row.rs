//! A node as a row of a table, and back.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::sync::Arc;

use rusqlite::types::{FromSqlError, ValueRef};
use trustnet_api::network::{ChangeType, NodeState};
use trustnet_core::network::{Node, NodeId, Now, PublicKey, Signed};

/// How many columns of a table are a node's.
pub(super) const COLUMNS: usize = 14;

/// A node's columns, in their order.
pub(super) struct NodeRow<'a> {
    id: i64,
    key: &'a [u8],
    name: &'a str,
    address: [u8; 16],
    port: u16,
    domain: &'a str,
    registry: Cow<'a, str>,
    state: &'a str,
    reputation: u8,
    first_seen: i64,
    active_for: i64,
    active_since: i64,
    signed: SignedRow<'a>,
}

/// What a key signed last, as columns.
pub(super) struct SignedRow<'a> {
    at: i64,
    seen: Cow<'a, [u8]>,
}

/// What the last beat of a node was, as columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BeatRow {
    pub(crate) id: NodeId,
    pub(crate) sequence: u64,
    pub(crate) heard: i64,
}

/// The FNV-1a sum of a row. No single byte changes without changing it.
pub(super) struct Sum(u64);

/// The domains of a directory that is being read, each once.
#[derive(Default)]
pub(super) struct Domains(BTreeSet<Arc<str>>);

/// Why a row is not what was written.
pub(super) type Odd = FromSqlError;

impl Sum {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let sum = bytes.iter().fold(self.0, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(sum)
    }

    /// The length goes in as well, so that nothing moves from one column to the next.
    pub(super) fn text(self, text: &str) -> Self {
        self.blob(text.as_bytes())
    }

    pub(super) fn blob(self, bytes: &[u8]) -> Self {
        self.bytes(&bytes.len().to_le_bytes()).bytes(bytes)
    }

    pub(super) fn number(self, number: i64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(super) fn column(self) -> i64 {
        self.0.cast_signed()
    }

    /// Compares with what is in the row.
    pub(super) fn check(self, row: &rusqlite::Row<'_>, column: usize) -> Result<(), Odd> {
        if integer(row, column)? == self.column() {
            Ok(())
        } else {
            Err(odd("a row's checksum does not match"))
        }
    }
}

impl Domains {
    fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

impl<'a> SignedRow<'a> {
    pub(super) fn new(signed: &Signed) -> Self {
        let seen: Vec<u8> = signed
            .seen
            .iter()
            .flat_map(|one| one.to_be_bytes())
            .collect();
        Self {
            at: signed.at.cast_signed(),
            seen: seen.into(),
        }
    }

    pub(super) fn read(row: &'a rusqlite::Row<'_>, at: usize) -> Result<Self, Odd> {
        Ok(Self {
            at: integer(row, at)?,
            seen: blob(row, at + 1)?.into(),
        })
    }

    pub(super) fn sum(&self, sum: Sum) -> Sum {
        sum.number(self.at).blob(&self.seen)
    }

    pub(super) fn at(&self) -> i64 {
        self.at
    }

    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn signed(&self) -> Signed {
        let (seen, _) = self.seen.as_chunks::<8>();
        Signed {
            at: self.at.cast_unsigned(),
            seen: seen.iter().map(|one| u64::from_be_bytes(*one)).collect(),
        }
    }
}

impl BeatRow {
    pub(super) fn of(node: &Node) -> Self {
        Self {
            id: node.id,
            sequence: node.sequence,
            heard: node.last_heartbeat,
        }
    }

    pub(super) fn sum(&self, sum: Sum) -> Sum {
        sum.number(self.sequence.cast_signed()).number(self.heard)
    }

    pub(super) fn read(row: &rusqlite::Row<'_>, id: usize, sequence: usize) -> Result<Self, Odd> {
        Ok(Self {
            id: node_id(integer(row, id)?),
            sequence: integer(row, sequence)?.cast_unsigned(),
            heard: integer(row, sequence + 1)?,
        })
    }
}

impl<'a> NodeRow<'a> {
    /// The columns of a node. The steady clock means nothing to the next process: since when a node is active is
    /// written by the wall clock.
    pub(super) fn new(node: &'a Node, now: &Now) -> Self {
        let active = i64::try_from(now.steady.saturating_sub(node.active_since));
        Self {
            id: id_column(node.id),
            key: node.key.as_bytes(),
            name: &node.name,
            address: node.address.octets(),
            port: node.port,
            domain: &node.domain,
            registry: node.registry.to_string().into(),
            state: state_word(node.state),
            reputation: node.reputation,
            first_seen: node.first_seen,
            active_for: node.active_for.cast_signed(),
            active_since: match node.state {
                NodeState::Active => now.wall.saturating_sub(active.unwrap_or(i64::MAX)),
                _ => 0,
            },
            signed: SignedRow::new(&node.signed),
        }
    }

    pub(super) fn read(row: &'a rusqlite::Row<'_>, at: usize) -> Result<Self, Odd> {
        let small = |column| {
            let number = integer(row, at + column)?;
            u16::try_from(number).map_err(|_| FromSqlError::OutOfRange(number))
        };
        Ok(Self {
            id: integer(row, at)?,
            key: blob(row, at + 1)?,
            name: text(row, at + 2)?,
            address: blob(row, at + 3)?
                .try_into()
                .map_err(|_| odd("an address is short"))?,
            port: small(4)?,
            domain: text(row, at + 5)?,
            registry: text(row, at + 6)?.into(),
            state: text(row, at + 7)?,
            reputation: u8::try_from(small(8)?).map_err(|_| odd("a reputation is over 255"))?,
            first_seen: integer(row, at + 9)?,
            active_for: integer(row, at + 10)?,
            active_since: integer(row, at + 11)?,
            signed: SignedRow::read(row, at + 12)?,
        })
    }

    pub(super) fn sum(&self, sum: Sum) -> Sum {
        let sum = sum
            .number(self.id)
            .blob(self.key)
            .text(self.name)
            .bytes(&self.address)
            .number(self.port.into())
            .text(self.domain)
            .text(&self.registry)
            .text(self.state)
            .number(self.reputation.into())
            .number(self.first_seen)
            .number(self.active_for)
            .number(self.active_since);
        self.signed.sum(sum)
    }

    /// The columns as SQLite takes them.
    pub(super) fn columns(&self) -> [ValueRef<'_>; COLUMNS] {
        [
            ValueRef::Integer(self.id),
            ValueRef::Blob(self.key),
            ValueRef::Text(self.name.as_bytes()),
            ValueRef::Blob(&self.address),
            ValueRef::Integer(self.port.into()),
            ValueRef::Text(self.domain.as_bytes()),
            ValueRef::Text(self.registry.as_bytes()),
            ValueRef::Text(self.state.as_bytes()),
            ValueRef::Integer(self.reputation.into()),
            ValueRef::Integer(self.first_seen),
            ValueRef::Integer(self.active_for),
            ValueRef::Integer(self.active_since),
            ValueRef::Integer(self.signed.at),
            ValueRef::Blob(&self.signed.seen),
        ]
    }

    /// The node. The registry was not there to hear it: silence counts from now on.
    pub(super) fn node(
        &self,
        beat: &BeatRow,
        domains: &mut Domains,
        now: &Now,
    ) -> Result<Node, Odd> {
        let key: [u8; 32] = self.key.try_into().map_err(|_| odd("a key is short"))?;
        let state = state(self.state)?;
        let since = match state {
            NodeState::Active => beat.heard.saturating_sub(self.active_since).max(0),
            _ => 0,
        };
        Ok(Node {
            id: node_id(self.id),
            key: PublicKey::new(key),
            name: self.name.into(),
            address: Ipv6Addr::from(self.address),
            port: self.port,
            domain: domains.share(self.domain),
            registry: self
                .registry
                .parse()
                .map_err(|_| odd("a registry's address is none"))?,
            state,
            reputation: self.reputation,
            first_seen: self.first_seen,
            last_heartbeat: beat.heard,
            sequence: beat.sequence,
            active_for: self.active_for.cast_unsigned() + since.cast_unsigned(),
            active_since: now.steady,
            beat_at: now.steady,
            signed: self.signed.signed(),
        })
    }
}

/// An id as a column.
pub(super) fn id_column(id: NodeId) -> i64 {
    i64::from_be_bytes(*id.as_bytes())
}

/// The id of a column.
pub(super) fn node_id(column: i64) -> NodeId {
    NodeId::new(column.to_be_bytes())
}

pub(super) fn integer(row: &rusqlite::Row<'_>, column: usize) -> Result<i64, Odd> {
    value(row, column)?.as_i64()
}

pub(super) fn text<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<&'a str, Odd> {
    value(row, column)?.as_str()
}

fn blob<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<&'a [u8], Odd> {
    value(row, column)?.as_blob()
}

fn value<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<ValueRef<'a>, Odd> {
    row.get_ref(column)
        .map_err(|error| FromSqlError::Other(error.into()))
}

/// A row is not what was written.
pub(super) fn odd(what: &'static str) -> Odd {
    FromSqlError::Other(what.into())
}

fn state_word(state: NodeState) -> &'static str {
    match state {
        NodeState::Active => "active",
        NodeState::Offline => "offline",
        NodeState::Inactive => "inactive",
        NodeState::Banned => "banned",
    }
}

fn state(word: &str) -> Result<NodeState, Odd> {
    [
        NodeState::Active,
        NodeState::Offline,
        NodeState::Inactive,
        NodeState::Banned,
    ]
    .into_iter()
    .find(|state| state_word(*state) == word)
    .ok_or_else(|| odd("a state is none"))
}

/// What happened, as a column.
pub(super) fn change_word(change: ChangeType) -> &'static str {
    match change {
        ChangeType::NodeRegistered => "registered",
        ChangeType::NodeUpdated => "updated",
        ChangeType::NodeState => "state",
        ChangeType::NodeRemoved => "removed",
    }
}

/// What happened, of a column.
pub(super) fn change(word: &str) -> Result<ChangeType, Odd> {
    [
        ChangeType::NodeRegistered,
        ChangeType::NodeUpdated,
        ChangeType::NodeState,
        ChangeType::NodeRemoved,
    ]
    .into_iter()
    .find(|change| change_word(*change) == word)
    .ok_or_else(|| odd("a change is none"))
}
