//! What a change makes of what is there: our values only, others' stay.

use std::fmt::{self, Display, Formatter};
use std::net::Ipv6Addr;

use super::{Record, TTL};

/// The AAAA records of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// The addresses, each once.
    pub addresses: Vec<Ipv6Addr>,
    /// For how many seconds they may be kept.
    pub ttl: u32,
}

/// The difference between what is there and what is to be there. What is not ours stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    name: String,
    before: Option<RecordSet>,
    after: Option<RecordSet>,
}

/// What somebody wants of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Its addresses are to be there.
    Publish,
    /// They are not.
    Remove,
}

impl Wish {
    /// What that makes of what is there.
    #[must_use]
    pub fn change(self, record: &Record, before: Option<RecordSet>) -> Change {
        match self {
            Self::Publish => Change::publish(record, before),
            Self::Remove => Change::remove(record, before),
        }
    }
}

impl Change {
    /// The record's addresses come in, where they are not there. A set that is there keeps its TTL: it is one for all of its
    /// values, and others' may be among them.
    #[must_use]
    pub fn publish(record: &Record, before: Option<RecordSet>) -> Self {
        let before = before.filter(|set| !set.addresses.is_empty());
        let mut after = before.clone().unwrap_or(RecordSet {
            addresses: Vec::new(),
            ttl: TTL,
        });
        for address in record.addresses() {
            if !after.addresses.contains(address) {
                after.addresses.push(*address);
            }
        }
        Self {
            name: record.name(),
            before,
            after: Some(after),
        }
    }

    /// The record's addresses go, where they are there.
    #[must_use]
    pub fn remove(record: &Record, before: Option<RecordSet>) -> Self {
        let before = before.filter(|set| !set.addresses.is_empty());
        let mut after = before.clone();
        if let Some(set) = &mut after {
            set.addresses
                .retain(|address| !record.addresses().contains(address));
        }
        Self {
            name: record.name(),
            before,
            after: after.filter(|set| !set.addresses.is_empty()),
        }
    }

    /// The record's name, without a dot at its end.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is there; none: no such record.
    #[must_use]
    pub fn before(&self) -> Option<&RecordSet> {
        self.before.as_ref()
    }

    /// What is to be there; none: no such record.
    #[must_use]
    pub fn after(&self) -> Option<&RecordSet> {
        self.after.as_ref()
    }

    /// The addresses that come in.
    #[must_use]
    pub fn added(&self) -> Vec<Ipv6Addr> {
        less(self.after(), self.before())
    }

    /// The addresses that go.
    #[must_use]
    pub fn removed(&self) -> Vec<Ipv6Addr> {
        less(self.before(), self.after())
    }

    /// The addresses that stay.
    #[must_use]
    pub fn kept(&self) -> Vec<Ipv6Addr> {
        let removed = self.removed();
        let mut kept = addresses(self.before()).to_vec();
        kept.retain(|address| !removed.contains(address));
        kept
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before == self.after
    }

    /// Whether another change brings and takes the same, whatever else is there.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.added() == other.added() && self.removed() == other.removed()
    }
}

/// The difference in lines of a zone's file: `+` comes, `-` goes, the rest stays.
impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ttl = self.after().or(self.before()).map_or(TTL, |set| set.ttl);
        let all = [
            (' ', self.kept()),
            ('-', self.removed()),
            ('+', self.added()),
        ];
        let lines = all
            .iter()
            .flat_map(|(mark, list)| list.iter().map(move |address| (mark, address)));
        for (index, (mark, address)) in lines.enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{mark} {}. {ttl} AAAA {address}", self.name)?;
        }
        Ok(())
    }
}

fn addresses(set: Option<&RecordSet>) -> &[Ipv6Addr] {
    set.map_or(&[], |set| set.addresses.as_slice())
}

fn less(from: Option<&RecordSet>, without: Option<&RecordSet>) -> Vec<Ipv6Addr> {
    let mut left = addresses(from).to_vec();
    left.retain(|address| !addresses(without).contains(address));
    left
}
