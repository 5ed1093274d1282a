//! What servers say of a record.

use std::net::{Ipv6Addr, SocketAddr};

use trustnet_api::dns::DnsView;

/// What was seen of a domain's record, by each server that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The record's name, without a dot at its end.
    pub name: String,
    /// The zone that it is in; none where that was not found.
    pub zone: Option<String>,
    /// What each server said, the authoritative ones first.
    pub views: Vec<View>,
}

/// What one server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What the server is called.
    pub server: String,
    /// Where it was asked; none for the machine's own resolver.
    pub address: Option<SocketAddr>,
    /// As what it was asked.
    pub role: Role,
    /// What it said.
    pub seen: Seen,
}

/// As what a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The zone's own: what it says is so.
    Authoritative,
    /// This machine's way to names.
    Resolver,
    /// A resolver for everybody: what others see.
    Public,
}

/// What a server says of the AAAA records of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// They are these.
    Addresses {
        /// The addresses, in the order of the answer.
        addresses: Vec<Ipv6Addr>,
        /// For how many seconds they may be kept.
        ttl: u32,
    },
    /// There is no such name (NXDOMAIN).
    NoName,
    /// The name has other records only (NODATA).
    NoData,
    /// The name is another name of something else, whose addresses this server does not know.
    Alias(String),
    /// The server could not find out (SERVFAIL).
    Failed,
    /// The server does not answer us (REFUSED).
    Refused,
    /// The zone is said to be this server's, and it knows nothing of it (a lame delegation).
    Lame,
    /// No answer came in time.
    Silent,
    /// Nothing could be sent to it.
    Unreachable(String),
    /// Something else.
    Other(String),
}

impl Role {
    /// In one word, for machines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Authoritative => "authoritative",
            Self::Resolver => "resolver",
            Self::Public => "public",
        }
    }
}

impl Seen {
    /// In one word, for machines.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Addresses { .. } => "addresses",
            Self::NoName => "nxdomain",
            Self::NoData => "nodata",
            Self::Alias(_) => "alias",
            Self::Failed => "servfail",
            Self::Refused => "refused",
            Self::Lame => "lame",
            Self::Silent => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Other(_) => "other",
        }
    }

    /// The addresses; none for every other answer.
    #[must_use]
    pub fn addresses(&self) -> &[Ipv6Addr] {
        match self {
            Self::Addresses { addresses, .. } => addresses,
            _ => &[],
        }
    }

    /// Whether it says what there is, or that there is nothing: the others say that they do not know.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Addresses { .. } | Self::NoName | Self::NoData | Self::Alias(_)
        )
    }

    /// For a person.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Addresses { addresses, .. } => addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            Self::NoName => "no such name (NXDOMAIN)".to_owned(),
            Self::NoData => "no AAAA record (NODATA)".to_owned(),
            Self::Alias(target) => format!("another name of `{target}` (CNAME)"),
            Self::Failed => "it could not find out (SERVFAIL)".to_owned(),
            Self::Refused => "it does not answer us (REFUSED)".to_owned(),
            Self::Lame => "it does not serve the zone (lame)".to_owned(),
            Self::Silent => "no answer in time".to_owned(),
            Self::Unreachable(why) => format!("not reached: {why}"),
            Self::Other(why) => why.clone(),
        }
    }

    fn why(&self) -> Option<String> {
        match self {
            Self::Alias(text) | Self::Unreachable(text) | Self::Other(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Sighting {
    /// Those that say what is so: the authoritative servers that answer; where none does, everybody else who answers.
    pub(super) fn truth(&self) -> Vec<&View> {
        let answers = |authoritative: bool| {
            let views = self.views.iter();
            views
                .filter(|view| (view.role == Role::Authoritative) == authoritative)
                .filter(|view| view.seen.is_answer())
                .collect::<Vec<_>>()
        };
        let truth = answers(true);
        if truth.is_empty() {
            answers(false)
        } else {
            truth
        }
    }

    /// The addresses that are there, each once: what an authoritative server says; where none answers, what others say.
    #[must_use]
    pub fn addresses(&self) -> Vec<Ipv6Addr> {
        let mut all = Vec::new();
        for address in self.truth().iter().flat_map(|view| view.seen.addresses()) {
            if !all.contains(address) {
                all.push(*address);
            }
        }
        all
    }
}

impl View {
    /// For machines.
    #[must_use]
    pub fn wire(&self) -> DnsView {
        let ttl = match self.seen {
            Seen::Addresses { ttl, .. } => Some(ttl),
            _ => None,
        };
        DnsView {
            server: self.server.clone(),
            address: self.address,
            role: self.role.word(),
            answer: self.seen.word(),
            addresses: self.seen.addresses().to_vec(),
            ttl,
            why: self.seen.why(),
        }
    }
}
